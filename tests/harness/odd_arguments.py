"""Every command of `lastunit` in this process, with arguments that its types allow and nobody means."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pytest

from infra.cli import build, main
from schemas.ids import new_order_id

ODD: Final = (
    *(
        "",
        " ",
        "-1",
        "0",
        "1.5",
        "inf",
        "-inf",
        "nan",
        "1e308",
        "1e-308",
        "9" * 400,
        "x" * 6_000,
        "\uff11",
        "0x10",
        "1_000",
    ),
    *(
        "\0",
        "a\0b",
        "\u200b",
        "\u00a0x",
        "e\u0301",
        "\ud800",
        "\U0001f600",
        "[bold]x[/]",
        ":smile:",
        "%s{0}",
        "'; DROP TABLE x",
    ),
    *("http://[::1", "https://user:pw@x/", "https://x:99999/", "https://" + "x" * 300 + "/", "http://x/#y", "ftp://x"),
    *(
        "2026-13-45",
        "0001-01-01",
        "9999-12-31T23:59:59-14:00",
        "29 Nov 2026",
        "A=",
        "=1",
        "A=1@",
        "A=1@1e5",
        "A=1,B",
        "/",
        ".",
    ),
)
"""Texts that are trouble somewhere: beyond floats, beyond columns, not printable, not Unicode, half an address or a time."""

PLAIN: Final[Mapping[str, tuple[str, ...]]] = {
    "line": ("MUG=1",),
    "carrier": ("dhl",),
    "tracking": ("1",),
    "note": ("by hand",),
    "reason": ("recall",),
    "items": ("MUG=1",),
    "sku": ("MUG",),
    "change": ("1",),
    "units": ("1",),
    "amount_minor": ("1",),
    "to": ("available",),
    "url": ("https://shop.example/hooks",),
    "subscription": ("sub-1",),
    "file": ("/nonexistent/orders.csv",),
    "partitions": ("4",),
    "shipment": ("parcel-1",),
    "return_id": ("return-1",),
    "timeout": ("0",),
    "scope": ("orders:read",),
    "order": (new_order_id(),),
    "order_id": (new_order_id(),),
}
"""What each parameter is given that is required, or that would make a command wait."""
STARTS_SOMETHING: Final = frozenset({"up", "demo", "room", "top"})
"""They run until they are stopped; only their options are refused here."""


class Leaf(NamedTuple):
    """One command, with the words that call it."""

    words: tuple[str, ...]
    command: Any

    @property
    def name(self) -> str:
        return " ".join(self.words)


def commands() -> list[Leaf]:
    """Return every command of every group."""
    return list(_walk((), build()))


def _walk(words: tuple[str, ...], command: Any) -> Iterator[Leaf]:
    if not hasattr(command, "list_commands"):
        yield Leaf(words, command)
        return
    for name in command.list_commands(None):
        yield from _walk((*words, name), command.get_command(None, name))


def invocations(leaf: Leaf, every: int = 1) -> Iterator[list[str]]:
    """Yield the command with odd values in each place, the other places as they are meant.

    With `every` above 1 each place has only so many of the values, other ones than the next place and the next command.
    """
    for number, parameter in enumerate(leaf.command.params, start=len(leaf.name)):
        if parameter.name in {"help", "as_json"} or getattr(parameter, "is_flag", False):
            continue
        for value in ODD[number % every :: every]:
            yield [*leaf.words, *_arguments(leaf, parameter.name, value), "--json"]


def flags(leaf: Leaf) -> Iterator[list[str]]:
    """Yield the command as it is meant with each pair of its flags."""
    names = [param.opts[0] for param in leaf.command.params if getattr(param, "is_flag", False)]
    for some in itertools.combinations(names, 2):
        yield [*leaf.words, *_arguments(leaf, "", ""), *some]


def _arguments(leaf: Leaf, name: str, value: str) -> list[str]:
    arguments: list[str] = []
    for parameter in leaf.command.params:
        given: Sequence[str] = PLAIN.get(parameter.name, ("x",))
        if parameter.name == name:
            given = (value,)
        elif not parameter.required and parameter.name != "timeout":
            continue
        is_option = parameter.opts[0].startswith("-")
        arguments += [f"{parameter.opts[0]}={text}" for text in given] if is_option else given
    return arguments


class Ended(NamedTuple):
    """How a command ended: its exit status, and what it printed."""

    status: Any
    output: str
    errors: str


def run_here(arguments: Sequence[str], environment: Mapping[str, str]) -> Ended:
    """Run the command line in this process; whatever it raises but its exit is raised here."""
    output, errors = io.StringIO(), io.StringIO()
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors), pytest.raises(SystemExit) as end:
            main(arguments)
    finally:
        os.environ.clear()
        os.environ.update(before)
    return Ended(end.value.code, output.getvalue(), errors.getvalue())
