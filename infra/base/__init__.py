"""What every process needs: settings, logs, connections, migrations, exit statuses, the room registry."""
