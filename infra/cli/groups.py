"""Groups of commands that know what was probably meant when a command is not theirs."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import typer
from typer.core import TyperGroup

ELSEWHERE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "health": ("status", "ready"),
        "check": ("verify", "topology check"),
        "audit": ("verify", "replay"),
        "metrics": ("status", "lag"),
        "dead-letters": ("letters list",),
        "dlq": ("letters list",),
        "list": ("orders find", "stock show"),
        "find": ("orders find",),
        "search": ("orders find",),
        "ls": ("orders find", "stock show"),
        "import": ("orders import",),
        "place": ("order place",),
        "buy": ("order place",),
        "cancel": ("order cancel",),
        "ship": ("order ship",),
        "refund": ("order refund",),
        "return": ("order return request",),
        "receive": ("stock receive",),
        "adjust": ("stock adjust",),
        "inventory": ("stock show",),
        "start": ("up",),
        "run": ("up", "room"),
        "serve": ("up",),
        "stop": ("down",),
        "pause": ("room pause",),
        "reset": ("offsets reset",),
        "groups": ("lag", "offsets reset"),
        "settings": ("config",),
        "env": ("config",),
        "topics": ("topology diff",),
        "migrate": ("up", "maintenance run"),
        "vacuum": ("maintenance run",),
        "webhook": ("webhooks list",),
        "payment": ("payments reconcile",),
        "version": ("--version",),
        "help": ("--help",),
    }
)
"""Where what is asked for under this name is done, in this group or in another."""
IN_GROUP: Final[Mapping[tuple[str, str], tuple[str, ...]]] = MappingProxyType(
    {
        ("stock", "list"): ("stock show",),
        ("stock", "ls"): ("stock show",),
        ("stock", "add"): ("stock receive",),
        ("stock", "remove"): ("stock adjust",),
        ("stock", "set"): ("stock adjust", "stock reconcile"),
        ("order", "history"): ("order show",),
        ("order", "status"): ("order show", "order watch"),
        ("orders", "place"): ("order place", "orders import"),
        ("orders", "show"): ("order show", "orders find"),
        ("orders", "status"): ("orders stuck", "orders find"),
        ("webhooks", "show"): ("webhooks list",),
        ("webhooks", "status"): ("webhooks list", "webhooks parked"),
        ("maintenance", "list"): ("maintenance show",),
        ("topology", "show"): ("topology diff",),
    }
)
PROGRAM: Final = "lastunit"


class Group(TyperGroup):
    """A group of commands that suggests the nearest command for one that it does not have."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is meant. Ends with a suggestion where there is none of this name."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0][:60]!r}.{self._hint(ctx, args[0])}")
        return super().resolve_command(ctx, args)

    def _hint(self, ctx: Any, name: str) -> str:
        group = " ".join(ctx.command_path.split()[1:])
        word = name.lower().replace("_", "-")
        own = difflib.get_close_matches(word[:60], self.list_commands(ctx), n=2, cutoff=0.7)
        meant = IN_GROUP.get((group, word)) or [
            *(f"{group} {command}".strip() for command in own),
            *ELSEWHERE.get(word, ()),
        ]
        near = [f"`{PROGRAM} {name}`" for name in dict.fromkeys(meant)]
        return (
            f" Did you mean {' or '.join(near)}?"
            if near
            else f" `{PROGRAM} {group} --help`".replace("  ", " ") + " lists all."
        )


def new_group(name: str, help_: str, cls: type[Group] = Group) -> typer.Typer:
    """Return a group to add commands to. Help and errors are plain text: boxes break commands and ids in two."""
    return typer.Typer(
        name=name, help=help_, cls=cls, no_args_is_help=True, add_completion=False, rich_markup_mode=None
    )


def add(group: typer.Typer, *commands: Callable[..., None]) -> None:
    """Add functions to a group as commands of their names."""
    for command in commands:
        group.command()(command)
