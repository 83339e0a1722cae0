"""The command line, `lastunit`. Each module or package of `commands` is one command, or one group of commands.

Putting it there is all that it takes: its name is the command's, the first line of its docstring the help beside the name.
A group offers `app`, a command a function of its own name. Nothing of it is imported before it is called.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperCommand
from typer.exceptions import TyperException
from typer.main import get_command, get_group

from infra.cli.groups import Group
from infra.cli.shortening import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_TEXT: Final = 2
COMMANDS: Final = Path(__file__).with_name("commands")


class _Commands(Group):
    """All commands by the names of their modules. The list of them shows stand-ins, so that help imports none."""

    _is_listing = False

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TyperException as error:
            if isinstance(message := getattr(error, "message", None), str):
                vars(error)["message"] = shortened(message)
            raise

    def list_commands(self, _ctx: Any) -> list[str]:
        return sorted(module.name for module in pkgutil.iter_modules([str(COMMANDS)]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.list_commands(ctx):
            return None
        return (
            TyperCommand(cmd_name, help=_headline(cmd_name), rich_markup_mode=None)
            if self._is_listing
            else load(cmd_name)
        )

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self._is_listing = True
        super().format_help(ctx, formatter)


@functools.cache
def load(name: str) -> Any:
    """Import a command or a group of commands, and return it as typer's own object."""
    module = importlib.import_module(f"{__name__}.commands.{name}")
    if hasattr(module, "app"):
        return get_group(module.app)
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name)(getattr(module, name))
    return get_command(single)


def _headline(name: str) -> str:
    """Return the first line of a module's docstring, without importing it."""
    path = COMMANDS / name / "__init__.py" if (COMMANDS / name).is_dir() else COMMANDS / f"{name}.py"
    with path.open(encoding="utf-8") as source:
        return source.readline().strip().strip('"')


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
    """Sell stock without ever selling a unit twice. Start everything here with `lastunit up`.

    Every command takes --json: it prints one document, or one a line where it follows something while it happens.
    """


def build() -> Any:
    """Return the whole command line."""
    app = typer.Typer(name="lastunit", cls=_Commands, no_args_is_help=True, callback=_root, rich_markup_mode=None)
    return get_command(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Be the program `lastunit`."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    for argument in given:
        if not _is_text(argument):
            print(f"{argument.encode(errors='replace').decode()!r} is not UTF-8 text.", file=sys.stderr)
            raise SystemExit(NOT_TEXT)
    build()(given, prog_name="lastunit")


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True
