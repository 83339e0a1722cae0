"""The saga's tables against the code: rooms walk at random, and what they do must be what the tables say.

Seeded, so a failure comes back. 20,000 orders of up to 13 messages each visit every arrow many times.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import pytest

from consumers.diagrams import arrows
from consumers.errors import RefusedError
from consumers.orders.evolve import evolve
from consumers.orders.state import Order
from consumers.orders.transitions import TRANSITIONS as ORDERS
from consumers.orders.transitions import decide
from consumers.payments.internal_events import StartOperation
from consumers.payments.transitions import TRANSITIONS as PAYMENTS
from consumers.runtime.deciding.now import Now
from schemas import messages as m
from tests.unit.orders.message_generator import likely as likely_order_message
from tests.unit.payments.exploring import explore
from topology.saga import REACTIONS, messages_accepted_by

SEED: Final = 20_240_607
WALKS: Final = 20_000
ROUNDS: Final = 8
"""After that many explorations of payments every arrow was seen."""
RARE: Final = {"RecordPaymentResult": ["RefundReduced"]}
"""What payments publishes in a situation that no exploration gets to; tests/unit/payments/test_external_refunds.py does."""

ORDER_ID: Final = "01890a5d-ac96-774b-bcce-b302099a8057"
VALUES: Final[dict[str, list[Any]]] = {
    "order_id": [ORDER_ID],
    "line": [1, 2, 3],
    "line_count": [2, 1, 3],
    "sku": ["MUG", "TEE"],
    "currency": ["EUR", "USD"],
    "requested_by": ["customer"],
}


class Walked(NamedTuple):
    """Which (state, message, other state) were seen, and what was said on hearing what."""

    moves: set[tuple[str, type[m.Message], str]]
    outputs: dict[type[m.Message], set[type[m.Message]]]


def message(of: type[m.Message], dice: random.Random) -> m.Message:
    """Make a message that mostly fits the ones before it, and sometimes contradicts them."""

    def value(name: str) -> Any:
        if name in VALUES:
            return dice.choice(VALUES[name]) if dice.random() < 0.5 else VALUES[name][0]
        return 5 if of.__annotations__[name] in (int, "int") else "x"

    return of(**{name: value(name) for name in of.__struct_fields__})


def walked(
    room: str,
    fresh: Callable[[], Any],
    decide: Callable[..., Any],
    evolve: Callable[..., Any],
    likely: Callable[[Any, random.Random], m.Message] | None = None,
) -> Walked:
    """Walk at random, half of the steps with what is `likely` in a state: a long saga is not walked through without."""
    dice = random.Random(SEED)
    accepted = sorted(messages_accepted_by(room), key=lambda each: each.__name__)
    seen = Walked(set(), defaultdict(set))
    for _ in range(WALKS):
        state = fresh()
        for _ in range(dice.randrange(1, 14)):
            fits = likely is not None and dice.random() < 0.5
            received = likely(state, dice) if likely is not None and fits else message(dice.choice(accepted), dice)
            before = state.state
            try:
                outcomes = decide(state, received, Now(0))
            except RefusedError:
                continue
            evolve(state, received, outcomes, Now(0))
            if state.state != before:
                seen.moves.add((before, type(received), state.state))
            seen.outputs[type(received)].update(map(_logged, outcomes))
    return seen


def _logged(outcome: object) -> Any:
    """Return what a room says; what the processor is asked comes back to the log as its result."""
    return m.RecordPaymentResult if isinstance(outcome, StartOperation) else type(outcome)


def drawn(moves: dict[tuple[Any, Any], list[type[m.Message]]]) -> set[tuple[str, type[m.Message], str]]:
    return {(source, cause, target) for (source, target), all_ in moves.items() for cause in all_ if source != target}


@pytest.fixture(scope="module")
def orders_walked() -> Walked:
    return walked("orders", lambda: Order(ORDER_ID), decide, evolve, likely_order_message)


@pytest.fixture(scope="module")
def payments_walked() -> Walked:
    """Payments has too many rare turns for a walk: it goes on from every kind of situation that it gets to."""
    return explored(1)


def explored(rounds: int) -> Walked:
    seen = Walked(set(), defaultdict(set))
    for number in range(rounds):
        for step in explore(seed=SEED + number):
            if step.before.state != step.after.state:
                seen.moves.add((step.before.state, type(step.message), step.after.state))
            logged = [outcome for outcome in step.outcomes or () if isinstance(outcome, m.Message | StartOperation)]
            seen.outputs[type(step.message)].update(map(_logged, logged))
    return seen


def test_an_order_moves_exactly_along_the_arrows_that_are_drawn(orders_walked: Walked) -> None:
    assert orders_walked.moves == drawn(arrows(ORDERS))


def test_a_payment_moves_along_the_arrows_that_are_drawn(payments_walked: Walked) -> None:
    arrows_drawn = drawn(arrows(PAYMENTS))
    assert payments_walked.moves <= arrows_drawn
    assert len(payments_walked.moves) > len(arrows_drawn) * 0.85, (
        "it got nearly everywhere; the slow test gets everywhere"
    )


@pytest.mark.slow
def test_a_payment_moves_exactly_along_the_arrows_that_are_drawn() -> None:
    seen = explored(ROUNDS)
    assert seen.moves == drawn(arrows(PAYMENTS))
    assert undeclared("payments", seen) == RARE


def declared(room: str) -> dict[type[m.Message], set[type[m.Message]]]:
    return {reaction.on: set(reaction.outputs) for reaction in REACTIONS if reaction.room == room}


def undeclared(room: str, seen: Walked) -> dict[str, list[str]]:
    return {
        on.__name__: sorted(kind.__name__ for kind in seen.outputs[on] ^ outputs)
        for on, outputs in declared(room).items()
        if seen.outputs[on] != outputs
    }


def test_orders_publishes_exactly_what_the_saga_declares(orders_walked: Walked) -> None:
    assert undeclared("orders", orders_walked) == {}


def test_payments_publishes_what_the_saga_declares(payments_walked: Walked) -> None:
    known = declared("payments")
    assert [(on, more) for on, outputs in payments_walked.outputs.items() if (more := outputs - known[on])] == []
