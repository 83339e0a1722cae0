"""What must be true of each order: it is over, or it waits for something that has a name and whose time is not over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from consumers.inventory.state import HoldState
from consumers.payments.state import NOTHING_EXTERNAL, ExternalMoney
from consumers.payments.store import decode_external
from schemas.money import shown_minor
from topology.states import CLOSED_ORDER_STATES, OrderState, PaymentState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from infra.ops.audit.report import Tally
    from infra.ops.audit.rows import AttemptRow, FulfilmentRow, HoldRow, OrderRow, OrderRows, PaymentRow

OVERDUE_MS: Final = 60_000
"""A hold or a wait whose time has been over for so long waits for nothing: its owner should have ended it."""
PENDING: Final = "pending"
A_PERSON: Final = "a_person"
"""Who sees to a void or a refund that the processor refuses: `order retry` or `order resolve`."""

NEEDS_A_PERSON: Final = frozenset({PaymentState.VOID_FAILED, PaymentState.REFUND_FAILED})
_OPEN_MONEY: Final = NEEDS_A_PERSON | {PaymentState.DISPUTED}


class Case(msgspec.Struct):
    """One order with all that is known of it. `in_progress` says that a record about it is not decided yet.

    `came_back` are its lines that were shipped and returned.
    """

    order: OrderRow
    payment: PaymentRow | None
    attempts: list[AttemptRow]
    fulfilment: FulfilmentRow | None
    holds: list[HoldRow]
    came_back: list[HoldRow]
    in_progress: bool

    @property
    def money(self) -> PaymentState:
        """Return where the order's money stands."""
        return PaymentState(self.payment.state) if self.payment is not None else PaymentState.NONE

    @property
    def external(self) -> ExternalMoney:
        """Return what moved of the order's money at the processor without us, of all its authorisations together."""
        if self.payment is None:
            return NOTHING_EXTERNAL
        moved = decode_external(self.payment.external).values()
        sums = (sum(amounts) for amounts in zip(*map(msgspec.structs.astuple, moved), strict=True))
        return ExternalMoney(*sums)

    @property
    def asked(self) -> list[str]:
        """Return the kinds of what the processor was asked for and has not answered."""
        return [attempt.kind for attempt in self.attempts if attempt.result == PENDING]

    @property
    def is_over(self) -> bool:
        """Return whether nothing more happens to the order by itself, and nobody has to see to it."""
        waits = self.fulfilment is not None and self.fulfilment.waits_for
        return self.order.state in CLOSED_ORDER_STATES and not waits and self.money not in _OPEN_MONEY

    @property
    def at_rest(self) -> bool:
        """Return whether nothing is under way for it: no undecided record, no operation at the processor."""
        return not self.in_progress and not self.asked

    def amount(self, amount_minor: int) -> str:
        """Return an amount of the order's money for people."""
        return shown_minor(amount_minor, self.payment.currency if self.payment is not None else self.order.currency)

    def __str__(self) -> str:
        goods = f", goods {self.fulfilment.state}" if self.fulfilment is not None else ""
        return f"order {self.order.order_id} ({self.order.state}, payment {self.money.value}{goods})"


def cases(rows: OrderRows, in_progress: Collection[str]) -> list[Case]:
    """Bring together what belongs to each order; `in_progress` are the orders with undecided records."""
    payments = {row.order_id: row for row in rows.payments}
    fulfilments = {row.order_id: row for row in rows.fulfilments}
    attempts: dict[str, list[AttemptRow]] = {}
    for attempt in rows.attempts:
        attempts.setdefault(attempt.order_id, []).append(attempt)
    holds, came_back = _by_order(rows.live_holds), _by_order(rows.came_back)
    return [
        Case(
            order,
            payments.get(order.order_id),
            attempts.get(order.order_id, []),
            fulfilments.get(order.order_id),
            holds.get(order.order_id, []),
            came_back.get(order.order_id, []),
            order.order_id in in_progress,
        )
        for order in rows.orders
    ]


def _by_order(rows: Iterable[HoldRow]) -> dict[str, list[HoldRow]]:
    by_order: dict[str, list[HoldRow]] = {}
    for row in rows:
        by_order.setdefault(row.order_id, []).append(row)
    return by_order


