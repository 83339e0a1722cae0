"""The decisions of which nothing follows: each pair of a table has a named one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from consumers.errors import RefusedError

if TYPE_CHECKING:
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message


class _InState(Protocol):
    @property
    def state(self) -> Any:
        """Where the record stands, as a StrEnum."""


def refuse(record: _InState, message: Message, now: Now) -> list[Any]:
    """Refuse what cannot follow from the saga. Raises RefusedError, always: the record becomes a dead letter, whole."""
    del now
    raise RefusedError(
        "unexpected", f"{type(message).__name__} cannot happen to {type(record).__name__} in state {record.state.value}"
    )


def ignore_duplicate(*_: object) -> list[Any]:
    """The fact is known already, or can only be an echo of one that is."""
    return []


def ignore_timer(*_: object) -> list[Any]:
    """The time of other waits is over, not of what this record waits for."""
    return []


def ignore_unknown(*_: object) -> list[Any]:
    """The room keeps nothing of this order (yet), and the message is no concern of one that it does not keep."""
    return []


def record_fact(*_: object) -> list[Any]:
    """`evolve` records the fact; nothing else follows from it."""
    return []


def leave_to_payments(*_: object) -> list[Any]:
    """The money is payments' business; nothing follows here."""
    return []


def leave_to_orders(*_: object) -> list[Any]:
    """The order's end is orders' business; nothing follows here."""
    return []
