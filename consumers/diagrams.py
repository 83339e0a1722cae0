"""Draws the saga and its states for the docs, from the tables that the rooms obey: `python -m consumers.diagrams`.

`--check` writes nothing and fails when a page in `docs/diagrams/` does not show the tables as they are. The pictures
are Mermaid, which GitHub renders.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from consumers.fulfilment.transitions import TRANSITIONS as FULFILMENT
from consumers.orders.transitions import TRANSITIONS as ORDERS
from consumers.payments.transitions import TRANSITIONS as PAYMENTS
from consumers.runtime.deciding.transitions import Transitions
from schemas.messages import Message
from topology.saga import REACTIONS, TERMINAL_FACTS, Reaction
from topology.saga_steps import EXPLAINED, SagaStep
from topology.states import FulfilmentState, OrderState, PaymentState
from topology.topics import ADDRESSED_TO_A_PARTITION, ANYONE, log_of, topic_of

DIRECTORY: Final = Path(__file__).parents[1] / "docs" / "diagrams"
COMMAND: Final = "python -m consumers.diagrams"
READERS: Final = "readers"
"""Stands in the pictures for people and views, who read the facts that end a step."""

PAYMENT_PICTURES: Final[Mapping[str, tuple[PaymentState, ...]]] = MappingProxyType(
    {
        "Set money aside": (PaymentState.NONE, PaymentState.AUTHORIZING),
        "Have it confirmed, and renewed": (PaymentState.REQUIRES_ACTION, PaymentState.LAPSED),
        "Take it": (
            PaymentState.AUTHORIZED,
            PaymentState.CAPTURING,
            PaymentState.PARTIALLY_CAPTURED,
            PaymentState.CAPTURED,
            PaymentState.CAPTURE_FAILED,
        ),
        "Set it free": (PaymentState.VOIDING, PaymentState.VOID_FAILED),
        "Give it back": (PaymentState.REFUNDING, PaymentState.PARTIALLY_REFUNDED, PaymentState.REFUND_FAILED),
        "See what others did": (
            PaymentState.INSPECTING,
            PaymentState.DISPUTED,
            PaymentState.VOIDED,
            PaymentState.REFUNDED,
        ),
    }
)
"""The pictures of a payment's states: each has the arrows that leave these."""

State = TypeVar("State", bound=StrEnum)


class Arrow(NamedTuple):
    """One arrow of the saga's picture: what `source` publishes to `target` on `topic`; `undo` takes a step back."""

    source: str
    target: str
    topic: str
    undo: bool


def pages() -> dict[str, str]:
    """Return every generated page by its file name."""
    explained = (
        "An arrow names the messages that may move {0}. The table names the decision of each state on each message."
    )
    return {
        "order-states.md": _page(
            "The states of an order",
            "consumers/orders/transitions.py",
            explained.format("an order"),
            _fenced(states_diagram(ORDERS, OrderState.UNKNOWN)),
            decisions_table(ORDERS),
        ),
        "payment-states.md": _page(
            "The states of an order's payment",
            "consumers/payments/transitions.py",
            explained.format("a payment")
            + " One picture for each of its operations: with all arrows in one nobody could follow any.",
            "\n\n".join(
                f"## {title}\n\n" + _fenced(states_diagram(PAYMENTS, PaymentState.NONE, leaving=frozenset(states)))
                for title, states in PAYMENT_PICTURES.items()
            )
            + "\n\n## All decisions",
            decisions_table(PAYMENTS),
        ),
        "fulfilment-states.md": _page(
            "The states of an order's fulfilment",
            "consumers/fulfilment/transitions.py",
            explained.format("a fulfilment"),
            _fenced(states_diagram(FULFILMENT, FulfilmentState.NONE)),
            decisions_table(FULFILMENT),
        ),
        "saga.md": _page(
            "Which room reacts to what",
            "topology/saga.py, topology/saga_steps.py and topology/topics.py",
            "One picture for each step. An arrow is what one room publishes and another accepts, under the topic that "
            "carries it. What comes on order.commands passes through intake, which appends it to order.events. A dashed arrow takes a "
            "step back. The table at the end has all of it.",
            "\n\n".join(
                f"## {step}\n\n{EXPLAINED[step]}\n\n{_fenced(saga_diagram(REACTIONS, step))}" for step in SagaStep
            ),
            f"## All reactions\n\n{reactions_table(REACTIONS)}",
        ),
    }


def stale(directory: Path) -> list[str]:
    """Return the names of the pages in `directory` that are missing or do not show the tables as they are."""
    return [name for name, text in pages().items() if not _holds(directory / name, text)]


