"""`lastunit up` and `lastunit down`: the whole system here, until Ctrl-C or until it is stopped from elsewhere."""

from __future__ import annotations

import contextlib
import importlib.util
import signal
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from infra.base.settings import Settings, redacted
from infra.cli import output
from infra.local.stack import progress_for, run_until_interrupted, stop_running_stack

if TYPE_CHECKING:
    from infra.local.system import System

_ENDED_BY_REQUEST = {128 + signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGHUP}


def register(app: typer.Typer) -> None:
    """Add both commands."""
    app.command("up")(up)
    app.command("down")(down)


def up() -> None:
    """Start the whole system here and keep it running until Ctrl-C; its data stays for the next time."""
    settings = output.quiet_settings()
    with output.errors_shown():
        code = run_until_interrupted(_hold(settings), "Stopping the system; its data stays.")
    if code in _ENDED_BY_REQUEST:  # the normal end of something that runs until it is stopped
        with contextlib.suppress(OSError):  # the terminal may be closed
            output.stderr().print("Stopped.")
        code = 0
    raise typer.Exit(code)


def down() -> None:
    """Stop the system that runs here, from another terminal; its data stays."""
    settings = output.quiet_settings()
    with output.errors_shown():
        pid = stop_running_stack(settings)
    output.stdout().print("Nothing was running here." if pid is None else f"Stopped process {pid}; its data stays.")


async def _hold(settings: Settings) -> None:
    from infra.local.system import running_system  # noqa: PLC0415  no other command should wait for it

    async with running_system(settings, progress_for(), webhooks=True, shop=_has_shop()) as system:
        _show(system)
        await system.until_failure()


def _has_shop() -> bool:
    """Return whether what the shop needs is installed: orders and stock need none of it."""
    return all(importlib.util.find_spec(package) is not None for package in ("litestar", "tantivy", "scipy"))


def _show(system: System) -> None:
    settings = system.settings
    addresses = Table.grid(padding=(0, 2))
    addresses.add_row("Kafka", settings.kafka_bootstrap)
    addresses.add_row("PostgreSQL", redacted(settings.postgres_dsn or ""))
    addresses.add_row("Redis", redacted(settings.redis_url or ""))
    addresses.add_row("Payments", settings.processor_url or settings.processor)
    addresses.add_row("Webhooks", f"http://{settings.receiver_host}:{settings.receiver_port}/webhooks/payments/...")
    if settings.shop_port:
        addresses.add_row("Shop", f"http://{settings.shop_host}:{settings.shop_port}/")
    addresses.add_row("Logs", str(system.supervisor.folder / "logs"))
    addresses.add_row("Passwords", str(settings.state_dir / "stack.json"))
    console = output.stdout()
    console.print("\nLastunit runs. Ctrl-C stops it, and so does `make down`.\n")
    console.print(addresses)
    console.print(
        "\nTry, in another terminal:\n"
        "  .venv/bin/lastunit stock receive MUG 10\n"
        "  .venv/bin/lastunit order place --line MUG=1 --wait\n"
        "  .venv/bin/lastunit shop demo\n",
        markup=False,
    )
