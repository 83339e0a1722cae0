"""Random walks of commands, facts, echoes and deadlines: what may never happen, and what must in the end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.errors import RefusedError
from consumers.fulfilment.evolve import evolve
from consumers.fulfilment.state import UNDER_WAY, Fulfilment, LineState, ShipmentState
from consumers.fulfilment.transitions import decide
from consumers.runtime.deciding.now import Deadlines, Now
from schemas import messages as m
from tests.samples import samples
from tests.unit.fulfilment.message_generator import LINES, ORDER_ID, START_MS, answers_to, next_message
from topology.states import FulfilmentState

DEADLINES: Final = Deadlines(*(15,) * 7)
AMOUNTS: Final = {line.line: line.amount_minor for line in LINES}
GOODS: Final = (m.ShipLine, m.ShipmentRequested, m.ShipmentShipped, m.OrderShipped)


class Walk:
    """One order from its beginning; `said` is all that followed."""

    def __init__(self, seed: int, steps: int) -> None:
        self.dice = random.Random(seed)
        self.now_ms = START_MS
        self.fulfilment = Fulfilment(ORDER_ID)
        self.incoming: list[m.Message] = []
        self.published: list[m.Message] = []
        for _ in range(steps):
            echo = self.incoming and self.dice.random() < 0.1
            self.apply_message(
                self.dice.choice(self.incoming) if echo else next_message(self.fulfilment, self.dice, self.now_ms)
            )

    def apply_message(self, message: m.Message) -> None:
        self.now_ms += self.dice.randrange(3)
        try:
            outcomes = decide(self.fulfilment, message, Now(self.now_ms, DEADLINES))
        except RefusedError:
            return
        was_cancelled = self.fulfilment.state is FulfilmentState.CANCELLED
        evolve(self.fulfilment, message, outcomes, Now(self.now_ms, DEADLINES))
        self.incoming.append(message)
        self.published += outcomes
        assert not (was_cancelled and any(isinstance(outcome, GOODS) for outcome in outcomes)), "shipped after the end"
        self.look()

    def look(self) -> None:
        """Check what holds at every moment."""
        for number, line in self.fulfilment.lines.items():
            holders = [s for s in self.fulfilment.shipments.values() if number in s.lines and s.state in _HOLDING]
            assert len(holders) <= 1, "a line is in one parcel"
            assert not (line.state is LineState.OPEN and holders), "a line is open or shipped, never both"
            assert not (line.state is LineState.SHIPPED and not line.shipment_id)

    def answer_all(self) -> None:
        """Let inventory and payments answer whatever they were asked."""
        while self.fulfilment.state is not FulfilmentState.CANCELLED and (
            pending := answers_to(self.fulfilment, self.dice)
        ):
            self.apply_message(self.dice.choice(pending))


_HOLDING: Final = (ShipmentState.REQUESTED, ShipmentState.SHIPPED, ShipmentState.DELIVERED, ShipmentState.LOST)


def of(kind: type[m.Message], messages: Iterable[m.Message]) -> list[m.Message]:
    return [message for message in messages if isinstance(message, kind)]


def check(seed: int, steps: int) -> None:
    walk = Walk(seed, steps)
    walk.answer_all()
    shipped = Counter(number for shipment in of(m.ShipmentShipped, walk.published) for number in shipment.lines)  # type: ignore[attr-defined]
    assert all(count == 1 for count in shipped.values()), "a line is shipped once"
    refunds = Counter(request.refund_id for request in of(m.RefundRequested, walk.published))  # type: ignore[attr-defined]
    assert all(count == 1 for count in refunds.values()), "a line is refunded once"
    reduced = {reduction.refund_id: reduction for reduction in of(m.RefundReduced, walk.published)}  # type: ignore[attr-defined]
    for refund in of(m.RefundRequested, walk.published):
        name = refund.refund_id  # type: ignore[attr-defined]
        whole = AMOUNTS[int(name[5:])]
        assert (name in reduced) == (refund.amount_minor < whole)  # type: ignore[attr-defined]
        assert refund.amount_minor == (reduced[name].amount_minor if name in reduced else whole)  # type: ignore[attr-defined]
    for kind in (m.OrderShipped, m.OrderDelivered, m.OrderReturned, m.FulfilmentCancelled):
        assert len(of(kind, walk.published)) <= 1, f"{kind.__name__} is said once"
    if walk.fulfilment.state is FulfilmentState.CANCELLED:
        return
    assert not any(line.state in UNDER_WAY for line in walk.fulfilment.lines.values())
    for requested in of(m.ShipmentRequested, walk.published):
        state = walk.fulfilment.shipments[requested.shipment_id].state  # type: ignore[attr-defined]
        assert state is not ShipmentState.REQUESTED, "every parcel leaves, fails or is withdrawn"


def check_many() -> None:
    for seed in range(300):
        check(seed, 40)


@settings(max_examples=samples(1_500), deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 40))
def test_goods_and_money_move_once_whatever_happens(seed: int, steps: int) -> None:
    check(seed, steps)


def test_the_walk_notices_a_parcel_that_leaves_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: take the protection away."""
    monkeypatch.setattr("consumers.fulfilment.parcels._lines_fault", lambda *_: None)
    with pytest.raises((AssertionError, KeyError)):
        check_many()


def test_the_walk_notices_a_second_refund(monkeypatch: pytest.MonkeyPatch) -> None:
    def refund_again(
        fulfilment: Fulfilment, numbers: Iterable[int], reason: str, *, captured: Iterable[int] = ()
    ) -> list[m.Message]:
        del captured
        return [m.RefundRequested(fulfilment.order_id, f"line:{number}", AMOUNTS[number], reason) for number in numbers]

    monkeypatch.setattr("consumers.fulfilment.parcels.refunds", refund_again)
    monkeypatch.setattr("consumers.fulfilment.decide.refunds", refund_again)
    with pytest.raises(AssertionError, match="refunded once"):
        check_many()


def test_the_walk_goes_everywhere() -> None:
    counts = Counter(type(message) for seed in range(300) for message in Walk(seed, 40).published)
    assert counts.keys() >= {m.OrderReturned, m.OrderDelivered, m.ReturnReceived, m.ShipmentLost, m.LineWithdrawn}