def write(directory: Path) -> None:
    """Write every page into `directory`, which is made if it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (directory / name).write_text(text, encoding="utf-8")


def arrows(transitions: Transitions[State]) -> dict[tuple[State, Any], list[type[Message]]]:
    """Return for each pair of states the messages that may move from one to the other, in the order of the table."""
    moves: defaultdict[tuple[State, Any], list[type[Message]]] = defaultdict(list)
    for state, row in transitions.items():
        for message, transition in row.items():
            for target in transition.leads_to:
                moves[state, target].append(message)
    return dict(moves)


def states_diagram(transitions: Transitions[State], first: State, *, leaving: frozenset[State] | None = None) -> str:
    """Return the Mermaid state diagram of one table, or of the arrows that leave some of its states.

    A state that nothing leaves is a final one.
    """
    every = arrows(transitions)
    moves = {move: messages for move, messages in every.items() if leaving is None or move[0] in leaving}
    final = set(transitions) - {source for source, _ in every}
    shown = {state for move in moves for state in move}
    lines = ["stateDiagram-v2", *([f"    [*] --> {first}"] if first in shown else [])]
    lines += [f"    {source} --> {target}: {_names(messages, ', ')}" for (source, target), messages in moves.items()]
    lines += [f"    {state} --> [*]" for state in transitions if state in final & shown]
    return "\n".join(lines)


def decisions_table(transitions: Transitions[State]) -> str:
    """Return the whole table in Markdown: a row for each message, a column for each state."""
    rows: defaultdict[type[Message], list[str]] = defaultdict(list)
    for state in transitions:
        for message in next(iter(transitions.values())):
            rows[message].append(transitions[state][message].decide.__name__)
    return _table(["message", *transitions], [[f"`{message.__name__}`", *names] for message, names in rows.items()])


def saga_arrows(reactions: Sequence[Reaction], step: SagaStep | None = None) -> dict[Arrow, list[type[Message]]]:
    """Return the saga's arrows with the messages on each, all or those of one step, in the order of the reactions."""
    undo = {reaction.undone_by for reaction in reactions}
    drawn: defaultdict[Arrow, list[type[Message]]] = defaultdict(list)
    for message in dict.fromkeys(message for reaction in reactions for message in (reaction.on, *reaction.outputs)):
        for target in _readers(message, reactions, step):
            for source in _writers(message, reactions) or [target]:
                topic = topic_of(message) if source == ANYONE else log_of(message)
                drawn[Arrow(source, target, topic.name, message in undo)].append(message)
    return dict(drawn)


def saga_diagram(reactions: Sequence[Reaction], step: SagaStep | None = None) -> str:
    """Return the Mermaid flowchart of the rooms and what they publish for each other, in all or in one step."""
    drawn = saga_arrows(reactions, step)
    ends = {end for arrow in drawn for end in (arrow.source, arrow.target)}
    rooms = dict.fromkeys(reaction.room for reaction in reactions)
    nodes = {ANYONE: '(["any authorised producer"])', **{room: f'["{room}"]' for room in rooms}}
    nodes[READERS] = '(["people and views"])'
    lines = ["flowchart LR", *(f"    {name}{shape}" for name, shape in nodes.items() if name in ends)]
    for arrow, messages in drawn.items():
        line = "-.->" if arrow.undo else "-->"
        lines.append(f'    {arrow.source} {line}|"{arrow.topic}:<br/>{_names(messages, "<br/>")}"| {arrow.target}')
    return "\n".join(lines)


def reactions_table(reactions: Sequence[Reaction]) -> str:
    """Return the table of reactions in Markdown, in its own order: that of the steps of an order."""
    rows = (
        [
            reaction.room,
            f"`{reaction.on.__name__}`",
            log_of(reaction.on).name,
            ", ".join(f"`{message.__name__}`" for message in reaction.outputs) or "records it",
            f"`{reaction.undone_by.__name__}`" if reaction.undone_by else "",
        ]
        for reaction in reactions
    )
    return _table(["room", "accepts", "on", "publishes one or more of", "undone by"], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or with `--check` list those that are stale; return the exit status."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is stale")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="where the pages are (default: %(default)s)")
    options = parser.parse_args(arguments)
    if not options.check:
        write(options.directory)
        return 0
    names = stale(options.directory)
    if names:
        sys.stderr.write(f"Stale in {options.directory}: {', '.join(names)}. Run `{COMMAND}` and commit the result.\n")
    return 1 if names else 0


def _writers(message: type[Message], reactions: Sequence[Reaction]) -> list[str]:
    """Return the rooms that publish this message; none for one that a partition's owner appends to its own log."""
    if message in ADDRESSED_TO_A_PARTITION:
        return []
    return list(dict.fromkeys(reaction.room for reaction in reactions if message in reaction.outputs)) or [ANYONE]


def _readers(message: type[Message], reactions: Sequence[Reaction], step: SagaStep | None) -> list[str]:
    """Return who reads this message, in all or in one step."""
    accepting = [reaction for reaction in reactions if reaction.on is message]
    rooms = [reaction.room for reaction in accepting if step in (None, reaction.step, reaction.also_in)]
    ends = message in TERMINAL_FACTS and step in (None, TERMINAL_FACTS[message])
    return [*rooms, READERS] if ends else rooms


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except FileNotFoundError:
        return False


def _names(messages: Iterable[type[Message]], between: str) -> str:
    return between.join(message.__name__ for message in messages)


def _page(title: str, source: str, explained: str, diagrams: str, table: str) -> str:
    return (
        f"<!-- Generated from {source} by `{COMMAND}`: change those and run it again. -->\n\n"
        f"# {title}\n\n{explained}\n\n{diagrams}\n\n{table}\n"
    )


def _fenced(diagram: str) -> str:
    return f"```mermaid\n{diagram}\n```"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(_table_lines(heads, rows))


def _table_lines(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    sys.exit(main())
