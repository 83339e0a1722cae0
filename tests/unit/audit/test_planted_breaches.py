"""Each planted breach is found under its name, and under no other."""

from __future__ import annotations

import msgspec
import pytest

from consumers.runtime.deciding.decision import outgoing
from producers.clients.orders import OrderLine, OrderRequest, place_order_lines
from producers.publisher import FORWARDED, Outgoing
from schemas import messages as m
from schemas.codec.wire import encode
from schemas.ids import new_order_id
from tests.unit.audit.memory import PARTITIONS
from tests.unit.audit.scenes import (
    BOUNDS,
    GOODS,
    LEDGER,
    LETTERS,
    ONCE,
    OVERSOLD,
    PROGRESS,
    REFUSALS,
    REPLAY,
    SUMS,
    TWICE,
    breaches_of,
    busy_world,
    changing,
)
from tests.unit.audit.world import World, message_of
from topology.partitioner import partition_of


async def test_a_lost_event() -> None:
    assert await breaches_of(busy_world(changing(m.OrderPaid))) == {REPLAY, PROGRESS, GOODS}


async def test_a_changed_event() -> None:
    assert await breaches_of(busy_world(changing(m.OrderPaid, amount_minor=1))) == {REPLAY}


async def test_one_changed_byte() -> None:
    world = busy_world(World())
    record = next(
        candidate
        for part in world.log.topics["order.events"]
        for candidate in part
        if b"insufficient_stock" in candidate.value
    )
    record.value = record.value.replace(b"insufficient_stock", b"insufficient_stocK")
    assert REPLAY in await breaches_of(world)


@pytest.mark.parametrize("offset", [0, 99])
async def test_an_event_that_no_position_led_to(offset: int) -> None:
    world = busy_world(World())
    order_id = world.place(("MUG", 9))
    world.run()
    received = next(part for part in world.log.topics["inventory.commands"] if part)
    cause = f"inventory.commands/{received[0].partition}/{offset}/7"
    world.publish(outgoing(m.OrderPaid(order_id, 1, "GBP"), cause.encode()))
    world.run()
    assert await breaches_of(world) == {REPLAY}


async def test_an_event_without_an_id_of_ours() -> None:
    world = busy_world(World())
    world.publish(outgoing(m.OrderPaid(world.place(("MUG", 9)), 1, "GBP")))
    world.run()
    assert await breaches_of(world) == {REPLAY}


async def test_a_fenced_owner_that_spoke() -> None:
    def twice(record: Outgoing) -> list[Outgoing]:
        message = message_of(record)
        if isinstance(message, m.OrderPaid):
            return [record, msgspec.structs.replace(record, value=encode(m.OrderPaid(message.order_id, 1, "GBP")))]
        return [record]

    assert await breaches_of(busy_world(World(twice))) == {ONCE, TWICE}


async def test_the_same_bytes_twice_are_no_breach() -> None:
    world = busy_world(World(lambda record: [record, record]))
    report = await world.audit(world.stop())
    assert report.breaches == set()
    assert report.finding(ONCE).figure["published_again"] > 40


async def test_a_doubled_reservation() -> None:
    world = World()
    world.receive("MUG", 5)
    order_id = world.place(("MUG", 1), ("HAT", 1), keep=1)
    world.run()
    hold = message_of(Outgoing("", 0, None, next(world.events()).value))
    command = m.PlaceOrderLine(order_id, 1, 2, "MUG", 1, 1, 500, "GBP", "c1", "tok_ok", 900)
    again = world.publish(outgoing(command))
    world.publish(outgoing(hold, f"inventory.commands/{again.partition}/{again.offset}/1".encode()))
    world.run()
    assert await breaches_of(world) == {ONCE, REPLAY}


