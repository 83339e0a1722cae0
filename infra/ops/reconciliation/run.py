"""Compares the processor's books with ours, payment by payment; has what differs booked, and gives back what is nobody's.

The processor's payments come in pages and are compared in chunks, so memory does not grow with their number. What differs at
first is looked at again, since both sides are read one after the other: only what stands still counts.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from consumers.payments.errors import ProcessorError
from infra.ops.reconciliation.ours import CHUNK, QUERIES, Authorization, OurBooks
from infra.ops.reconciliation.plan import (
    Difference,
    Orphan,
    books_of,
    difference_of,
    is_moving,
    is_ours,
    only_ours,
    orphan_of,
)
from infra.ops.reconciliation.report import BOOKED, OrphanFound, Report
from schemas.ids import is_order_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    import asyncpg

    from consumers.payments.processor import PaymentProcessor, ProcessorPayment
    from consumers.payments.state import Payment
    from infra.ops.reconciliation.booking import Booking
    from infra.ops.reconciliation.plan import Known

log = structlog.get_logger()

PAUSE_SECONDS: Final = 1.0
"""Between two looks at what differs: a webhook about it may be on its way."""
LOOKS: Final = 5
"""What differs in another way each time is under way."""
TOGETHER: Final = 16
"""Payments that are asked of the processor at the same time."""
NOT_BOOKED_IN_TIME: Final = "not booked within {seconds:g} s: see that payments runs, and `lastunit orders stuck`"
REFUSED: Final = "payments refused it: `lastunit letters` shows why"
FOR_A_PERSON: Final = "nothing can book this: a person has to compare both"


class Options(msgspec.Struct, frozen=True):
    """What to compare: payments made at `since_ms` or later (ms since the epoch, UTC), and what to do about it.

    Only what was made before `before_ms` can be nobody's: the rest may still be on its way to us. `fix` gives that back.
    """

    since_ms: int
    before_ms: int
    fix: bool = False
    most: int = 1_000
    chunk: int = CHUNK


async def reconcile(
    connection: asyncpg.Connection,
    processor: PaymentProcessor,
    options: Options,
    booking: Booking | None = None,
    report: Report | None = None,
) -> Report:
    """Compare both books; `booking` has what differs booked. Raises ProcessorError, InfraError, PublishError.

    Whoever wants to see how far it is gives the `report` that is returned in the end.
    """
    return await _Comparison(connection, processor, options, booking, report or Report(options.most)).run()


class _Comparison:
    def __init__(
        self,
        connection: asyncpg.Connection,
        processor: PaymentProcessor,
        options: Options,
        booking: Booking | None,
        report: Report,
    ) -> None:
        self._connection = connection
        self._processor = processor
        self._options = options
        self._booking = booking
        self._ours = OurBooks(connection)
        self._report = report

    async def run(self) -> Report:
        await self._ours.begin()
        async for chunk in self._listed():
            await self._compare(chunk)
        async for unseen in self._ours.unseen(self._options.since_ms, self._options.chunk):
            await self._settle(dict.fromkeys(unseen))
        return self._report

    async def _listed(self) -> AsyncIterator[list[ProcessorPayment]]:
        chunk: list[ProcessorPayment] = []
        async for payment in self._processor.payments(self._options.since_ms):
            chunk.append(payment)
            if len(chunk) == self._options.chunk:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    async def _compare(self, chunk: Sequence[ProcessorPayment]) -> None:
        known = await self._ours.known(payment.order_id for payment in chunk)
        differing: dict[Authorization, Difference | None] = {}
        others: list[ProcessorPayment] = []
        for processor_payment in chunk:
            payment = known[processor_payment.order_id].payment if is_ours(processor_payment, known) else None
            if payment is None:
                others.append(processor_payment)
            elif (difference := difference_of(processor_payment, payment)) is not None:
                differing[Authorization(processor_payment.order_id, processor_payment.authorization_id)] = difference
            else:
                self._agrees(payment, processor_payment.authorization_id)
        differing |= await self._judge_others(others, known)
        await self._ours.see(
            [processor_payment.authorization_id for processor_payment in chunk if is_ours(processor_payment, known)]
            + [name.authorization_id for name in differing]
        )
        await self._settle(differing)

    def _agrees(self, payment: Payment, authorization_id: str) -> None:
        both = books_of(payment, authorization_id)
        self._report.compare(both, both)

    # --- what no order stands for -----------------------------------------------------------------------------------------

    async def _judge_others(
        self, others: Sequence[ProcessorPayment], known: Mapping[str, Known]
    ) -> dict[Authorization, None]:
        """Count, name and give back what no order stands for; return what an order does that the processor does not name."""
        report, before_ms = self._report, self._options.before_ms
        orphans = [orphan for payment in others if (orphan := orphan_of(payment, known)) is not None]
        ids = [orphan.payment.authorization_id for orphan in orphans]
        owned = {each.authorization_id: each for each in (await self._ours.owners(ids) if ids else [])}
        for payment in others:
            if not is_order_id(payment.order_id):
                report.strangers += 1
            elif payment.order_id not in known and self._ours.is_forgotten(payment.order_id):
                report.forgotten += 1
            elif (orphan := orphan_of(payment, known)) is None:
                is_asking = payment.order_id in known and known[payment.order_id].is_asking
                report.under_way += is_asking
                report.given_back += not is_asking
            elif payment.authorization_id not in owned:
                if payment.created_at_ms >= before_ms:
                    report.under_way += 1
                else:
                    result = await self._give_back(orphan) if self._options.fix else ""
                    report.find(OrphanFound(orphan, result))
        return dict.fromkeys(owned.values())

    async def _give_back(self, orphan: Orphan) -> str:
        """Void or refund an orphan, once however often it is tried; return succeeded, failed or unknown."""
        operation = orphan.operation
        await self._connection.execute(
            QUERIES["begin"],
            operation.operation_id,
            operation.order_id,
            operation.authorization_id,
            operation.kind.value,
            operation.amount_minor,
            operation.currency,
            orphan.why,
        )
        try:
            result = await self._processor.look_up(operation) or await self._processor.perform(operation)
        except ProcessorError as error:
            log.warning("orphan_unknown", operation_id=operation.operation_id, error=str(error))
            return "unknown"
        await self._connection.execute(QUERIES["finish"], operation.operation_id, result.result, result.reason)
        return result.result

    # --- what differs -----------------------------------------------------------------------------------------------------

    async def _settle(self, candidates: Mapping[Authorization, Difference | None]) -> None:
        """Name what differs once both sides stand still, and have it booked where that is asked for."""
        differences, moving = await self._stand_still(candidates)
        self._report.under_way += len(moving)
        bookable: dict[Authorization, Difference] = {}
        for name, difference in differences.items():
            if self._booking is None or not difference.is_bookable:
                self._name(difference, "" if self._booking is None else FOR_A_PERSON)
            else:
                bookable[name] = difference
        if self._booking is not None and bookable:
            await self._book(self._booking, bookable)

    async def _book(self, booking: Booking, bookable: Mapping[Authorization, Difference]) -> None:
        in_time = await booking.book(list(bookable.values()))
        late = NOT_BOOKED_IN_TIME.format(seconds=booking.timeout_seconds)
        left, moving = await self._stand_still(dict.fromkeys(bookable))
        for name, difference in bookable.items():
            if name in moving:
                self._name(difference, late)
            elif name in left:
                self._name(left[name], REFUSED if in_time else late)
            else:
                self._report.differ(msgspec.structs.replace(difference, result=BOOKED))

    def _name(self, difference: Difference, result: str) -> None:
        self._report.compare(difference.ours, difference.processor)
        self._report.differ(msgspec.structs.replace(difference, result=result))

    async def _stand_still(
        self, candidates: Mapping[Authorization, Difference | None]
    ) -> tuple[dict[Authorization, Difference], set[Authorization]]:
        """Look until each candidate agrees, or differs as it did before; return what differs, and what is under way."""
        waiting, stands, moving = dict(candidates), dict[Authorization, Difference](), set[Authorization]()
        for _ in range(LOOKS):
            if not waiting:
                break
            if any(before is not None for before in waiting.values()):
                await asyncio.sleep(PAUSE_SECONDS)
            now = await self._look(list(waiting), moving)
            stands |= {name: difference for name, difference in now.items() if difference == waiting[name]}
            waiting = {name: difference for name, difference in now.items() if difference != waiting[name]}
        return stands, moving | waiting.keys()

    async def _look(
        self, names: Sequence[Authorization], moving: set[Authorization]
    ) -> dict[Authorization, Difference]:
        """Read both sides of each; return what differs and add to `moving` what is under way. What agrees is counted."""
        processor_payments: list[ProcessorPayment | None] = []
        for start in range(0, len(names), TOGETHER):
            asked = (self._processor.payment(each.authorization_id) for each in names[start : start + TOGETHER])
            processor_payments += await asyncio.gather(*asked)
        known = await self._ours.known(name.order_id for name in names)
        differing: dict[Authorization, Difference] = {}
        for name, processor_payment in zip(names, processor_payments, strict=True):
            payment = known[name.order_id].payment if name.order_id in known else None
            if payment is None:
                moving.add(name)
                continue
            difference = (
                only_ours(payment, name.authorization_id)
                if processor_payment is None
                else difference_of(processor_payment, payment)
            )
            if difference is None:
                self._agrees(payment, name.authorization_id)
            elif is_moving(payment):
                moving.add(name)
            else:
                differing[name] = difference
        return differing
