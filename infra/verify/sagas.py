"""What must be true of each order: it is over or waits for something that has a name, and its money matches its goods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from consumers.inventory.ledger import HoldState
from topology.states import FINAL_ORDER_STATES, OrderState, PaymentState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from infra.verify.report import Tallies, Tally
    from infra.verify.rows import HoldRow, OrderRow, OrderRows, PaymentRow

OVERDUE_MS: Final = 60_000
"""A hold whose time has been over for so long waits for nothing: its owner should have ended it."""
PENDING: Final = "pending"

_NO_MONEY: Final = frozenset({PaymentState.NONE, PaymentState.DECLINED, PaymentState.VOIDED})
_ENDED: Final = frozenset({OrderState.REJECTED, OrderState.CANCELLED})
_WITH_GOODS: Final = frozenset({OrderState.PLACED, OrderState.PAID})
_PAYING: Final = frozenset(
    {PaymentState.AUTHORIZED, PaymentState.CAPTURING, PaymentState.CAPTURED, PaymentState.CAPTURE_FAILED}
)


class Case(msgspec.Struct):
    """One order with all that is known of it. `moving` says that a record about it is not decided yet.

    `came_back` are its lines that were shipped and returned: the goods were delivered, what is owed for them is the
    refund's matter.
    """

    order: OrderRow
    payment: PaymentRow | None
    asked: list[str]
    holds: list[HoldRow]
    came_back: list[HoldRow]
    moving: bool

    @property
    def money(self) -> PaymentState:
        """Return where the order's money stands."""
        return PaymentState(self.payment.state) if self.payment is not None else PaymentState.NONE

    @property
    def is_over(self) -> bool:
        """Tell whether the order has reached a final state."""
        return self.order.state in FINAL_ORDER_STATES

    @property
    def at_rest(self) -> bool:
        """Tell whether nothing is under way for it: no undecided record, no operation at the processor."""
        return not self.moving and not self.asked

    def __str__(self) -> str:
        return f"order {self.order.order_id} ({self.order.state}, payment {self.money.value})"


def cases(rows: OrderRows, moving: Collection[str]) -> list[Case]:
    """Bring together what belongs to each order; `moving` are the orders with undecided records."""
    payments = {row.order_id: row for row in rows.payments}
    asked: dict[str, list[str]] = {}
    for attempt in rows.attempts:
        if attempt.result == PENDING:
            asked.setdefault(attempt.order_id, []).append(attempt.kind)
    holds, came_back = _by_order(rows.live_holds), _by_order(rows.came_back)
    return [
        Case(
            order,
            payments.get(order.order_id),
            asked.get(order.order_id, []),
            holds.get(order.order_id, []),
            came_back.get(order.order_id, []),
            order.order_id in moving,
        )
        for order in rows.orders
    ]


def _by_order(rows: Iterable[HoldRow]) -> dict[str, list[HoldRow]]:
    found: dict[str, list[HoldRow]] = {}
    for row in rows:
        found.setdefault(row.order_id, []).append(row)
    return found


def check_progress(all_cases: Iterable[Case], now_ms: int, tally: Tally) -> None:
    """Check that each order is final or waits for a named fact. `now_ms` is the database's clock."""
    tally.count(orders=0, final=0, waiting=0, in_limbo=0)
    for case in all_cases:
        tally.count(orders=1)
        if case.is_over:
            tally.count(final=1)
            continue
        waits_for = _waits_for(case, now_ms)
        if waits_for is not None:
            tally.count(waiting=1, **{f"waiting_for_{waits_for}": 1})
            continue
        tally.count(in_limbo=1)
        tally.breach(f"{case} waits for nothing: {_known_of(case, now_ms)}")


def _waits_for(case: Case, now_ms: int) -> str | None:
    """Name what the order waits for, None for nothing."""
    if case.moving:
        return "a_record_to_be_decided"
    if case.asked:
        return "the_processor"
    if case.order.state != OrderState.PENDING or not _missing(case):
        return None
    held = [hold for hold in case.holds if hold.state == HoldState.HELD]
    if any(hold.expires_at_ms + OVERDUE_MS > now_ms for hold in held):
        return "missing_lines_or_expiry"
    return None


