"""Which events that move money a room can have decided: by their ids, by what the log has, and how the rows of the room are asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from consumers.errors import NotDecidedError
from consumers.fulfilment.room import FulfilmentRoom
from consumers.orders.room import OrdersRoom
from consumers.payments.room import PaymentsRoom
from consumers.runtime.deciding.batch import DecodedSlice, accepted_by
from consumers.runtime.hosting import Hosting
from consumers.runtime.origins.check import OriginCheck
from consumers.runtime.origins.event_origin import EventOrigin, origin_of
from infra.base.rooms import FOLLOWERS, replayed_rooms
from producers.outage import Readiness
from schemas import messages as m
from schemas.codec.wire import encode
from tests.given_when_then import A
from tests.unit.runtime.records import ARecord
from tests.unit.runtime.test_confirming_rows import CANCELLED, ORDER, RESERVED
from topology.topics import ORDER_EVENTS

HOME = 2


def record_of(*event_ids: bytes, offset: int = 50) -> ARecord:
    return ARecord(HOME, offset, 1_000, A.encode(), encode(CANCELLED), [("ce_id", each) for each in event_ids])


@pytest.mark.parametrize(
    ("event_id", "origin"),
    [
        (b"order.commands/2/1042/0", EventOrigin("order.commands", 1, HOME, 1042)),
        (b"order.events/2/49/3", EventOrigin("order.events", 0, HOME, 49)),
    ],
)
def test_a_believable_id_names_a_record_that_its_room_has_read(event_id: bytes, origin: EventOrigin) -> None:
    assert origin_of(record_of(event_id), ORDER_EVENTS.name, "orders") == origin


def test_an_event_about_a_line_may_have_its_cause_in_any_partition_of_inventory() -> None:
    origin = origin_of(record_of(b"inventory.commands/7/1042/0"), ORDER_EVENTS.name, "inventory")
    assert origin == EventOrigin("inventory.commands", 0, 7, 1042)
    assert "does not read" in str(origin_of(record_of(b"order.commands/2/9/0"), ORDER_EVENTS.name, "inventory"))


@pytest.mark.parametrize(
    ("event_ids", "why"),
    [
        ((), "it has no ids"),
        ((b"order.events/2/1/0", b"order.events/2/1/0"), "it has 2 ids"),
        ((b"order.commands/2/1042",), "is no event id"),
        ((b"order.commands/2/01042/0",), "is no event id"),
        ((b"\xff\xfe",), "is no event id"),
        ((b"inventory.commands/2/1042/0",), "orders does not read that topic"),
        ((b"order.commands/1/1042/0",), "is not in its order's partition 2"),
        ((b"order.events/2/50/0",), "which comes after it"),
    ],
)
def test_an_id_that_its_room_cannot_have_made_is_found_without_asking_anybody(
    event_ids: Sequence[bytes], why: str
) -> None:
    assert why in str(origin_of(record_of(*event_ids), ORDER_EVENTS.name, "orders"))


# --- a fetch at a time ----------------------------------------------------------------------------------------------------


class Rows:
    """Stands where the owner's database does: answers with the rows of a snapshot. (tests/stack asks the real one.)"""

    def __init__(self, **row: Any) -> None:
        self.row = {**ORDER, "next_offsets": [60, 60], **row}
        self.asked = 0

    async def run_with_retry(self, purpose: str, work: Any) -> Any:
        assert purpose == "load"
        return await work(self)

    async def fetch(self, query: str, orders: str, partitions: Sequence[int], *_: Any) -> list[Any]:
        assert "claims" in query
        self.asked += 1
        assert len(partitions) == orders.count("-7")
        return [{**self.row, "n": n} for n, _ in enumerate(partitions, start=1)]


def slice_of(*readings: tuple[ARecord, Any]) -> DecodedSlice:
    return DecodedSlice(HOME, 40, 60, list(readings), readings[-1][0])


def check_of(rows: Rows, readiness: Readiness | None = None) -> OriginCheck:
    room = PaymentsRoom(cast("Any", None), cast("Any", None))
    return OriginCheck(Hosting([room], "ns."), "ns.", cast("Any", rows), readiness or Readiness())


async def ending_at_70(tps: list[Any]) -> dict[Any, int]:
    assert all(tp.topic.startswith("ns.order.") for tp in tps)
    return dict.fromkeys(tps, 70)


async def test_one_question_is_asked_for_all_events_and_what_is_not_confirmed_is_refused_in_its_place() -> None:
    true, other = (record_of(b"order.events/2/9/0", offset=50), RESERVED), (record_of(offset=51), m.EndWaits("x", 1, 1))
    forged = (record_of(b"order.commands/2/9/0", offset=52), CANCELLED)
    decoded, rows = slice_of(true, other, forged), Rows()
    kept, held = await check_of(rows).hold_back([decoded], ending_at_70, thorough=True)
    assert (kept, held, rows.asked) == ([decoded], [], 1)
    assert decoded.readings[:2] == [true, other]
    refusal = decoded.readings[2][1]
    assert isinstance(refusal, NotDecidedError)
    assert (refusal.reason, refusal.message) == ("not_decided_by_its_room", CANCELLED)
    assert "that order is placed in orders" in refusal.detail


async def test_what_a_commit_confirms_is_asked_about_only_after_one_was_refused() -> None:
    for thorough in (False, True):
        decoded, rows = slice_of((record_of(b"order.events/2/9/0"), RESERVED)), Rows(state="pending")
        await check_of(rows).hold_back([decoded], ending_at_70, thorough=thorough)
        assert (rows.asked, isinstance(decoded.readings[0][1], NotDecidedError)) == (int(thorough), thorough)


