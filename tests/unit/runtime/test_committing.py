"""What the one statement of a batch is given; that PostgreSQL takes it is tested with PostgreSQL (tests/stack)."""

import re
from typing import Any, cast

import msgspec
import pytest

from consumers.catalogue.room import CatalogueRoom
from consumers.inventory.room import InventoryRoom
from consumers.inventory.state import Ledger
from consumers.orders.room import OrdersRoom
from consumers.payments.room import PaymentsRoom
from consumers.runtime.claim import Claim
from consumers.runtime.deciding.batch import PartitionBatch
from consumers.runtime.deciding.decision import outgoing
from consumers.runtime.postgres.commit import _arguments, _moved_by_others, _rooms_with_changes, commit_statement
from consumers.runtime.postgres.sql import array_literal
from consumers.runtime.room import Changes, Room
from infra.base.rooms import replayed_rooms
from producers.publisher import Outgoing
from tests.given_when_then import NOW_MS, A, B, C, LineReserved, OrderReserved, PlaceOrderLine, ReceiveStock

NOBODY = cast("Any", None)
INVENTORY, PAYMENTS = InventoryRoom(), PaymentsRoom(NOBODY, NOBODY)
ORDERS = OrdersRoom()
ROOMS: list[Room[Any]] = [INVENTORY, ORDERS, PAYMENTS]
EVERY_ROOM = [*replayed_rooms(), CatalogueRoom()]
WEEKLY = ("holds", "movements", "orders", "payments", "payment_attempts", "fulfilments")
"""Tables that are kept by weeks of order ids."""
FENCE = 8
"""Arguments before the rooms' columns."""
TAIL = -4
"""From here on: last records, versions of the rules, the first and the last id that is looked up."""


def part(room: Room[Any], partition: int, *messages: Any, outputs: list[Outgoing] | None = None) -> PartitionBatch[Any]:
    """Return a decided part; each message has been decided as offset 0."""
    state = room.new_state(partition)
    for message in messages:
        list(room.decide(state, message, NOW_MS))
    claim = Claim(partition, epoch=4, next_offset=8, at_ms=NOW_MS, batch=2, state=state)
    changes = room.close_batch(state, NOW_MS)
    last = f"7:{'a' * 32}"
    return PartitionBatch(room, claim, 7, 8, NOW_MS, 2, outputs or [], changes, last)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_the_statement_has_a_parameter_for_every_argument_and_for_nothing_else(room: Room[Any]) -> None:
    named = {int(number) for number in re.findall(r"\$(\d+)", commit_statement((room.save,)))}
    assert named == set(range(1, len(_arguments([room], [part(room, 3)])) + 1))


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_the_statement_leaves_nothing_to_be_filled_in(room: Room[Any]) -> None:
    without_numbers = re.sub(r"\$\d+", "$", commit_statement((room.save,)))
    assert "{save" not in without_numbers
    save = room.save.replace("{first_id}", "$::text::uuid").replace("{last_id}", "$::text::uuid")
    assert re.sub(r"\$\d+", "$", save) in without_numbers


def test_the_fence_is_given_what_was_claimed_and_where_it_stood() -> None:
    outputs = [outgoing(OrderReserved(), b"cause")]
    fence = _arguments([INVENTORY], [part(INVENTORY, 3, outputs=outputs), part(INVENTORY, 5)])[:FENCE]
    assert fence[:7] == [["inventory"] * 2, [3, 5], [4, 4], [7, 7], [8, 8], [NOW_MS] * 2, [2, 2]]
    blob, nothing = fence[7]
    assert msgspec.msgpack.decode(blob, type=list[Outgoing]) == outputs
    assert nothing is None, "a batch that says nothing leaves no blob"


def test_the_last_record_comes_after_the_columns() -> None:
    digest = f"7:{'a' * 32}"
    assert _arguments([INVENTORY], [part(INVENTORY, 3), part(INVENTORY, 5)])[TAIL] == [digest] * 2


def test_the_changes_of_several_partitions_stand_one_after_the_other() -> None:
    receipts = [ReceiveStock(sku=sku, command_id=f"delivery of {sku}", quantity=2) for sku in ("MUG", "TEE")]
    mugs = part(INVENTORY, 3, receipts[0], PlaceOrderLine(order_id=A, sku="MUG"))
    tees = part(INVENTORY, 5, receipts[1], PlaceOrderLine(order_id=B, sku="TEE"))
    arguments = _arguments([INVENTORY], [mugs, tees])
    columns = arguments[FENCE:TAIL]
    assert columns[:4] == [f'{{"{A}","{B}"}}', "{1,1}", '{"MUG","TEE"}', "{3,5}"]
    assert columns == [array_literal(a + b) for a, b in zip(mugs.changes.columns, tees.changes.columns, strict=True)]