def _missing(case: Case) -> list[int]:
    """Return the numbers of the lines that are not reserved as far as the order has heard."""
    reserved = {int(number) for number, line in case.order.lines.items() if line["state"] == "reserved"}
    return [number for number in range(1, case.order.line_count + 1) if number not in reserved]


def _known_of(case: Case, now_ms: int) -> str:
    """Say what is known of an order in limbo."""
    held = [hold for hold in case.holds if hold.state == HoldState.HELD]
    words = [f"lines {_missing(case)} of {case.order.line_count} missing"] if _missing(case) else []
    if held:
        ended_ms = now_ms - min(hold.expires_at_ms for hold in held)
        words.append(f"{len(held)} holds, the first over for {ended_ms // 1000} s" if ended_ms > 0 else "holds")
    return ", ".join([*words, "no record is undecided, no payment operation is open"])


def check_orphans(holds: Iterable[HoldRow], moving: Collection[str], tally: Tally) -> None:
    """Check that no stock is held for an order that the orders room never heard of."""
    for hold in holds:
        if hold.order_id not in moving:
            state = HoldState(hold.state).name.lower()
            tally.breach(f"{hold.quantity} of {hold.sku} are {state} for {hold.order_id}, of which orders never heard")


def check_money(all_cases: Iterable[Case], payments: Iterable[PaymentRow], tallies: Tallies) -> None:
    """Check that captured money has goods and goods have money; what is still moving is waited for."""
    tally = tallies["money_matches_goods"]
    known: set[str] = set()
    for case in all_cases:
        known.add(case.order.order_id)
        tally.count(paid=case.order.state == OrderState.PAID, captured=case.money is PaymentState.CAPTURED)
        tally.count(lines_back_after_shipping=len(case.came_back))
        if case.money is PaymentState.VOID_FAILED:
            tally.breach(f"{case}: the void failed, so the money stays authorised until a person resolves it")
            continue
        wrong = _mismatch(case)
        if wrong is None:
            continue
        if case.at_rest:
            tally.breach(f"{case}: {wrong}")
        else:
            tally.count(being_settled=1)
    for payment in payments:
        if payment.order_id not in known:
            tally.breach(f"there is a payment ({payment.state}) for {payment.order_id}, of which orders never heard")


def _mismatch(case: Case) -> str | None:
    """Say how an order's money and goods disagree, None where they agree."""
    if case.payment is not None and case.order.amount_minor != case.payment.amount_minor:
        return f"the order is worth {case.order.amount_minor} minor units, the payment {case.payment.amount_minor}"
    if case.order.state in _ENDED:
        return _leftover(case)
    if case.order.state == OrderState.PAID and case.money is not PaymentState.CAPTURED:
        return "it is paid, but no money was captured"
    if case.order.state == OrderState.PLACED and case.money not in _PAYING:
        return "it is placed, but not authorised"
    if case.order.state in _WITH_GOODS:
        return _uncommitted(case)
    return "its money was captured before it was placed" if case.money is PaymentState.CAPTURED else None


def _uncommitted(case: Case) -> str | None:
    """Say how many lines of a placed or paid order lack their goods."""
    served = {
        hold.line
        for hold in [*case.holds, *case.came_back]
        if hold.state != HoldState.HELD and case.order.lines.get(str(hold.line), {}).get("sku") == hold.sku
    }
    count = case.order.line_count
    return f"{len(served)} of its {count} lines are allocated or shipped" if len(served) != count else None


def _leftover(case: Case) -> str | None:
    """Say what an order without a sale still keeps."""
    if case.holds:
        units = sum(hold.quantity for hold in case.holds)
        return f"it is over, but {units} units in {len(case.holds)} lines are kept for it or went out"
    return f"it is over, but its money is {case.money.value}" if case.money not in _NO_MONEY else None