async def test_a_cause_that_is_not_on_the_log_is_refused_although_the_order_is_cancelled() -> None:
    decoded = slice_of((record_of(b"order.events/2/70/0", offset=99), CANCELLED))
    await check_of(Rows(state="cancelled")).hold_back([decoded], ending_at_70, thorough=True)
    assert "that log ends at 70" in cast("NotDecidedError", decoded.readings[0][1]).detail


async def test_a_command_that_intake_took_in_was_decided_by_nobody_where_it_stood() -> None:
    for offset, is_refused in ((59, False), (60, True)):
        decoded = slice_of((record_of(b"order.commands/2/%d/0" % offset), CANCELLED))
        kept, held = await check_of(Rows(state="cancelled")).hold_back([decoded], ending_at_70, thorough=True)
        assert (kept, held) == ([decoded], [])
        refusal = decoded.readings[0][1]
        assert isinstance(refusal, NotDecidedError) is is_refused
        assert not is_refused or "orders decides nothing there any more" in cast("NotDecidedError", refusal).detail


async def test_an_event_waits_where_the_database_is_older_than_its_cause_and_what_comes_before_it_goes_on() -> None:
    first, late = (
        (record_of(b"order.events/2/9/0", offset=50), RESERVED),
        record_of(b"order.events/2/65/0", offset=81),
    )
    readiness, rows = Readiness(), Rows()
    check = check_of(rows, readiness)
    kept, held = await check.hold_back([slice_of(first, (late, CANCELLED))], ending_at_70, thorough=True)
    assert [(slice_.first, slice_.next) for slice_ in kept] == [(40, 81)]
    assert [(slice_.first, slice_.next) for slice_ in held] == [(81, 82)]
    assert check.is_waiting
    [why] = readiness.obstacles.values()
    assert why.startswith("partition 2 waits at offset 81 until orders has decided order.events/2/65 again")
    rows.row |= {"next_offsets": [66, 60], "state": "cancelled"}
    kept, held = await check.hold_back([slice_of((late, CANCELLED))], ending_at_70, thorough=True)
    assert (len(kept), held, check.is_waiting, readiness.is_ready) == (1, [], False, True)
    assert kept[0].readings == [(late, CANCELLED)]


async def test_a_room_that_never_ran_has_decided_nothing_so_its_events_wait() -> None:
    decoded = slice_of((record_of(b"order.commands/2/0/0"), CANCELLED))
    nothing = dict.fromkeys(ORDER)
    kept, held = await check_of(Rows(**nothing, next_offsets=None)).hold_back([decoded], ending_at_70, thorough=True)
    assert (kept[0].next, len(held)) == (50, 1)


async def test_nobody_asks_for_a_process_that_guards_nothing() -> None:
    room = OrdersRoom()
    room.guards = frozenset()
    check = OriginCheck(Hosting([room], ""), "", cast("Any", None), Readiness())
    decoded = slice_of((record_of(), CANCELLED))
    assert await check.hold_back([decoded], ending_at_70, thorough=True) == ([decoded], [])
    assert decoded.readings[0][1] is CANCELLED


def test_rooms_that_share_a_reader_refuse_what_each_guards_and_read_what_it_does_not() -> None:
    rooms = [room for room in replayed_rooms() if room.name in FOLLOWERS]
    hosting, refusal = Hosting(rooms, ""), NotDecidedError(CANCELLED, "forged")
    given = [(record_of(), refusal)]
    read = {
        room.name: [read_as for _, read_as in hosting._share(number, given, 0, cast("Any", None))]
        for number, room in enumerate(rooms)
    }
    assert read == {"orders": [], "payments": [refusal], "fulfilment": [refusal], "notifications": [CANCELLED]}
    assert all(m.OrderCancelled in accepted_by(room) for room in rooms if read[room.name])


async def test_only_the_capture_for_a_parcel_is_asked_about_where_orders_confirms_the_others_in_its_commit() -> None:
    for reference, is_asked in (("", 0), ("p-1", 1)):
        captured = m.PaymentCaptured(A, "au-1", 500, "EUR", reference)
        rows = Rows(attempts="[]", **dict.fromkeys(ORDER))
        check = OriginCheck(Hosting([FulfilmentRoom()], ""), "", cast("Any", rows), Readiness())
        decoded = slice_of((record_of(b"order.events/2/9/0"), captured))
        await check.hold_back([decoded], ending_at_70, thorough=False)
        assert rows.asked == is_asked


async def test_an_id_of_a_partition_that_is_not_there_is_refused() -> None:
    async def of_what_is_there(tps: list[Any]) -> dict[Any, int]:
        return {tp: 70 for tp in tps if tp.partition < 12}

    returned = m.LineReturned(A, 1, "MUG", 1, "broken")
    for partition, is_refused in ((7, False), (999, True)):
        check = OriginCheck(Hosting([OrdersRoom()], ""), "", cast("Any", Rows(next_offsets=None)), Readiness())
        event_id = f"inventory.commands/{partition}/5/0".encode()
        decoded = slice_of((record_of(event_id), returned))
        _, held = await check.hold_back([decoded], of_what_is_there, thorough=False)
        assert (isinstance(decoded.readings[0][1], NotDecidedError), len(held)) == (is_refused, int(not is_refused))
