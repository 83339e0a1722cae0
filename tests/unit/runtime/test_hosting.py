"""What each of the rooms that share a reader has to decide of a slice: exactly what it would have read alone."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.errors import CannotShareReaderError, RefusedError
from consumers.inventory.room import InventoryRoom
from consumers.orders.room import OrdersRoom
from consumers.payments.room import PaymentsRoom
from consumers.runtime.claim import Claim, HostedPartition
from consumers.runtime.deciding.batch import DecodedSlice, accepted_by, decode_records
from consumers.runtime.deciding.partitioning import Partitioning
from consumers.runtime.hosting import Hosting
from consumers.runtime.room import Room
from infra.base.rooms import FOLLOWERS, replayed_rooms
from schemas.codec.wire import encode
from schemas.messages import AdoptRules
from tests.given_when_then import NOW_MS, A, LineReserved, OrderPaid, OrderReserved, PaymentAuthorized
from tests.samples import samples
from tests.unit.runtime.records import ARecord
from topology.topics import ORDER_EVENTS

NOBODY = cast("Any", None)
ROOMS: list[Room[Any]] = [room for room in replayed_rooms() if room.name in FOLLOWERS]
HERE = Partitioning(1)
VALUES = [
    encode(LineReserved(order_id=A)),
    encode(OrderReserved(order_id=A)),
    encode(PaymentAuthorized(order_id=A)),
    encode(OrderPaid(order_id=A)),
    encode(AdoptRules(1)),
    b"nonsense",
    encode(OrderPaid(order_id=A))[:-1],
    None,
]


def records_of(numbers: list[int]) -> list[ARecord]:
    return [ARecord(0, offset, NOW_MS, A.encode(), VALUES[number]) for offset, number in enumerate(numbers, start=3)]


def claim_at(room: Room[Any], offset: int) -> Claim[Any]:
    return Claim(0, 1, offset, 0, 0, room.new_state(0))


def as_plain(readings: Any) -> list[tuple[int, Any]]:
    return [
        (record.offset, (read_as.reason, read_as.detail) if isinstance(read_as, RefusedError) else read_as)
        for record, read_as in readings
    ]


@settings(max_examples=samples(100), deadline=None, derandomize=True)
@given(st.lists(st.integers(0, len(VALUES) - 1), max_size=12), st.integers(0, 20))
def test_a_room_is_given_what_it_would_have_read_alone_from_its_position_on(numbers: list[int], position: int) -> None:
    hosting, records = Hosting(ROOMS, ""), records_of(numbers)
    end = 3 + len(records)
    whole = DecodedSlice(0, 3, end, decode_records(hosting.accepted, records, HERE), None)
    for number, room in enumerate(ROOMS):
        share = hosting.share(number, whole, claim_at(room, position), HERE)
        left = [record for record in records if record.offset >= position]
        if end <= position:
            assert share is None
            continue
        assert share is not None
        assert (share.first, share.next) == (max(3, position), end)
        assert as_plain(share.readings) == as_plain(decode_records(accepted_by(room), left, HERE))


def test_the_reader_begins_where_the_room_that_is_furthest_behind_stands() -> None:
    hosting = Hosting(ROOMS, "ns.")
    assert hosting.name == "orders+payments+fulfilment+notifications"
    assert (hosting.source, hosting.topic) == (ORDER_EVENTS, "ns.order.events")
    hosted = HostedPartition(0, [claim_at(room, 10 - number) for number, room in enumerate(ROOMS)], 12)
    hosted.begin_again()
    assert hosted.next_offset == 7


@pytest.mark.parametrize("others", [[OrdersRoom()], [OrdersRoom(), PaymentsRoom(NOBODY, NOBODY)]])
def test_a_room_that_reads_another_log_cannot_share_a_reader(others: list[Room[Any]]) -> None:
    with pytest.raises(CannotShareReaderError, match="inventory cannot share a reader with orders"):
        Hosting([InventoryRoom(), *others], "")


# --- positions of rooms that are concerned in nothing -----------------------------------------------------------------


def test_what_was_passed_over_is_committed_with_the_next_batch_from_where_the_last_one_ended() -> None:
    claim: Claim[None] = Claim(0, 1, 5, 0, 0, None)
    claim.pass_over(7, 1.0)
    claim.pass_over(9, 2.0)
    assert (claim.next_offset, claim.committing_offset, claim.passed_from, claim.passed_at) == (9, 5, 5, 1.0)
    claim.return_to(5, 0, 0)
    assert (claim.next_offset, claim.committing_offset, claim.passed_from) == (5, 5, None)
