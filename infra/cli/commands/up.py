"""Start the whole system here, and keep it running."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shlex
import signal
from typing import TYPE_CHECKING, Final

import typer

from infra.base.settings import Settings, redacted
from infra.cli import output
from infra.local.stack import progress_for, run_until_interrupted

if TYPE_CHECKING:
    from infra.local.system import System

LASTUNIT: Final = ".venv/bin/lastunit"
_ENDED_BY_REQUEST = {128 + signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGHUP}


def up(*, as_json: output.AsJson = False) -> None:
    """Start the whole system here and keep it running until Ctrl-C; its data stays for the next time."""
    settings = output.quiet_settings()
    with output.errors_shown():
        code = run_until_interrupted(_hold(settings, as_json=as_json), "Stopping the system; its data stays.")
    if code in _ENDED_BY_REQUEST:  # the normal end of something that runs until it is stopped
        with contextlib.suppress(OSError):  # the terminal may be closed
            output.stderr().print("Stopped.")
        code = 0
    raise typer.Exit(code)


async def _hold(settings: Settings, *, as_json: bool) -> None:
    from infra.local.system import running_system  # noqa: PLC0415  no other command should wait for it
    from infra.local.targets import keep_targets  # noqa: PLC0415  same

    progress = progress_for()
    async with running_system(
        settings,
        progress,
        webhooks=True,
        shop=_has("litestar", "tantivy", "scipy"),
        api=_has("litestar", "jinja2"),
    ) as system:
        if late := await system.until_listening():
            progress.report(f"Not listening yet: {', '.join(late)}; see {system.supervisor.folder / 'logs'}")
        if as_json:
            output.print_json(_addresses(system))
        else:
            _show(_addresses(system), command_of(settings))
        keeping = asyncio.create_task(keep_targets(system.settings), name="Prometheus targets")
        try:
            await system.until_failure()
        finally:
            keeping.cancel()


def _has(*packages: str) -> bool:
    """Return whether what the shop or the API needs is installed: orders and stock need none of it."""
    return all(importlib.util.find_spec(package) is not None for package in packages)


def _addresses(system: System) -> dict[str, str]:
    settings = system.settings
    return {
        "kafka": settings.kafka_bootstrap or "",
        "postgresql": redacted(settings.postgres_dsn or ""),
        "redis": redacted(settings.redis_url or ""),
        "payments": settings.processor_url or settings.processor,
        "webhooks": f"http://{settings.receiver_host}:{settings.receiver_port}/webhooks/payments/...",
        "api": f"{'https' if settings.api_tls_cert else 'http'}://{settings.api_host}:{settings.api_port}/docs"
        if settings.api_port
        else "",
        "console": f"http://{settings.console_host}:{settings.console_port}/" if settings.console_port else "",
        "metrics": f"http://{settings.console_host}:{settings.console_port}/metrics" if settings.console_port else "",
        "shop": f"http://{settings.shop_host}:{settings.shop_port}/" if settings.shop_port else "",
        "logs": str(system.supervisor.folder / "logs"),
        "passwords": str(settings.state_dir / "stack.json"),
    }


def command_of(settings: Settings) -> str:
    """Return how another terminal calls us: with the state directory, where it is not the default one."""
    if "state_dir" not in settings.model_fields_set:
        return LASTUNIT
    return f"LASTUNIT_STATE_DIR={shlex.quote(str(settings.state_dir))} {LASTUNIT}"


def _show(addresses: dict[str, str], command: str) -> None:
    console = output.stdout()
    console.print("\nLastunit runs. Ctrl-C stops it, and so does `make down`.\n")
    output.print_table(("", ""), [address for address in addresses.items() if address[1]])
    console.print(
        "\nTry, in another terminal:\n"
        f"  {command} stock receive MUG 10\n"
        f"  {command} order place --line MUG=1 --wait\n"
        f"  {command} shop demo\n",
    )