def check_progress(all_cases: Iterable[Case], now_ms: int, tally: Tally) -> None:
    """Check that each order is over or waits for a named fact. `now_ms` is the database's clock."""
    tally.count(orders=0, final=0, waiting=0, in_limbo=0)
    for case in all_cases:
        tally.count(orders=1)
        if case.is_over and case.at_rest:
            tally.count(final=1)
            continue
        waits_for = _waits_for(case, now_ms)
        if waits_for is not None:
            tally.count(waiting=1, **{f"waiting_for_{waits_for}": 1})
            if waits_for == A_PERSON:
                tally.example(f"{case} waits for a person: `lastunit order retry` or `order resolve`")
            continue
        tally.count(in_limbo=1)
        tally.breach(f"{case} waits for nothing: {_known_of(case, now_ms)}")


def _waits_for(case: Case, now_ms: int) -> str | None:
    """Name what the order waits for, None for nothing."""
    if case.in_progress:
        return "a_record_to_be_decided"
    if case.asked:
        return "the_processor"
    if case.money in NEEDS_A_PERSON:
        return A_PERSON
    if case.money is PaymentState.DISPUTED and case.order.state in CLOSED_ORDER_STATES:
        return "the_end_of_a_dispute"  # the card network decides, after weeks
    word, deadline_ms = _wait_and_its_end(case)
    return word if deadline_ms is not None and deadline_ms + OVERDUE_MS > now_ms else None


def _wait_and_its_end(case: Case) -> tuple[str, int | None]:
    """Return what an order waits for and until when; without an end it waits for nothing."""
    if case.payment is not None and case.money is PaymentState.REQUIRES_ACTION:
        return "confirmation", case.payment.deadline_ms
    if case.order.state == OrderState.PENDING:
        return _wait_for_lines(case)
    if case.fulfilment is not None and case.fulfilment.waits_for:
        return case.fulfilment.waits_for, case.fulfilment.deadline_ms
    return "", None


def _wait_for_lines(case: Case) -> tuple[str, int | None]:
    """What is held for an order ends it, if its other lines do not come; where nothing could be had, its own deadline."""
    if all(line["state"] == "rejected" for line in case.order.lines.values()):
        return "missing_lines", case.order.deadline_ms
    ends = [hold.expires_at_ms for hold in case.holds if hold.state == HoldState.HELD]
    return "missing_lines_or_expiry", max(ends) if ends and _missing(case) else None


def _missing(case: Case) -> list[int]:
    """Return the numbers of the lines that are not reserved as far as the order knows."""
    reserved = {int(number) for number, line in case.order.lines.items() if line["state"] == "reserved"}
    return [number for number in range(1, case.order.line_count + 1) if number not in reserved]


def _known_of(case: Case, now_ms: int) -> str:
    """Return what is known of an order in limbo."""
    words = []
    if case.order.state == OrderState.PENDING and _missing(case):
        words.append(f"lines {_missing(case)} of {case.order.line_count} missing")
    if case.order.deadline_ms is not None:
        words.append(_since("its wait for lines", case.order.deadline_ms, now_ms))
    if held := [hold for hold in case.holds if hold.state == HoldState.HELD]:
        words.append(_since(f"{len(held)} holds, the first", min(hold.expires_at_ms for hold in held), now_ms))
    if case.fulfilment is not None and case.fulfilment.waits_for:
        words.append(_since(f"its wait for {case.fulfilment.waits_for}", case.fulfilment.deadline_ms, now_ms))
    if case.payment is not None and case.payment.deadline_ms is not None:
        words.append(_since("its payment's time", case.payment.deadline_ms, now_ms))
    return ", ".join([*words, "no record is undecided, no payment operation is open"])


def _since(what: str, end_ms: int | None, now_ms: int) -> str:
    if end_ms is None:
        return f"{what} without an end"
    return f"{what} over for {(now_ms - end_ms) // 1000} s" if end_ms < now_ms else what


def check_holds_without_order(holds: Iterable[HoldRow], in_progress: Collection[str], tally: Tally) -> None:
    """Check that no stock is held for an order that the orders room does not know."""
    for hold in holds:
        if hold.order_id not in in_progress:
            state = HoldState(hold.state).name.lower()
            tally.breach(
                f"{hold.quantity} of {hold.sku} are {state} for {hold.order_id}, which the orders room does not know"
            )
