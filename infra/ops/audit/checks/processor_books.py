"""Compares our money with the processor's own books, where it shows them (the simulated one does: GET /books)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

import aiohttp
import msgspec

from infra.ops.errors import UnreadableError
from schemas.money import shown_minor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from infra.ops.audit.checks.orders import Case
    from infra.ops.audit.report import Tally


class Authorization(msgspec.Struct, gc=False):
    """The money of one authorisation on the processor's books, in minor units of `currency`."""

    authorization_id: str
    order_id: str
    currency: str
    authorized_minor: int
    captured_minor: int = 0
    voided_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0
    lost_minor: int = 0

    @property
    def held_minor(self) -> int:
        """What the customer can neither spend nor has paid."""
        return self.authorized_minor - self.captured_minor - self.voided_minor


Books = dict[str, list[Authorization]]
"""The processor's authorisations by order."""

READ_SECONDS: Final = 60.0
_OK: Final = 200
_NOT_FOUND: Final = 404

RESOLVED: Final = "resolved"
"""The result of an attempt that the processor refused, and that a person says to have done by hand."""


class _Answer(msgspec.Struct):
    lines: list[Authorization]


class _Sums(NamedTuple):
    """One order's money, in minor units."""

    authorized: int
    captured: int
    voided: int
    refunded: int
    disputed: int
    lost: int


async def read_books(processor_url: str) -> Books | None:
    """Return what the processor has on its books; None for one that does not show them. Raises UnreadableError."""
    url = f"{processor_url.rstrip('/')}/books"
    timeout = aiohttp.ClientTimeout(total=READ_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            if answer.status == _NOT_FOUND:
                return None
            body = await answer.read()
            if answer.status != _OK:
                raise UnreadableError(f"{url} answered {answer.status}; leave --processor-url out to do without it.")
            lines = msgspec.json.decode(body, type=_Answer).lines
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
        raise UnreadableError(f"{url} cannot be read: {error}; leave --processor-url out to do without it.") from error
    books: Books = {}
    for line in lines:
        books.setdefault(line.order_id, []).append(line)
    return books


def check_books(
    all_cases: Iterable[Case],
    earlier: Mapping[str, list[Authorization]],
    now: Mapping[str, list[Authorization]],
    now_ms: int,
    tally: Tally,
) -> None:
    """Check each order at rest, to the cent: what the processor has on its books is what we believe.

    The snapshot lies between the two readings of the books; where they differ the order moved on, and is left out.
    `now_ms` is the snapshot's clock: what is held is not compared once its time is over, since the processor may say so
    before we do, or after.
    """
    tally.count(books_compared=0)
    for case in all_cases:
        lines = now.get(case.order.order_id, [])
        if not case.at_rest or earlier.get(case.order.order_id, []) != lines:
            continue
        actual = _Sums(
            sum(line.authorized_minor for line in lines),
            sum(line.captured_minor for line in lines),
            sum(line.voided_minor for line in lines),
            sum(line.refunded_minor for line in lines),
            sum(line.disputed_minor for line in lines),
            sum(line.lost_minor for line in lines),
        )
        held_minor = actual.authorized - actual.captured - actual.voided
        tally.count(books_compared=1)
        tally.count_money(
            lines[0].currency if lines else case.order.currency,
            books_captured_minor=actual.captured,
            books_held_minor=held_minor,
            books_refunded_minor=actual.refunded,
        )
        expected = _expected(case)
        if case.payment is not None and 0 < case.payment.expires_at_ms <= now_ms:
            actual, expected = (sums._replace(authorized=0, voided=0) for sums in (actual, expected))
        if actual != expected:
            tally.breach(f"{case}: {_difference(expected, actual, case)}")


def _expected(case: Case) -> _Sums:
    """Return what we believe the processor to have: what was done by hand is not on its books."""
    if (payment := case.payment) is None:
        return _Sums(0, 0, 0, 0, 0, 0)
    by_hand = {"void": 0, "refund": 0}
    for attempt in case.attempts:
        if attempt.result == RESOLVED:
            by_hand[attempt.kind] += attempt.amount_minor
    voided, refunded = payment.voided_minor - by_hand["void"], payment.refunded_minor - by_hand["refund"]
    external = case.external
    return _Sums(
        payment.authorized_minor, payment.captured_minor, voided, refunded, external.disputed_minor, external.lost_minor
    )


def _difference(expected: _Sums, actual: _Sums, case: Case) -> str:
    return "; ".join(
        f"the processor has {case.amount(has)} {name}, by our books it should be {case.amount(should)}"
        for name, has, should in zip(_Sums._fields, actual, expected, strict=True)
        if has != should
    )


def check_unknown_payments(books: Mapping[str, list[Authorization]], known: Iterable[str], tally: Tally) -> None:
    """Check that the processor has no money of orders that we never asked it about.

    These books are read before the snapshot, so whatever is on them was asked for by an attempt in it.
    """
    for order_id in books.keys() - set(known):
        held: Counter[str] = Counter()
        for line in books[order_id]:
            held[line.currency] += line.held_minor + line.captured_minor
        if amounts := [shown_minor(amount_minor, currency) for currency, amount_minor in held.items() if amount_minor]:
            tally.breach(f"the processor has {', '.join(amounts)} for order {order_id}, for which nothing was asked")
