"""`python -m infra.local.stack`: run the bare servers in the foreground, until Ctrl-C. `lastunit up` runs the whole system."""

from __future__ import annotations

import sys

from infra.base.errors import InfraError
from infra.base.logs import set_up_logging
from infra.base.settings import load_settings
from infra.local.stack.progress import progress_for
from infra.local.stack.run import run_until_interrupted
from infra.local.stack.stack import embedded_stack


async def _hold() -> None:
    settings = load_settings()
    set_up_logging(settings)
    progress = progress_for()
    async with embedded_stack(settings, progress) as stack:
        print(stack.endpoints, flush=True)
        progress.report("The stack is up; Ctrl-C stops it.")
        await stack.until_failure()


def main() -> int:
    """Return the exit code: 0, 1 after an error, 130 after Ctrl-C, 143 after SIGTERM."""
    try:
        return run_until_interrupted(_hold(), "Stopping Kafka, Valkey and PostgreSQL.")
    except InfraError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
