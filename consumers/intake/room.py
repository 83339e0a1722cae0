"""Binds intake to the runtime: it follows order.commands and appends what is lawful to order.events.

A stateless room. What it appends has an id that derives from the command's position, so whatever is decided again is appended
under the same id. From there on an order's commands and facts have one order, that of order.events. A command in the wrong
partition is appended where its order belongs like any other.

Decisions: docs/decisions, 037, 043.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from consumers.runtime.deciding.validation import require_order_id, require_valid
from consumers.runtime.room import Changes, Room, Routing
from schemas import messages as m
from schemas.validation import CHECKED
from topology.saga import INTAKE, messages_accepted_by
from topology.topics import ORDER_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.messages import Message


class IntakeRoom(Room[None]):
    """Accepts a command or refuses it as malformed; whether an order can follow it is for the rooms that read it there."""

    name = INTAKE
    source = ORDER_COMMANDS
    accepts = messages_accepted_by(INTAKE)
    names_outcomes = f"{INTAKE}:"
    routing = Routing.DECIDES
    save = ""

    @override
    def new_state(self, partition: int) -> None:
        return None

    @override
    def outcomes(self, state: None, message: Message, at_ms: int) -> Sequence[Any]:
        if type(message) in CHECKED:
            require_valid(message)
        elif type(message) is not m.EndWaits:
            require_order_id(message.order_id)  # type: ignore[attr-defined]  # each of the others has one
        return (message,)

    @override
    def evolve(self, state: None, message: Message, outcomes: Sequence[Any], at_ms: int) -> None:
        """Nothing is kept."""

    @override
    def close_batch(self, state: None, at_ms: int) -> Changes:
        return Changes(())