async def test_an_unjustified_refusal() -> None:
    world = World()
    world.receive("MUG", 5)
    order_id = world.place(("MUG", 2))
    world.run("inventory")
    record = next(world.events())
    record.value = encode(m.LineRejected(order_id, 1, 1, "MUG", 2, 2, 1, "c1", "insufficient_stock"))
    assert await breaches_of(world) == {REFUSALS, REPLAY}


async def test_a_reservation_of_what_is_not_there() -> None:
    world = World()
    world.receive("MUG", 1)
    order_id = world.place(("MUG", 2))
    world.run("inventory")
    record = next(world.events())
    record.value = encode(m.LineReserved(order_id, 1, 1, "MUG", 2, 500, "GBP", "c1", "tok_ok", world.now_ms))
    assert await breaches_of(world) == {BOUNDS, REPLAY}


async def test_a_stranded_authorisation() -> None:
    world = busy_world(World())
    database = world.stop()
    rows = database.tables["payments"]
    voided = next(i for i, row in enumerate(rows) if row.state == "voided")
    rows[voided] = rows[voided]._replace(state="authorized")
    assert await breaches_of(world, database) == {LEDGER, REPLAY}


async def test_a_void_that_failed_is_no_breach_and_waits_for_a_person() -> None:
    world = World()
    world.receive("MUG", 1)
    order_id = world.place(("MUG", 1), token="tok_void_fails")
    world.run("inventory", "orders")
    world.publish(outgoing(m.ReleaseLine(order_id, 1, "MUG", "by hand")))
    world.run()
    report = await world.audit(world.stop())
    assert report.breaches == set()
    assert report.finding(PROGRESS).figure["waiting_for_a_person"] == 1
    assert "order retry" in report.finding(PROGRESS).examples[0]


async def test_money_that_the_processor_never_took() -> None:
    world = busy_world(World())
    for lines in world.books.values():
        lines[0].captured_minor = 0
    assert await breaches_of(world) == {LEDGER}


async def test_money_at_the_processor_for_an_order_nobody_knows() -> None:
    world = busy_world(World())
    lines = next(iter(world.books.values()))
    world.books["0192c5f0-0000-7000-8000-000000000000"] = lines
    lines[0].voided_minor = 0
    assert await breaches_of(world) == {LEDGER}


@pytest.mark.parametrize(
    ("column", "by", "names"),
    [
        ("on_hand", -100, {BOUNDS, SUMS, OVERSOLD, REPLAY}),
        ("on_hand", 1, {SUMS, OVERSOLD, REPLAY}),
        ("reserved", 1, {SUMS, OVERSOLD, REPLAY}),
        ("allocated", 1, {SUMS, OVERSOLD, REPLAY}),
    ],
)
async def test_a_level_changed_behind_the_log(column: str, by: int, names: set[str]) -> None:
    world = busy_world(World())
    database = world.stop()
    database.replace(
        "stock", lambda row: row._replace(**{column: getattr(row, column) + by}) if row.sku == "BAG" else row
    )
    assert await breaches_of(world, database) == names


async def test_an_oversold_sku() -> None:
    world = busy_world(World())
    database = world.stop()
    database.replace("holds", lambda row: row._replace(quantity=row.quantity + 20) if row.state == 1 else row)
    database.replace("stock", lambda row: row._replace(allocated=row.allocated + 20))
    assert {BOUNDS, OVERSOLD} <= await breaches_of(world, database)


async def test_a_movement_behind_the_log() -> None:
    world = busy_world(World())
    database = world.stop()
    database.tables["movements"] = database.tables["movements"][1:]
    assert await breaches_of(world, database) == {SUMS, OVERSOLD, REPLAY}


async def test_goods_of_a_paid_order_given_back_by_hand_are_withdrawn_and_paid_back() -> None:
    world = World()
    world.receive("MUG", 5)
    order_id = world.place(("MUG", 1))
    world.run()
    world.publish(outgoing(m.ReturnLine(order_id, 1, "MUG", "by hand")))
    world.run()
    report = await world.audit(world.stop())
    assert report.breaches == set()
    assert report.finding(LEDGER).money["GBP"]["refunded_minor"] == 500


