"""One module or package for each command or group of commands; `infra.cli` finds them by their names."""
