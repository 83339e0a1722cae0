"""Compares our money with the processor's own books, where it shows them (the simulated one does: GET /books)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec

from infra.processor.books import Authorization
from infra.verify.errors import VerifyError
from topology.states import PaymentState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from infra.verify.report import Tally
    from infra.verify.sagas import Case

Books = dict[str, list[Authorization]]
"""The processor's authorisations by order."""

READ_SECONDS: Final = 60.0
_OK: Final = 200
_NOT_FOUND: Final = 404

_AUTHORIZED: Final = frozenset({PaymentState.AUTHORIZED, PaymentState.CAPTURE_FAILED, PaymentState.VOID_FAILED})


class _Answer(msgspec.Struct):
    lines: list[Authorization]


async def read_books(processor_url: str) -> Books | None:
    """Return what the processor has on its books; None for one that does not show them. Raises VerifyError."""
    url = f"{processor_url.rstrip('/')}/books"
    timeout = aiohttp.ClientTimeout(total=READ_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            if answer.status == _NOT_FOUND:
                return None
            body = await answer.read()
            if answer.status != _OK:
                raise VerifyError(f"{url} answered {answer.status}; leave --processor-url out to do without it.")
            lines = msgspec.json.decode(body, type=_Answer).lines
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
        raise VerifyError(f"{url} cannot be read: {error}; leave --processor-url out to do without it.") from error
    books: Books = {}
    for line in lines:
        books.setdefault(line.order_id, []).append(line)
    return books


def check_books(all_cases: Iterable[Case], books: Mapping[str, list[Authorization]], tally: Tally) -> None:
    """Check each order that is over and at rest: what the processor holds and took is what we believe.

    The books are read after the snapshot, so an order that is still moving may be further there than here.
    """
    tally.count(books_compared=0, books_captured_minor=0, books_held_minor=0)
    for case in all_cases:
        if not (case.is_over and case.at_rest):
            continue
        lines = books.get(case.order.order_id, [])
        held, captured = sum(it.held_minor for it in lines), sum(it.captured_minor for it in lines)
        tally.count(books_compared=1, books_captured_minor=captured, books_held_minor=held)
        if (held, captured) != (expected := _expected(case)):
            tally.breach(
                f"{case}: the processor holds {held} and took {captured} minor units, "
                f"by our books it should be {expected[0]} and {expected[1]}"
            )


def check_strangers(books: Mapping[str, list[Authorization]], known: Iterable[str], tally: Tally) -> None:
    """Check that the processor has no money of orders that we never asked it about.

    These books are read before the snapshot, so whatever is on them was asked for by an attempt in it.
    """
    for order_id in books.keys() - set(known):
        held = sum(line.held_minor + line.captured_minor for line in books[order_id])
        if held:
            tally.breach(f"the processor has {held} minor units for order {order_id}, for which we asked none")


def _expected(case: Case) -> tuple[int, int]:
    """Return what the processor should hold and have taken, in minor units."""
    amount_minor = case.payment.amount_minor if case.payment is not None else 0
    if case.money is PaymentState.CAPTURED:
        return 0, amount_minor
    return (amount_minor, 0) if case.money in _AUTHORIZED else (0, 0)
