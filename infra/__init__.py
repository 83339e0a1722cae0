"""Where it runs: settings, the embedded stack, migrations, the command line."""
