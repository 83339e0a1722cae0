"""A room's table of transitions: for each state and message the decision function, and the states that it may lead to.

The table is the only place that decides what a message does in a state. Diagrams, the moves that `evolve` makes without an
event of their own, and the check that no pair is forgotten derive from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from consumers.errors import IncompleteTableError
from topology.saga import messages_accepted_by

if TYPE_CHECKING:
    from schemas.messages import Message

State = TypeVar("State", bound=StrEnum)
Decision: TypeAlias = Callable[..., list[Any]]
"""(state, message, now) -> outcomes. Pure. Raises RefusedError for a message that becomes a dead letter."""


class Transition(NamedTuple):
    """The decision function for one state and message, and every state that may come of it; none: the state stays."""

    decide: Decision
    leads_to: tuple[StrEnum, ...] = ()


Transitions: TypeAlias = Mapping[State, Mapping["type[Message]", Transition]]
Row: TypeAlias = "Mapping[type[Message], Decision | Transition]"


def to(decision: Decision, *states: StrEnum) -> Transition:
    """Return the transition of a decision that may lead to these states."""
    return Transition(decision, states)


def transitions(room: str, states: type[State], rows: Mapping[State, Row]) -> Transitions[State]:
    """Return the table of a room. Raises IncompleteTableError where a state lacks a message that the room accepts."""
    for state in states:
        _require_all(room, state, rows.get(state, {}))
    return MappingProxyType(
        {
            state: MappingProxyType(
                {message: cell if isinstance(cell, Transition) else Transition(cell) for message, cell in row.items()}
            )
            for state, row in rows.items()
        }
    )


def decisions(room: str, row: Mapping[type[Message], Decision]) -> Mapping[type[Message], Decision]:
    """Return the table of a room whose decisions find the state themselves. Raises IncompleteTableError as above."""
    _require_all(room, "", row)
    return MappingProxyType(dict(row))


def _require_all(room: str, state: str, row: Row) -> None:
    accepted = messages_accepted_by(room)
    if row.keys() != accepted:
        raise IncompleteTableError(room, state, {message.__name__ for message in row.keys() ^ accepted})
