"""Goes wherever a payment can get: from every kind of situation that was reached, it hears many messages.

Walks from the beginning would need millions of steps for what takes ten rare turns in a row. So one payment of each kind of
situation is kept, and each is the beginning of the next steps. Seeded, so a failure comes back.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

from consumers.errors import RefusedError
from consumers.payments.evolve import evolve
from consumers.payments.internal_events import Outcome
from consumers.payments.processor import OperationKind
from consumers.payments.state import Payment
from consumers.payments.transitions import decide
from consumers.runtime.deciding.now import Now
from schemas import messages as m
from tests.given_when_then import NOW_MS, A
from tests.unit.payments.message_generator import ACCEPTED
from topology.states import PaymentState

SEED: Final = 20_240_607
STEP_MS: Final = 1_000_000


class Explored(NamedTuple):
    """A payment heard a message at a moment; `outcomes` is None where it was refused."""

    before: Payment
    message: m.Message
    at_ms: int
    outcomes: list[Outcome] | None
    after: Payment


def situation(payment: Payment) -> tuple[Any, ...]:
    """Return what matters to a decision, without the figures; less of it where others have moved money too."""
    common = (
        payment.state,
        payment.is_closed and (payment.order_over, payment.all_shipped),
        payment.at_shipping,
        tuple(sorted({attempt.kind for attempt in payment.failed()})),
    )
    if payment.external or payment.state is PaymentState.INSPECTING:
        wished = any(queued.kind is not OperationKind.INSPECT for queued in payment.queue)
        return (*common, bool(payment.held_minor), bool(payment.uncovered_minor), wished)
    return (
        *common,
        payment.is_unconfirmed,
        bool(payment.amount_minor),
        bool(payment.held_minor),
        bool(payment.captured_minor),
        bool(payment.refunded_minor) + (payment.refunded_minor == payment.captured_minor),
        bool(payment.refundable_minor),
        bool(payment.missing_minor),
        bool(payment.expires_at_ms),
        tuple(sorted({queued.kind for queued in payment.queue} - {OperationKind.INSPECT})),
    )


def explore(tries: int = 3, *, seed: int = SEED, without: Collection[type[m.Message]] = ()) -> Iterator[Explored]:
    """Yield every step; each kind of message is said about `tries` times in each kind of situation."""
    dice = random.Random(seed)
    by_situation = {situation(payment := Payment(A)): payment}
    waiting = [payment]
    at_ms = NOW_MS
    while waiting:
        before = waiting.pop(dice.randrange(len(waiting)))
        for kind, say in ACCEPTED.items():
            for _ in range(0 if kind in without else _tries(kind, before, tries)):
                at_ms += STEP_MS
                message = say(before, dice)
                step = _step(before, message, at_ms)
                yield step
                if (seen := situation(step.after)) not in by_situation:
                    by_situation[seen] = step.after
                    waiting.append(step.after)


def _tries(kind: type[m.Message], payment: Payment, tries: int) -> int:
    """Return how often a kind of message is tried: one that leaves no choice only once."""
    if kind is m.OrderReserved:
        return 4 * tries if payment.state is PaymentState.NONE else 1
    return tries * _MANY.get(kind, 1) if kind in _CHOICES else 1


_CHOICES: Final = (
    m.OrderPlaced,
    m.ShipmentRequested,
    m.RefundRequested,
    m.RefundOrder,
    m.RecordPaymentResult,
    m.RecordPaymentInspection,
)
_MANY: Final = {m.RecordPaymentResult: 4, m.RecordPaymentInspection: 2}


def _step(before: Payment, message: m.Message, at_ms: int) -> Explored:
    try:
        outcomes = decide(before, message, Now(at_ms))
    except RefusedError:
        return Explored(before, message, at_ms, None, before)
    after = before.copy()
    evolve(after, message, outcomes, Now(at_ms))
    return Explored(before, message, at_ms, outcomes, after)
