"""What must be true of each order's money: its ledger adds up, and what was paid is what the goods cost that are away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumers.inventory.state import HoldState
from consumers.payments.state import NOTHING_EXTERNAL
from schemas.terms import CAPTURE_AT_SHIPPING
from schemas.validation import SAGA_REFUNDS
from topology.states import OVER_ORDER_STATES, OrderState, PaymentState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from infra.ops.audit.checks.orders import Case
    from infra.ops.audit.report import Tallies, Tally
    from infra.ops.audit.rows import AttemptRow, PaymentRow

_DONE: Final = frozenset({"succeeded", "resolved"})
_OPEN: Final = frozenset({"pending", "failed"})
_COLUMNS: Final = {
    "authorize": "authorized_minor",
    "capture": "captured_minor",
    "void": "voided_minor",
    "refund": "refunded_minor",
}
_ALLOCATED: Final = frozenset({HoldState.COMMITTED, HoldState.SHIPPED})
_SENT: Final = frozenset({OrderState.SHIPPED, OrderState.DELIVERED, OrderState.RETURNED})
_UNPAID: Final = frozenset({OrderState.PENDING, OrderState.RESERVED, OrderState.COMMITTING})


def check_money(all_cases: Iterable[Case], payments: Iterable[PaymentRow], tallies: Tallies) -> None:
    """Check every order's ledger of money, and where nothing is under way that its money matches its goods."""
    tally, ledger = tallies["money_matches_goods"], tallies["money_ledger_balances"]
    ledger.count(ledgers=0)
    known: set[str] = set()
    for case in all_cases:
        known.add(case.order.order_id)
        check_ledger(case, ledger)
        tally.count(paid=case.order.state == OrderState.PAID, captured=case.money is PaymentState.CAPTURED)
        tally.count(lines_back_after_shipping=len(case.came_back))
        if (wrong := _mismatch(case)) is None:
            continue
        if case.at_rest:
            tally.breach(f"{case}: {wrong}")
        else:
            tally.count(being_settled=1)
    for payment in payments:
        if payment.order_id not in known:
            tally.breach(
                f"there is a payment ({payment.state}) for {payment.order_id}, which the orders room does not know"
            )


def check_ledger(case: Case, tally: Tally) -> None:
    """Check that a payment's figures are the sums of what was done, and that none went back that was not there."""
    if (payment := case.payment) is None:
        if case.attempts:
            tally.breach(f"{case}: there are {len(case.attempts)} payment attempts, but no payment")
        return
    tally.count(ledgers=1)
    money = case.amount
    for kind, column in _COLUMNS.items():
        figure, done = getattr(payment, column), sum(_amounts(case.attempts, kind)) + getattr(case.external, column, 0)
        tally.count_money(payment.currency, **{column: figure})
        if figure != done:
            tally.breach(
                f"{case}: {column.removesuffix('_minor')} is {money(figure)}, what was done comes to {money(done)}"
            )
    held_minor = payment.authorized_minor - payment.captured_minor - payment.voided_minor
    gone_minor = payment.refunded_minor + case.external.disputed_minor + case.external.lost_minor
    if case.at_rest and payment.amount_minor and not _fits(case.money, held_minor, payment.captured_minor, gone_minor):
        figures = f"{money(held_minor)} held, {money(payment.captured_minor)} captured and {money(gone_minor)} refunded or withdrawn"
        tally.breach(f"{case}: that is not how money stands of which {figures}")
    if payment.captured_minor + payment.voided_minor > payment.authorized_minor:
        tally.breach(
            f"{case}: {money(payment.captured_minor)} captured and {money(payment.voided_minor)} voided of "
            f"{money(payment.authorized_minor)} authorised"
        )
    if payment.refunded_minor > payment.captured_minor:
        tally.breach(f"{case}: {money(payment.refunded_minor)} refunded of {money(payment.captured_minor)} captured")


def _fits(state: PaymentState, held_minor: int, captured_minor: int, gone_minor: int) -> bool:
    """Return whether a state's name agrees with the figures; the rest of the states imply nothing about them."""
    expected = _FIGURES.get(state)
    if expected is None:
        return True
    is_whole = 0 < captured_minor <= gone_minor
    return expected == (held_minor > 0, captured_minor > 0, gone_minor > 0, is_whole)


_FIGURES: Final = {
    PaymentState.NONE: (False, False, False, False),
    PaymentState.DECLINED: (False, False, False, False),
    PaymentState.VOIDED: (False, False, False, False),
    PaymentState.AUTHORIZED: (True, False, False, False),
    PaymentState.CAPTURE_FAILED: (True, False, False, False),
    PaymentState.CAPTURED: (False, True, False, False),
    PaymentState.PARTIALLY_REFUNDED: (False, True, True, False),
    PaymentState.REFUNDED: (False, True, True, True),
}
"""Whether anything is held, was captured, was refunded or withdrawn, and all of it, where a payment's state says so."""


def _amounts(attempts: Iterable[AttemptRow], kind: str) -> Iterator[int]:
    return (attempt.amount_minor for attempt in attempts if attempt.kind == kind and attempt.result in _DONE)


