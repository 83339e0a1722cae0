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
from consumers.inventory.room import InventoryRoom
from consumers.orders.room import OrdersRoom
from consumers.payments.room import PaymentsRoom
from consumers.payments.store import encode
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
    counts: Counter[type[Message]]

    def watch(self, states: States, counts: Counter[type[Message]]) -> None:
        self.states, self.counts = states, counts

    def judge(self, message: Any, partition: int, at_ms: int) -> None:
        if type(message) in self.guards:
            room = CONFIRMATIONS[type(message)].room
            row = (
                self.row_of_line(message, partition, at_ms)
                if room == "inventory"
                else row_of(room, self.states[room, partition], message.order_id)
            )
            fault = find_fault(message, row)
            assert fault is None, f"{message} is refused by {self.name}: {fault}"
            self.counts[type(message)] += 1

    def row_of_line(self, message: Any, partition: int, at_ms: int) -> dict[str, Any]:
        key = (message.order_id, message.line, message.sku)
        ledgers = (state for (room, _), state in self.states.items() if room == "inventory")
        hold = next((ledger.holds[key] for ledger in ledgers if key in ledger.holds), None)
        if hold is None:
            return {"state": None}
        order = self.states["orders", partition].by_order.get(message.order_id)
        fulfilment = self.states["fulfilment", partition].by_order.get(message.order_id)
        return {
            "state": hold.state.name.lower(),
            "quantity": hold.quantity,
            "expires_at_ms": hold.expires_at_ms,
            "at_ms": at_ms,
            "is_committing": order is not None and order.state is OrderState.COMMITTING,
            "is_fulfilled": fulfilment is not None,
        }


class WatchedOrders(_Watched, OrdersRoom):
    @override
    def new_state(self, partition: int) -> Any:
        self.states[self.name, partition] = state = super().new_state(partition)
        return state

    @override
    def decide(self, state: Any, message: Message, at_ms: int) -> Iterable[Message | RefusedError]:
        self.judge(message, state.partition, at_ms)
        return super().decide(state, message, at_ms)


class WatchedFulfilment(_Watched, FulfilmentRoom):
    @override
    def new_state(self, partition: int) -> Any:
        self.states[self.name, partition] = state = super().new_state(partition)
        return state

    @override
    def decide(self, state: Any, message: Message, at_ms: int) -> Iterable[Message | RefusedError]:
        self.judge(message, state.partition, at_ms)
        return super().decide(state, message, at_ms)


class WatchedInventory(_Watched, InventoryRoom):
    @override
    def new_state(self, partition: int) -> Any:
        self.states[self.name, partition] = state = super().new_state(partition)
        return state


class WatchedPayments(_Watched, PaymentsRoom):
    @override
    def new_state(self, partition: int) -> Any:
        self.states[self.name, partition] = state = super().new_state(partition)
        return state

    @override
    def decide(self, state: Any, message: Message, at_ms: int) -> Iterable[Message | RefusedError]:
        self.judge(message, state.partition, at_ms)
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
    if room == "payments":
        attempts = [
            (attempt.kind.value, attempt.amount_minor, attempt.reference, attempt.authorization_id, attempt.result)
            for attempt in record.attempts.values()
        ]
        texts = {"attempts": encode(attempts).decode(), "external": encode(record.external).decode()}
        flags = {name: getattr(record, name) for name in ("at_shipping", "order_over", "all_shipped")}
        return {"state": record.state.value, **texts, **flags}
    columns = ("amount_minor", "currency", "customer_id", "payment_token", "terms")
    lines = {"lines": json_of(record.lines)}
    return {"state": record.state.value, **lines, **{name: getattr(record, name) for name in columns}}


def watched() -> tuple[Rooms, Counter[type[Message]]]:
    states: States = {}
    counts: Counter[type[Message]] = Counter()
    orders, fulfilment = WatchedOrders(deadlines=DEADLINES), WatchedFulfilment(deadlines=DEADLINES)
    payments = WatchedPayments(NOBODY, NOBODY, deadlines=DEADLINES)
    for room in (inventory := WatchedInventory(), orders, payments, fulfilment):
        room.watch(states, counts)
    return Rooms(inventory, orders=orders, payments=payments, fulfilment=fulfilment), counts


def test_no_true_event_is_ever_refused_however_late_it_is_read() -> None:
    rooms, counts = watched()
    for case in range(CASES):
        pick = seeded(SEED + case)
        shop = Shop(pick, sendings(pick), rooms)
        shop.run()
        shop.let_all_time_pass()
    assert counts.keys() == CONFIRMATIONS.keys(), "each of them was seen"
    assert min(counts.values()) > 10


def test_a_row_that_had_gone_on_without_confirming_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: a confirmation that forgets what a placed order may become."""
    monkeypatch.setattr("consumers.runtime.origins.confirmations._PLACED", frozenset({OrderState.PLACED}))
    with pytest.raises(AssertionError, match=r"OrderPlaced.* is refused by (payments|fulfilment)"):
        test_no_true_event_is_ever_refused_however_late_it_is_read()