@pytest.mark.parametrize(
    "moved", [{"refunded_minor": 200}, {"refunded_minor": 500}, {"disputed_minor": 500}, {"lost_minor": 500}]
)
@pytest.mark.parametrize("is_noticed", [True, False])
async def test_money_that_others_move_at_the_processor_is_a_breach_until_it_is_booked(
    moved: dict[str, int], is_noticed: bool
) -> None:
    world = World()
    world.receive("MUG", 5)
    order_id = world.place(("MUG", 1))
    world.run()
    [line] = world.books[order_id]
    for column, minor in moved.items():
        setattr(line, column, minor)
    if is_noticed:
        world.publish(outgoing(m.InspectPayment(order_id, line.authorization_id, "charge.refunded")))
        world.run()
    report = await world.audit(world.stop())
    assert report.breaches == (set() if is_noticed else {LEDGER})


@pytest.mark.parametrize("is_won", [False, True])
async def test_a_dispute_of_a_cancelled_order_is_waited_for_and_what_is_won_goes_back(is_won: bool) -> None:
    world = World()
    world.receive("MUG", 5)
    order_id = world.place(("MUG", 1))
    world.run()
    [line] = world.books[order_id]
    line.disputed_minor = 500
    world.publish(outgoing(m.InspectPayment(order_id, line.authorization_id, "charge.dispute.created")))
    world.say(m.CancelOrder(order_id, "customer", "changed_mind"))
    world.run()
    if is_won:
        line.disputed_minor = 0
        world.publish(outgoing(m.InspectPayment(order_id, line.authorization_id, "charge.dispute.closed")))
        world.run()
    report = await world.audit(world.stop())
    assert report.breaches == set()
    assert report.finding(PROGRESS).figure.get("waiting_for_the_end_of_a_dispute", 0) == int(not is_won)
    assert line.refunded_minor == (500 if is_won else 0)


@pytest.mark.parametrize("placed_again", [False, True])
async def test_an_order_that_was_lost_to_a_dead_letter_is_named_until_it_is_placed_again(placed_again: bool) -> None:
    world = World()
    world.receive("MUG", 5)
    request = OrderRequest(lines=(OrderLine("MUG", 1, 500),), customer_id="c1", order_id=new_order_id(world.now_ms))
    [line] = place_order_lines(request)
    record = outgoing(line)
    wrong = (partition_of(b"MUG", PARTITIONS) + 1) % PARTITIONS
    once = ((FORWARDED, b"once already"),)
    world.publish(msgspec.structs.replace(record, partition=wrong, headers=once))
    if placed_again:
        world.publish(record)
    world.run()
    report = await world.audit(world.stop())
    letters = report.finding(LETTERS)
    assert report.breaches == (set() if placed_again else {LETTERS})
    assert letters.figure == {"dead_letters": 1, "orders_lost": int(not placed_again), "wrong_partition": 1}
    assert placed_again or line.order_id in letters.examples[0]


async def test_amounts_of_two_currencies_are_never_added_up() -> None:
    world = World()
    world.receive("MUG", 5)
    for currency in ("GBP", "EUR"):
        request = OrderRequest(
            lines=(OrderLine("MUG", 1, 500),), customer_id="c1", currency=currency, order_id=new_order_id(world.now_ms)
        )
        world.say(*place_order_lines(request))
    world.run()
    captured = {"authorized_minor": 500, "captured_minor": 500, "voided_minor": 0, "refunded_minor": 0}
    books = {"books_captured_minor": 500, "books_held_minor": 0, "books_refunded_minor": 0}
    finding = (await world.audit(world.stop())).finding(LEDGER)
    assert finding.money == {"EUR": captured | books, "GBP": captured | books}
    assert not any(name.endswith("_minor") for name in finding.figure)
