"""Cancelled at any moment, an order ends once, and each of its lines is given back once.

Orders and inventory decide for real, each reading its topics at its own pace, facts coming twice now and then; what
payments and fulfilment answer is drawn. Seeded, so a failure comes back.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import pytest
from typing_extensions import override

from consumers.inventory.room import InventoryRoom
from consumers.inventory.state import LIVE, HoldState
from consumers.orders.room import OrdersRoom
from consumers.orders.state import Order
from consumers.runtime.order_keyed import OrderKeyedState
from consumers.runtime.room import Room
from schemas import messages as m
from schemas.messages import Message
from schemas.terms import TERMS
from tests.given_when_then import NOW_MS, A, CancelOrder, PlaceOrderLine, ReceiveStock
from tests.samples import samples
from topology.states import OVER_ORDER_STATES, OrderState
from topology.topics import INVENTORY_COMMANDS

CASES: Final = samples(3_000)
CAUGHT_WITHIN: Final = 1_000
CANCEL: Final = CancelOrder(requested_by="customer", reason="found it cheaper")
UNDO: Final = (m.ReleaseLine, m.ReturnLine)
ENDS: Final = (m.OrderRejected, m.OrderCancelled)


class Case:
    """One order of up to three lines, with one or two cancellations of it."""

    def __init__(self, seed: int, room: Room[OrderKeyedState[Order]]) -> None:
        self.dice = random.Random(seed)
        self.inventory = InventoryRoom()
        self.ledger = self.inventory.new_state(0)
        self.room = room
        self.book = OrderKeyedState[Order](0)
        self.commands: list[Message] = [ReceiveStock(command_id=sku, sku=sku, quantity=2) for sku in ("MUG", "TEE")]
        self.commands += self._lines()
        self.events: list[Message] = []
        self.wishes: list[Message] = [CANCEL] * self.dice.choice((1, 1, 2))
        self.content_for = self.dice.randrange(40)
        self.outside: list[Message] = []
        self.outcomes: list[Message] = []
        self.has_left = False
        self.read = Counter[str]()
        self.run()

    def _lines(self) -> list[Message]:
        count, terms = self.dice.choice((1, 2, 3)), self.dice.choice(sorted(TERMS))
        wanted = [(self.dice.choice(("MUG", "TEE")), self.dice.choice((1, 1, 2))) for _ in range(count)]
        lines: list[Message] = [
            PlaceOrderLine(line=number, line_count=count, sku=sku, quantity=quantity, demand=quantity, terms=terms)
            for number, (sku, quantity) in enumerate(wanted, start=1)
        ]
        self.dice.shuffle(lines)
        return lines

    def run(self) -> None:
        """Let whoever has something to read read it, in any order, until nobody has; the customer is in no hurry."""
        for step in itertools.count():
            waiting = [name for name in ("commands", "events") if self._unread(name)] + ["outside"] * len(self.outside)
            if self._unread("wishes") and (step >= self.content_for or not waiting):
                waiting.append("wishes")
            if not waiting:
                return
            self._read(self.dice.choice(waiting))

    def _read(self, name: str) -> None:
        if name == "outside":
            self.events.append(self.outside.pop(self.dice.randrange(len(self.outside))))
            return
        message = getattr(self, name)[self.read[name]]
        self.read[name] += 1
        if name == "commands":
            self._inventory(message)
        else:
            self._orders(message)
        if name == "events" and self.dice.random() < 0.1:
            self.events.append(message)

    def _unread(self, name: str) -> int:
        return len(getattr(self, name)) - self.read[name]

    def _inventory(self, command: Message) -> None:
        if self.dice.random() < 0.05:
            due = m.ExpireHolds(NOW_MS * 2, 10)
            self.events += [
                outcome
                for outcome in self.inventory.decide(self.ledger, due, NOW_MS * 2)
                if isinstance(outcome, Message)
            ]
        outcomes = self.inventory.decide(self.ledger, command, NOW_MS)
        self.events += [outcome for outcome in outcomes if isinstance(outcome, Message)]

    def _orders(self, message: Message) -> None:
        if type(message) not in self.room.accepts:
            return
        for outcome in self.room.decide(self.book, message, NOW_MS):
            assert isinstance(outcome, Message)
            self.outcomes.append(outcome)
            (self.commands if type(outcome) in INVENTORY_COMMANDS.carries else self.events).append(outcome)
            self._answer(outcome)

    def _answer(self, outcome: Message) -> None:
        """Be payments and fulfilment."""
        well = self.dice.random() < 0.8
        if isinstance(outcome, m.OrderReserved):
            self.outside.append(
                m.PaymentAuthorized(A, "auth", outcome.amount_minor, "EUR") if well else m.PaymentDeclined(A, "no")
            )
        elif isinstance(outcome, m.OrderPlaced) and not outcome.lines:
            captured = m.PaymentCaptured(A, "auth", outcome.amount_minor, "EUR")
            self.outside.append(captured if well else m.PaymentCaptureFailed(A, "auth", "no"))
        elif isinstance(outcome, m.OrderPaid | m.OrderPlaced) and self.dice.random() < 0.4:
            self.has_left = True
            self.commands += [m.ShipLine(A, line.line, line.sku) for line in outcome.lines]
            self.outside.append(m.OrderShipped(A))
        elif isinstance(outcome, m.OrderCancelRequested) and not self.has_left:
            self.outside.append(m.FulfilmentCancelled(A, outcome.reason, outcome.requested_by))

    def judge(self) -> None:
        """Raise AssertionError where something was undone twice, or not at all."""
        order = self.book.by_order[A]
        is_over = order.state in OVER_ORDER_STATES
        assert sum(isinstance(outcome, ENDS) for outcome in self.outcomes) == is_over, "an order ends once"
        assert is_over or order.state is OrderState.SHIPPED, f"it was to be cancelled, and is {order.state}"
        undone = Counter(outcome.line for outcome in self.outcomes if isinstance(outcome, UNDO))
        assert all(times == 1 for times in undone.values()), f"lines were given back so often: {undone}"
        for (_, line, _), hold in self.ledger.holds.items():
            if is_over or order.lines[line].left_out:
                assert hold.state not in LIVE, f"line {line} is {hold.state.name} still"
            else:
                assert hold.state is HoldState.SHIPPED, f"line {line} is {hold.state.name}"
        for stock in self.ledger.stocks.values():
            assert (stock.reserved, stock.allocated) == (0, 0)


def test_whatever_comes_between_an_order_ends_once_and_each_line_goes_back_once() -> None:
    ends: Counter[Any] = Counter()
    for seed in range(CASES):
        case = Case(seed, OrdersRoom())
        try:
            case.judge()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        ends[case.book.by_order[A].state] += 1
    assert set(ends) == {OrderState.REJECTED, OrderState.CANCELLED, OrderState.SHIPPED}, "all ends were seen"


# --- the same with a fault planted: the test above must see it -----------------------------------------------------------


class Forgets(OrdersRoom):
    """Decides to give a line back on hearing one message, and does not say so."""

    def __init__(self, undo: type[Message], on: type[Message]) -> None:
        super().__init__()
        self._undo, self._on = undo, on

    @override
    def decide(self, state: OrderKeyedState[Order], message: Message, at_ms: int) -> Iterable[Any]:
        outcomes = list(super().decide(state, message, at_ms))
        return [
            outcome for outcome in outcomes if not (isinstance(outcome, self._undo) and isinstance(message, self._on))
        ]


class CancelsAgain(OrdersRoom):
    """Takes every cancellation for the first one."""

    @override
    def decide(self, state: OrderKeyedState[Order], message: Message, at_ms: int) -> Iterable[Any]:
        order = state.by_order.get(A, Order(A))
        if isinstance(message, m.CancelOrder) and order.state is OrderState.CANCELLED:
            order.state = OrderState.PENDING
        return super().decide(state, message, at_ms)


@pytest.mark.parametrize(
    "room",
    [
        Forgets(m.ReleaseLine, m.LineReserved),
        Forgets(m.ReleaseLine, m.CancelOrder),
        Forgets(m.ReturnLine, m.CancelOrder),
        Forgets(m.ReturnLine, m.LineCommitted),
        Forgets(m.ReturnLine, m.FulfilmentCancelled),
        CancelsAgain(),
    ],
    ids=["late reservation", "held", "committed", "late commit", "with fulfilment", "twice"],
)
def test_an_undo_that_is_lost_or_doubled_is_seen(room: Room[OrderKeyedState[Order]]) -> None:
    def is_wrong(seed: int) -> bool:
        try:
            Case(seed, room).judge()
        except AssertionError:
            return True
        return False

    assert any(map(is_wrong, range(CAUGHT_WITHIN)))
