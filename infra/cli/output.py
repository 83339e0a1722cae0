"""What all commands share in how they answer: results on standard output, errors as one line on standard error.

With --json a command prints one document. One that follows something (`order place --wait`, `order watch`, `replay`) prints a
document a line as they come, and its result as the last line.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Collection, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final, NoReturn, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from consumers.errors import ConsumerError
from infra.base.errors import InfraError
from infra.base.logs import set_up_logging
from infra.base.settings import Settings, load_settings
from infra.cli.shortening import shortened
from infra.cli.tables import Cell, paragraph, table
from producers.errors import ProducerError, UnusableOptionError
from schemas.errors import SchemaError
from topology.errors import TopologyError

FAILED: Final = 1
MISUSED: Final = 2

EXPECTED: Final = (InfraError, ProducerError, TopologyError, ConsumerError, SchemaError)
"""What can go wrong although the program is right; its message says what to do."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

T = TypeVar("T")


def quiet_settings() -> Settings:
    """Return the settings, with logs held down to what a person at a terminal must know."""
    with errors_shown():
        settings = load_settings()
    set_up_logging(settings.model_copy(update={"log_level": "error"}), for_good=False)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the error that ends the command says it
    return settings


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do the work of a command; an expected error becomes its message and exit status 1."""
    with errors_shown():
        return asyncio.run(work)


@contextmanager
def errors_shown() -> Iterator[None]:
    """Turn an expected error into its message and exit status 1, or 2 where an option cannot be followed."""
    try:
        yield
    except UnusableOptionError as error:
        fail(str(error), MISUSED)
    except EXPECTED as error:
        fail(str(error))


def fail(message: str, status: int = FAILED) -> NoReturn:
    """Print on standard error why the command ends here, and end it."""
    stderr().print(shortened(message))
    raise typer.Exit(status)


def print_json(document: Any, *, indent: bool = True) -> None:
    """Print one JSON document; structs and enumerations are fine. Without indentation it takes one line."""
    encoded = msgspec.json.encode(document)
    print((msgspec.json.format(encoded, indent=2) if indent else encoded).decode(), flush=True)


def print_table(
    headers: Sequence[str], rows: Iterable[Sequence[Cell]], *, right: Collection[str] = (), wrap: bool = False
) -> None:
    """Print a table whose cells are never broken; with `wrap` the last column goes on under itself."""
    console = stdout()
    for line in table(headers, rows, right=right, width=screen_width() if wrap else None):
        console.print(line)


def print_text(text: str, style: str = "") -> None:
    """Print a text, broken between words where it does not fit."""
    stdout().print(Text(paragraph(text, screen_width()), style))


def screen_width() -> int:
    """Return how many columns there are to print on: the terminal's, COLUMNS, or 80."""
    return shutil.get_terminal_size().columns


def stdout() -> Console:
    """Return where results go."""
    return Console(soft_wrap=True, highlight=False, markup=False, emoji=False)


def stderr() -> Console:
    """Return where everything else goes."""
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 order, 2,000 orders."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
