"""An order's money as its events show it: sums, and where the payment stands by them. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from schemas.ids import UNCOVERED
from schemas.terms import CAPTURE_AT_SHIPPING
from topology.states import PaymentState
from topology.timeline import PAYMENT_STATE_AFTER


class MoneyView(msgspec.Struct):
    """An order's money so far, in minor units of its currency, whoever moved it.

    Of what was captured `disputed_minor` is withdrawn while disputes are open, and `lost_minor` for good.
    """

    authorized_minor: int = 0
    captured_minor: int = 0
    voided_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0
    lost_minor: int = 0

    @property
    def left_minor(self) -> int:
        """What is left of the captured money."""
        return self.captured_minor - self.refunded_minor - self.disputed_minor - self.lost_minor


class MoneyFold:
    """Folds the events about one order's money into a view of it, in the order of the log."""

    def __init__(self, money: MoneyView) -> None:
        self.money = money
        self._external_minor = (
            0  # captured by others, without what of it was refunded by them or has paid for something
        )
        self._failed: dict[str, PaymentState] = {}  # by refund id, which a void has not

    def after(self, before: PaymentState, event: str, data: dict[str, Any]) -> PaymentState:
        """Add an event, and return where the payment stands then."""
        self._note_failure(event, data)
        self._add(event, data)
        if event == "OrderPlaced" and CAPTURE_AT_SHIPPING in data.get("terms", ""):
            return PaymentState.AUTHORIZED
        if event in _BY_SUMS or before is _BY_SUMS_AFTER.get(event):
            return self._by_sums()
        state = _STATE_AFTER.get(event, before)
        if state is PaymentState.CAPTURE_FAILED and (self.money.captured_minor or data.get("reference")):
            return self._by_sums()
        is_worse = bool(self._failed) or self.money.disputed_minor > 0
        return self._by_sums() if state in _NOTHING_TAKEN and is_worse else state

    def _note_failure(self, event: str, data: dict[str, Any]) -> None:
        """Note what a person has to see to, until it is done or need not be done any more."""
        refund_id = data.get("refund_id", "")
        if event in ("PaymentVoidFailed", "PaymentRefundFailed"):
            self._failed[refund_id] = _STATE_AFTER[event]
        elif event == "PaymentResolved" and not (refund_id or _is_void(data)):
            self._failed.clear()  # of an earlier release, which published one for each failure at once
        elif event in ("PaymentVoided", "PaymentRefunded", "RefundReduced", "PaymentResolved"):
            self._failed.pop(refund_id, None)
        elif event == "PaymentChangedExternally" and data["change"] in ("captured", "voided"):
            self._failed.pop("", None)

    def _add(self, event: str, data: dict[str, Any]) -> None:
        money, amount_minor = self.money, data.get("amount_minor", 0)
        match event:
            case "PaymentAuthorized":  # one that was renewed takes the place of what is not captured
                money.authorized_minor, money.voided_minor = money.captured_minor + amount_minor, 0
            case "PaymentCaptured":
                self._capture(amount_minor)
            case "PaymentVoided" | "PaymentLapsed":
                money.voided_minor = money.authorized_minor - money.captured_minor
            case "PaymentRefunded":
                money.refunded_minor += amount_minor
                self._external_minor -= amount_minor if data["refund_id"] == UNCOVERED else 0
            case "PaymentRefundFailed" if data.get("was_refunded"):
                money.refunded_minor -= amount_minor
            case "PaymentResolved" if _is_void(data):
                money.voided_minor += amount_minor
            case "PaymentResolved":
                money.refunded_minor += amount_minor
            case "PaymentChangedExternally":
                self._change(data)

    def _capture(self, amount_minor: int) -> None:
        """Add what was captured; where somebody captured it at the processor before, it is there already."""
        if min(self._external_minor, self.money.left_minor) >= amount_minor > 0:
            self._external_minor -= amount_minor
        else:
            self.money.captured_minor += amount_minor

    def _change(self, data: dict[str, Any]) -> None:
        money, kind = self.money, data["change"].removesuffix("_reversed")
        more_minor = data["amount_minor"] if kind == data["change"] else -data["amount_minor"]
        if kind == "captured":
            money.captured_minor += more_minor
            self._external_minor += more_minor
        elif kind == "voided":
            money.voided_minor += more_minor
        elif kind == "refunded":
            money.refunded_minor += more_minor
            self._external_minor -= more_minor
        money.disputed_minor, money.lost_minor = data["disputed_minor"], 0
        money.lost_minor = money.left_minor - data["left_minor"]

    def _by_sums(self) -> PaymentState:
        money = self.money
        if self._failed:
            return min(self._failed.values(), key=_WORST_FIRST.index)
        if money.disputed_minor:
            return PaymentState.DISPUTED
        if money.captured_minor + money.voided_minor < money.authorized_minor:
            return PaymentState.PARTIALLY_CAPTURED if money.captured_minor else PaymentState.AUTHORIZED
        if not money.captured_minor:
            return PaymentState.VOIDED if money.authorized_minor else PaymentState.CAPTURED  # of nothing
        if money.left_minor == money.captured_minor:
            return PaymentState.CAPTURED
        return PaymentState.PARTIALLY_REFUNDED if money.left_minor > 0 else PaymentState.REFUNDED


def _is_void(data: dict[str, Any]) -> bool:
    """Tell whether a void was resolved, and no refund: an operation's id names its kind."""
    return ":void" in data["operation_id"]


_BY_SUMS: Final = frozenset(
    {
        "PaymentAuthorized",
        "PaymentCaptured",
        "PaymentVoided",
        "PaymentRefunded",
        "PaymentResolved",
        "PaymentChangedExternally",
    }
)
_BY_SUMS_AFTER: Final = {
    "RefundReduced": PaymentState.REFUND_FAILED,
    **dict.fromkeys(("OrderCancelled", "OrderRejected", "OrderShipped"), PaymentState.LAPSED),
}
"""What ends what a payment stood for."""
_NOTHING_TAKEN: Final = frozenset({PaymentState.LAPSED, PaymentState.CAPTURE_FAILED})
"""Where a payment stands unless something of it is worse."""
_STATE_AFTER: Final = {message.__name__: state for message, state in PAYMENT_STATE_AFTER.items()}
_WORST_FIRST: Final = (PaymentState.VOID_FAILED, PaymentState.REFUND_FAILED)