def _mismatch(case: Case) -> str | None:
    """Return how an order's money and goods disagree, None where they agree."""
    if case.payment is not None and case.order.amount_minor != case.payment.amount_minor:
        return f"the order is worth {case.amount(case.order.amount_minor)}, the payment {case.amount(case.payment.amount_minor)}"
    if (wrong := _wrong_sum(case)) is not None:
        return wrong
    if case.external.disputed_minor:
        return None  # what is to go back waits for the end of the dispute
    if case.order.state in _UNPAID:
        kept_minor = _kept(case)
        too_soon_minor = kept_minor - case.external.captured_minor
        return f"{case.amount(kept_minor)} were captured before it was placed" if too_soon_minor > 0 else None
    return _leftover(case) if case.order.state in OVER_ORDER_STATES else _unpaid(case)


def _wrong_sum(case: Case) -> str | None:
    """Return how an order's amount is not the sum of its lines and charges; of one that is over, later lines are none of it."""
    if case.order.state in OVER_ORDER_STATES or case.order.state == OrderState.PENDING:
        return None
    own = [line for line in case.order.lines.values() if not line.get("left_out")]
    sum_minor = sum(_amount(line, line["quantity"]) for line in own) + _shipping(case)
    if sum_minor == case.order.amount_minor:
        return None
    return f"its lines and charges come to {case.amount(sum_minor)}, it is worth {case.amount(case.order.amount_minor)}"


def _amount(line: Mapping[str, Any], quantity: int) -> int:
    return int(quantity * line["unit_price_minor"] - line.get("discount_minor", 0) + line.get("tax_minor", 0))


def _unpaid(case: Case) -> str | None:
    """Return how what was paid is not what the goods cost that the customer has, or is to have."""
    if (held_minor := _held(case)) and (case.order.state in _SENT or not _captures_at_shipping(case)):
        return f"{case.amount(held_minor)} are still held, of which nothing will be captured"
    kept_minor, goods_minor, kindness_minor = _kept(case), sum(_goods(case)) + _shipping(case), _kindness(case)
    external = case.external
    gone_minor = external.refunded_minor + external.lost_minor
    least_minor = max(0, goods_minor - kindness_minor) - gone_minor
    # Of parcels that are paid one by one, what went back for nothing may have been all that was there to give back.
    in_parts = _captures_at_shipping(case) or external != NOTHING_EXTERNAL
    most_minor = goods_minor if in_parts else least_minor
    if case.payment is not None and case.payment.at_shipping and not case.payment.all_shipped:
        most_minor += external.captured_minor  # it pays for parcels to come
    if least_minor <= kept_minor <= most_minor:
        return None
    without_goods_minor = kindness_minor + gone_minor
    given = f" ({case.amount(without_goods_minor)} of it given back without goods)" if without_goods_minor else ""
    return f"it has paid {case.amount(kept_minor)} for goods of {case.amount(goods_minor)}{given}"


def _kept(case: Case) -> int:
    """Return what was captured and neither went back nor is owed to the customer."""
    if case.payment is None:
        return 0
    owed = sum(
        attempt.amount_minor for attempt in case.attempts if attempt.kind == "refund" and attempt.result in _OPEN
    )
    return case.payment.captured_minor - case.payment.refunded_minor - case.external.lost_minor - owed


def _kindness(case: Case) -> int:
    """Return what went back, or is to, because a person asked for it, and not because of goods."""
    return sum(
        attempt.amount_minor
        for attempt in case.attempts
        if attempt.kind == "refund"
        and attempt.result in _DONE | _OPEN
        and not attempt.reference.startswith(SAGA_REFUNDS)
    )


def _goods(case: Case) -> Iterator[int]:
    """Yield what each line costs that the customer has, or that was paid for and is still to go out.

    A lost parcel's lines are away, yet nobody has them; they are paid back.
    """
    is_paid = frozenset({HoldState.SHIPPED}) if _captures_at_shipping(case) else _ALLOCATED
    lost = _lost_lines(case)
    for hold in case.holds:
        line = case.order.lines.get(str(hold.line))
        if line is not None and line["sku"] == hold.sku and hold.state in is_paid and hold.line not in lost:
            yield _amount(line, hold.quantity)


def _shipping(case: Case) -> int:
    """Return what the order is charged for shipping. It is not given back with goods, only with the whole order."""
    own = (line for line in case.order.lines.values() if not line.get("left_out"))
    return next((line["shipping_minor"] for line in own if line.get("shipping_minor")), 0)


def _lost_lines(case: Case) -> set[int]:
    parcels = case.fulfilment.shipments.values() if case.fulfilment is not None else ()
    return {number for parcel in parcels if parcel.get("state") == "lost" for number in parcel["lines"]}


def _leftover(case: Case) -> str | None:
    """Return what an order without a sale still keeps."""
    if case.holds:
        units = sum(hold.quantity for hold in case.holds)
        return f"it is over, but {units} units in {len(case.holds)} lines are kept for it or went out"
    kept_minor = _kept(case)
    if kept_minor > 0 or (kept_minor < 0 and case.external == NOTHING_EXTERNAL):
        return f"it is over, but {case.amount(kept_minor)} of it were kept"
    held_minor = _held(case)
    return f"it is over, but {case.amount(held_minor)} of it are still held" if held_minor else None


def _held(case: Case) -> int:
    """Return what is held, unless the processor refused to void it, so that a person has to see to it."""
    if case.payment is None or case.money is PaymentState.VOID_FAILED:
        return 0
    return case.payment.authorized_minor - case.payment.captured_minor - case.payment.voided_minor


def _captures_at_shipping(case: Case) -> bool:
    return CAPTURE_AT_SHIPPING in case.order.terms