def test_what_a_statement_looks_up_lies_between_the_first_and_the_last_of_its_ids() -> None:
    orders = part(ORDERS, 3, LineReserved(order_id=B)), part(ORDERS, 5, LineReserved(order_id=A))
    assert _arguments([ORDERS], orders)[-2:] == [A, B]
    paid = msgspec.structs.replace(
        part(PAYMENTS, 3), changes=Changes(([],) * 46 + ([f"{C}/capture/2", f"{B}/void"],) + ([],) * 8)
    )
    assert _arguments([ORDERS, PAYMENTS], [*orders, paid])[-2:] == [A, C]
    assert _arguments([INVENTORY], [part(INVENTORY, 3, ReceiveStock())])[-2:] == [None, None], "nothing is looked up"


@pytest.mark.parametrize("room", EVERY_ROOM, ids=lambda room: room.name)
def test_whatever_a_room_looks_up_in_tables_kept_by_weeks_it_looks_up_by_ids_that_are_counted(room: Room[Any]) -> None:
    looked_up = set()
    for part_of_it in re.split(r"^\w+ AS ", room.save, flags=re.MULTILINE):
        _, lateral, lookup = part_of_it.partition("LATERAL (")
        if lateral and re.search(rf"FROM ({'|'.join(WEEKLY)})\b", lookup):
            assert "order_id BETWEEN {first_id} AND {last_id}" in lookup
            looked_up.add(int(part_of_it.split("unnest($")[1].split(":")[0]))
    assert looked_up == set(room.looks_up)


def test_one_part_alone_is_given_as_it_is() -> None:
    alone = part(INVENTORY, 3, ReceiveStock())
    assert _arguments([INVENTORY], [alone])[FENCE:TAIL] == list(map(array_literal, alone.changes.columns))


def test_a_batch_that_changed_nothing_has_empty_columns() -> None:
    changes = INVENTORY.close_batch(Ledger(0), NOW_MS)
    assert set(map(tuple, changes.columns)) == {()}
    assert changes.records == []


def test_rooms_without_changes_are_left_out_and_the_others_count_their_parameters_on() -> None:
    idle, busy = part(ORDERS, 3), part(INVENTORY, 3, ReceiveStock())
    paid = part(PAYMENTS, 5, OrderReserved(order_id=A))
    parts = [idle, busy, paid]
    saving = _rooms_with_changes(parts)
    assert saving == [INVENTORY, PAYMENTS]
    statement = commit_statement(tuple(room.save for room in saving))
    arguments = _arguments(saving, parts)
    assert {int(number) for number in re.findall(r"\$(\d+)", statement)} == set(range(1, len(arguments) + 1))
    assert arguments[0] == ["orders", "inventory", "payments"]
    columns = [*busy.changes.columns, *paid.changes.columns]
    assert arguments[FENCE:TAIL] == list(map(array_literal, columns))


def test_no_two_rooms_name_a_part_of_their_statements_alike() -> None:
    names = [name for room in EVERY_ROOM for name in re.findall(r"^(\w+) AS ", room.save, re.MULTILINE)]
    assert len(names) == len(set(names)) > len(EVERY_ROOM)


EPOCH, BEFORE, AFTER = 4, 7, 8


@pytest.mark.parametrize(
    ("third", "fifth", "moved"),
    [
        ((EPOCH, BEFORE), (EPOCH, BEFORE), []),
        ((EPOCH, AFTER), (EPOCH, AFTER), []),
        ((EPOCH, AFTER), (EPOCH, BEFORE), [3]),
        ((EPOCH, BEFORE), (EPOCH, 9), [5]),
        ((EPOCH + 1, BEFORE), (EPOCH, AFTER), [3]),
        (None, (EPOCH, AFTER), [3]),
    ],
    ids=["not yet", "whole", "in part, so not by this batch", "beyond", "claimed by another", "no claim"],
)
def test_what_a_refused_batch_finds_tells_who_moved_its_claims(third: Any, fifth: Any, moved: list[int]) -> None:
    stored = {("inventory", 3): third, ("inventory", 5): fifth}
    known = {key: claim for key, claim in stored.items() if claim is not None}
    assert _moved_by_others(known, [part(INVENTORY, 3), part(INVENTORY, 5)]) == [("inventory", each) for each in moved]
