"""Stop the system that runs here; its data stays."""

from __future__ import annotations

from infra.cli.output import AsJson, errors_shown, print_json, quiet_settings, stdout
from infra.local.stack import stop_running_stack


def down(*, as_json: AsJson = False) -> None:
    """Stop the system that runs here, from another terminal; its data stays."""
    settings = quiet_settings()
    with errors_shown():
        pid = stop_running_stack(settings)
    if as_json:
        print_json({"stopped_pid": pid})
    else:
        stdout().print("Nothing was running here." if pid is None else f"Stopped process {pid}; its data stays.")
