"""`python -m infra.local.stack.clean`: stop this folder's stack if it runs, and delete its data."""

from __future__ import annotations

import shutil
import sys

from infra.base.errors import InfraError
from infra.base.settings import load_settings
from infra.base.state_lock import holder_of
from infra.local.stack.stop import stop_running_stack

# Deleting is limited to what the stack wrote, in case LASTUNIT_STATE_DIR names a folder with other things in it.
_OURS = (
    "kafka",
    "postgres",
    "valkey",
    "processor",
    "logs",
    "ports.json",
    "secret",
    "stack.json",
    "stack.json.new",
    "stack.lock",
)


def main() -> int:
    """Return the exit code."""
    try:
        settings = load_settings()
        if pid := stop_running_stack(settings):
            print(f"Stopped process {pid}", file=sys.stderr)
    except InfraError as error:
        print(error, file=sys.stderr)
        return 1
    # A demo's folder holds a stack of its own: the running one is left alone.
    demos = [path for path in settings.state_dir.glob("demo-*") if holder_of(path) is None]
    for path in [*(settings.state_dir / name for name in _OURS), *demos]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    try:
        settings.state_dir.rmdir()
    except FileNotFoundError:
        pass
    except OSError:
        print(f"Kept {settings.state_dir}: it holds other files too", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
