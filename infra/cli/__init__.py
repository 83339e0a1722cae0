"""The command line, `lastunit`. One module here is one command or one group of commands.

A module adds itself by `register(app)`, or offers a group as `app`; putting the file here is all that it takes.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import version
from typing import Annotated

import typer


def _show_version(*, wanted: bool) -> None:
    if wanted:
        print(f"lastunit {version('lastunit')}")
        raise typer.Exit


def _root(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=lambda wanted: _show_version(wanted=wanted)
        ),
    ] = False,
) -> None:
    """Sell stock without ever selling a unit twice. Start everything here with `lastunit up`."""


def build() -> typer.Typer:
    """Return the whole command line."""
    # Tracebacks with local variables would show passwords.
    app = typer.Typer(name="lastunit", no_args_is_help=True, pretty_exceptions_enable=False, callback=_root)
    for found in pkgutil.iter_modules(__path__, f"{__name__}."):
        module = importlib.import_module(found.name)
        if hasattr(module, "register"):
            module.register(app)
        elif hasattr(module, "app"):
            app.add_typer(module.app)
    return app


def main() -> None:
    """Be the program `lastunit`."""
    build()()
