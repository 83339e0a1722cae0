"""`lastunit up` and `lastunit down`: the whole system here, until Ctrl-C or until it is stopped from elsewhere."""

from __future__ import annotations

import signal

import typer
from rich.console import Console
from rich.table import Table

from infra.errors import InfraError
from infra.logs import set_up_logging
from infra.settings import load_settings, redacted
from infra.stack import progress_for, run_until_interrupted, stop_running_stack
from infra.system import System, running_system
from producers.errors import ProducerError
from topology.errors import TopologyError

_ENDED_BY_REQUEST = {128 + signal.SIGINT, 128 + signal.SIGTERM}


def register(app: typer.Typer) -> None:
    """Add both commands."""
    app.command("up")(up)
    app.command("down")(down)


def up() -> None:
    """Start the whole system here and keep it running until Ctrl-C; its data stays for the next time."""
    try:
        code = run_until_interrupted(_hold(), "Stopping the system; its data stays.")
    except (InfraError, TopologyError, ProducerError) as error:
        Console(stderr=True, soft_wrap=True).print(str(error), markup=False, highlight=False)
        raise typer.Exit(1) from None
    if code in _ENDED_BY_REQUEST:  # the normal end of something that runs until it is stopped
        Console(stderr=True).print("Stopped.")
        code = 0
    raise typer.Exit(code)


def down() -> None:
    """Stop the system that runs here, from another terminal; its data stays."""
    try:
        pid = stop_running_stack(load_settings())
    except InfraError as error:
        Console(stderr=True, soft_wrap=True).print(str(error), markup=False, highlight=False)
        raise typer.Exit(1) from None
    print("Nothing was running here." if pid is None else f"Stopped process {pid}; its data stays.")


async def _hold() -> None:
    settings = load_settings()
    set_up_logging(settings.model_copy(update={"log_level": "warning"}))
    async with running_system(settings, progress_for()) as system:
        _show(system)
        await system.until_failure()


def _show(system: System) -> None:
    settings = system.settings
    addresses = Table.grid(padding=(0, 2))
    addresses.add_row("Kafka", settings.kafka_bootstrap)
    addresses.add_row("PostgreSQL", redacted(settings.postgres_dsn or ""))
    addresses.add_row("Redis", redacted(settings.redis_url or ""))
    addresses.add_row("Payments", settings.processor_url)
    addresses.add_row("Logs", str(system.supervisor.folder / "logs"))
    addresses.add_row("Passwords", str(settings.state_dir / "stack.json"))
    console = Console(soft_wrap=True, highlight=False)
    console.print("\nLastunit runs. Ctrl-C stops it, and so does `make down`.\n")
    console.print(addresses)
    console.print(
        "\nTry, in another terminal:\n"
        "  .venv/bin/lastunit stock receive MUG=10\n"
        "  .venv/bin/lastunit order place --line MUG=1 --wait\n",
        markup=False,
    )
