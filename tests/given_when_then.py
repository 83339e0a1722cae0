"""The language in which decisions are tested: given what happened, when this is heard, then this follows.

Messages are spelled as in `schemas.messages`, but a sentence names only the fields that matter to it; the rest is in
`USUAL`. `when` also sees to it that deciding changed nothing: decisions are pure, only `evolve` writes.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final, Generic, TypeVar

import msgspec
import pytest

from consumers.errors import RefusedError
from schemas import messages as m

S = TypeVar("S")
M = TypeVar("M", bound=m.Message)

NOW_MS: Final = 1_790_000_000_000
A: Final = "01a0bf2a-1000-7c3e-8f00-00000000000a"
B: Final = "01a0bf2a-1000-7c3e-8f00-00000000000b"
C: Final = "01a0bf2a-1000-7c3e-8f00-00000000000c"
"""Orders from the day before NOW_MS, in this order."""
HOLD_SECONDS: Final = 900

USUAL: Final[dict[str, Any]] = {
    "order_id": A,
    "line": 1,
    "line_count": 1,
    "sku": "MUG",
    "quantity": 1,
    "available": 0,
    "unit_price_minor": 500,
    "amount_minor": 500,
    "currency": "EUR",
    "customer_id": "ann",
    "payment_token": "tok_ann",
    "hold_seconds": HOLD_SECONDS,
    "expires_at_ms": NOW_MS + HOLD_SECONDS * 1000,
    "authorization_id": "auth_1",
    "reason": "because",
    "command_id": "delivery-1",
    "disposition": "available",
    "requested_by": "customer",
    "as_of_ms": NOW_MS,
    "limit": 500,
    "room": "orders",
    "result": "succeeded",
    "terms": "",
    "command": "CancelOrder",
    "reference": "",
    "cause": "charge.refunded ch_1",
}


def word(message: type[M]) -> Callable[..., M]:
    """Return a constructor of the message in which the usual fields need not be said, nor those with a default.

    `demand` is the quantity.
    """

    def say(**fields: Any) -> M:
        usual = {**USUAL, "demand": fields.get("quantity", USUAL["quantity"])}
        _require_fields(message, fields)
        return message(**{name: usual[name] for name in _required(message) if name not in fields}, **fields)

    return say


def _required(message: type[m.Message]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(message) if field.required]


def _require_fields(message: type[m.Message], fields: dict[str, Any]) -> None:
    unknown = set(fields) - set(message.__struct_fields__)
    assert not unknown, f"{message.__name__} has no {unknown}"


PlaceOrderLine = word(m.PlaceOrderLine)
ReleaseLine = word(m.ReleaseLine)
CommitLine = word(m.CommitLine)
ReturnLine = word(m.ReturnLine)
ShipLine = word(m.ShipLine)
ReceiveStock = word(m.ReceiveStock)
AdjustStock = word(m.AdjustStock)
ClearQuarantine = word(m.ClearQuarantine)
SetPurchaseLimit = word(m.SetPurchaseLimit)
SuspendSale = word(m.SuspendSale)
ResumeSale = word(m.ResumeSale)
RetireSku = word(m.RetireSku)
ExpireHolds = word(m.ExpireHolds)
EndWaits = word(m.EndWaits)
LineReserved = word(m.LineReserved)
LineRejected = word(m.LineRejected)
LineRepeated = word(m.LineRepeated)
LineReleased = word(m.LineReleased)
LineExpired = word(m.LineExpired)
LineCommitted = word(m.LineCommitted)
LineCommitFailed = word(m.LineCommitFailed)
LineReturned = word(m.LineReturned)
LineShipped = word(m.LineShipped)
LineCommandRefused = word(m.LineCommandRefused)
OrderReserved = word(m.OrderReserved)
OrderRejected = word(m.OrderRejected)
OrderPlaced = word(m.OrderPlaced)
OrderPaid = word(m.OrderPaid)
OrderCancelled = word(m.OrderCancelled)
PaymentAuthorized = word(m.PaymentAuthorized)
PaymentDeclined = word(m.PaymentDeclined)
PaymentCaptured = word(m.PaymentCaptured)
PaymentCaptureFailed = word(m.PaymentCaptureFailed)
PaymentVoided = word(m.PaymentVoided)
PaymentVoidFailed = word(m.PaymentVoidFailed)
RecordPaymentResult = word(m.RecordPaymentResult)
OrderCancelRequested = word(m.OrderCancelRequested)
OrderCommandRefused = word(m.OrderCommandRefused)
OrderCommandUnmatched = word(m.OrderCommandUnmatched)
PaymentRequiresAction = word(m.PaymentRequiresAction)
PaymentLapsed = word(m.PaymentLapsed)
PaymentRefunded = word(m.PaymentRefunded)
PaymentRefundFailed = word(m.PaymentRefundFailed)
PaymentResolved = word(m.PaymentResolved)
RefundReduced = word(m.RefundReduced)
ShipmentRequested = word(m.ShipmentRequested)
ShipmentShipped = word(m.ShipmentShipped)
OrderShipped = word(m.OrderShipped)
ShipmentDelivered = word(m.ShipmentDelivered)
ShipmentLost = word(m.ShipmentLost)
OrderDelivered = word(m.OrderDelivered)
FulfilmentCancelled = word(m.FulfilmentCancelled)
LineWithdrawn = word(m.LineWithdrawn)
ReturnRequested = word(m.ReturnRequested)
ReturnApproved = word(m.ReturnApproved)
ReturnRefused = word(m.ReturnRefused)
ReturnReceived = word(m.ReturnReceived)
OrderReturned = word(m.OrderReturned)
RefundRequested = word(m.RefundRequested)
CancelOrder = word(m.CancelOrder)
ShipOrder = word(m.ShipOrder)
ConfirmDelivery = word(m.ConfirmDelivery)
ReportLostParcel = word(m.ReportLostParcel)
RequestReturn = word(m.RequestReturn)
ApproveReturn = word(m.ApproveReturn)
RefuseReturn = word(m.RefuseReturn)
ReceiveReturn = word(m.ReceiveReturn)
RefundOrder = word(m.RefundOrder)
RetryOrder = word(m.RetryOrder)
ResolveOrder = word(m.ResolveOrder)


class Story(Generic[S]):
    """Tells one room's sentences; `given` begins a new one.

    `apply` writes down one thing that happened, `decide` says what follows from one message, `seen` shows all that the
    state is made of.
    """

    def __init__(
        self,
        begin: Callable[[], S],
        apply: Callable[[S, Any], object],
        decide: Callable[[S, Any, int], list[Any]],
        seen: Callable[[S], Any],
    ) -> None:
        self._begin, self._apply, self._decide, self._seen = begin, apply, decide, seen
        self._state: S | None = None
        self._outcomes: list[Any] | RefusedError | None = None

    @property
    def state(self) -> S:
        assert self._state is not None, "a sentence begins with given()"
        return self._state

    @property
    def outcomes(self) -> list[Any] | RefusedError | None:
        return self._outcomes

    def given(self, *happened: Any) -> None:
        self._state, self._outcomes = self._begin(), None
        for each in happened:
            self._apply(self.state, each)

    def when(self, message: m.Message, *, at_ms: int = NOW_MS) -> None:
        before = deepcopy(self._seen(self.state))
        try:
            self._outcomes = self._decide(self.state, message, at_ms)
        except RefusedError as refusal:
            self._outcomes = refusal
        assert self._seen(self.state) == before, "a decision is pure"

    def then(self, *expected: Any) -> None:
        """Say all that follows, in its order; nothing in the brackets means that nothing does."""
        assert self._outcomes is not None, "then() comes after when()"
        if self._outcomes != list(expected):
            pytest.fail("\n  ".join(["expected:", *map(repr, expected), "but it led to:", *_lines(self._outcomes)]))

    def then_refused(self, reason: str) -> None:
        if not isinstance(self._outcomes, RefusedError):
            pytest.fail(f"nothing was refused, it led to {self._outcomes}")
        assert self._outcomes.reason == reason
        assert self._outcomes.detail


def _lines(outcomes: list[Any] | RefusedError) -> list[str]:
    return [f"refused: {outcomes}"] if isinstance(outcomes, RefusedError) else [*map(repr, outcomes)] or ["nothing"]
