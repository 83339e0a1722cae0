"""The rooms under test, with deadlines as short as a case."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, cast

from consumers.fulfilment.room import FulfilmentRoom
from consumers.intake.room import IntakeRoom
from consumers.inventory.room import InventoryRoom
from consumers.orders.room import OrdersRoom
from consumers.payments.room import PaymentsRoom
from consumers.runtime.deciding.now import Deadlines
from consumers.runtime.room import Room

DEADLINES: Final = Deadlines(
    gather_ms=12_000,  # longer than any hold here
    action_ms=8_000,
    ship_within_ms=20_000,
    delivery_presumed_ms=10_000,
    return_window_ms=20_000,
    return_answer_ms=8_000,
    return_arrival_ms=12_000,
)


_NOBODY: Final = cast("Any", None)
"""Who is asked and told by the payments room: here that is `Processor`, who needs no wires."""


class Rooms(NamedTuple):
    """The rooms under test; a planted fault takes the place of one of them."""

    inventory: Room[Any] = InventoryRoom()
    intake: Room[Any] = IntakeRoom()
    orders: Room[Any] = OrdersRoom(deadlines=DEADLINES)
    payments: Room[Any] = PaymentsRoom(_NOBODY, _NOBODY, deadlines=DEADLINES)
    fulfilment: Room[Any] = FulfilmentRoom(deadlines=DEADLINES)
