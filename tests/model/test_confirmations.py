"""The row of its room confirms every event that moves money, from its decision on and however late it is read.

Were it otherwise, a true event would be refused as forged (consumers/runtime/origins). A reader may be far behind, or read
an event again, so what a row confirms once it has to confirm for ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, cast

import pytest
from typing_extensions import override

from consumers.errors import RefusedError
from consumers.fulfilment.room import FulfilmentRoom
from consumers.fulfilment.store import json_of
from consumers.orders.room import OrdersRoom
from consumers.payments.room import PaymentsRoom
from consumers.runtime.origins.confirmations import CONFIRMATIONS, find_fault
from schemas.messages import Message
from tests.model.dice import seeded
from tests.model.orders import sendings
from tests.model.rooms import DEADLINES, Rooms
from tests.model.shop import Shop
from tests.samples import samples
from topology.states import OrderState

SEED: Final = 20_261_130
CASES: Final = samples(3_000)
NOBODY: Final = cast("Any", None)

States = dict[tuple[str, int], Any]


class _Watched:
    """A room whose state of each partition is known to the others, and which judges what it reads by theirs."""

    name: str
    guards: frozenset[type[Message]]
    states: States
    found: Counter[type[Message]]

    def watch(self, states: States, found: Counter[type[Message]]) -> None:
        self.states, self.found = states, found

    def judge(self, message: Message, partition: int) -> None:
        if type(message) in self.guards:
            room = CONFIRMATIONS[type(message)].room
            fault = find_fault(message, row_of(room, self.states[room, partition], message.order_id))  # type: ignore[attr-defined]
            assert fault is None, f"{message} is refused by {self.name}: {fault}"
            self.found[type(message)] += 1


class WatchedOrders(_Watched, OrdersRoom):
    @override
    def new_state(self, partition: int) -> Any:
        self.states[self.name, partition] = state = super().new_state(partition)
        return state

    @override
    def decide(self, state: Any, message: Message, at_ms: int) -> Iterable[Message | RefusedError]:
        self.judge(message, state.partition)
        return super().decide(state, message, at_ms)


class WatchedFulfilment(_Watched, FulfilmentRoom):
    @override
    def new_state(self, partition: int) -> Any:
        self.states[self.name, partition] = state = super().new_state(partition)
        return state

    @override
    def decide(self, state: Any, message: Message, at_ms: int) -> Iterable[Message | RefusedError]:
        self.judge(message, state.partition)
        return super().decide(state, message, at_ms)


class WatchedPayments(_Watched, PaymentsRoom):
    @override
    def decide(self, state: Any, message: Message, at_ms: int) -> Iterable[Message | RefusedError]:
        self.judge(message, state.partition)
        return super().decide(state, message, at_ms)


def row_of(room: str, state: Any, order_id: str) -> dict[str, Any]:
    """Return the columns that an event is compared with, as the room would have saved them."""
    if (record := state.by_order.get(order_id)) is None:
        return {"state": None}
    if room == "fulfilment":
        return {
            "state": record.state.value,
            "lines": json_of(record.lines),
            "shipments": json_of(record.shipments),
        }
    columns = ("amount_minor", "currency", "customer_id", "payment_token", "terms")
    return {"state": record.state.value, **{name: getattr(record, name) for name in columns}}


def watched() -> tuple[Rooms, Counter[type[Message]]]:
    states: States = {}
    found: Counter[type[Message]] = Counter()
    orders, fulfilment = WatchedOrders(deadlines=DEADLINES), WatchedFulfilment(deadlines=DEADLINES)
    payments = WatchedPayments(NOBODY, NOBODY, deadlines=DEADLINES)
    for room in (orders, payments, fulfilment):
        room.watch(states, found)
    return Rooms(orders=orders, payments=payments, fulfilment=fulfilment), found


def test_no_true_event_is_ever_refused_however_late_it_is_read() -> None:
    rooms, found = watched()
    for case in range(CASES):
        pick = seeded(SEED + case)
        shop = Shop(pick, sendings(pick), rooms)
        shop.run()
        shop.let_all_time_pass()
    assert found.keys() == CONFIRMATIONS.keys(), "each of them was seen"
    assert min(found.values()) > 10


def test_a_row_that_had_gone_on_without_confirming_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: a confirmation that forgets what a placed order may become."""
    monkeypatch.setattr("consumers.runtime.origins.confirmations._PLACED", frozenset({OrderState.PLACED}))
    with pytest.raises(AssertionError, match=r"OrderPlaced.* is refused by payments"):
        test_no_true_event_is_ever_refused_however_late_it_is_read()
