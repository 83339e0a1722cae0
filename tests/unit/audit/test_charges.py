"""The table of docs/decisions/047: what a customer has paid in the end, whatever becomes of an order with charges."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from consumers.runtime.deciding.decision import outgoing
from producers.clients.orders import OrderLine, OrderRequest
from schemas import messages as m
from schemas.ids import new_order_id
from schemas.terms import CAPTURE_AT_SHIPPING, SHIP_AVAILABLE
from tests.unit.audit.scenes import MONEY, changing
from tests.unit.audit.world import World, message_of

MUG = OrderLine("MUG", 3, 500, discount_minor=101, tax_minor=33)
HAT = OrderLine("HAT", 1, 1_999, discount_minor=0, tax_minor=7)
MUG_MINOR, HAT_MINOR, SHIPPING_MINOR = 1_500 - 101 + 33, 1_999 + 7, 495


def order(*lines: OrderLine, terms: str = "", token: str = "tok_ok", shipping: int = SHIPPING_MINOR) -> OrderRequest:  # noqa: S107
    return OrderRequest(
        lines=lines or (MUG, HAT),
        customer_id="c1",
        payment_token=token,
        terms=terms,
        shipping_minor=shipping,
    )


def stocked(world: World | None = None, **units: int) -> World:
    world = world or World()
    for sku, number in {"MUG": 9, "HAT": 9, **units}.items():
        if number:
            world.receive(sku, number)
    return world


def placed(world: World, request: OrderRequest) -> str:
    order_id = world.place_request(request)
    world.run()
    return order_id


async def paid(world: World) -> int:
    """Return what the processor has of the customers, once the books are found in order."""
    report = await world.audit(world.stop())
    assert report.breaches == set(), [finding for finding in report.findings if not finding.holds]
    kept = [line.captured_minor - line.refunded_minor for lines in world.books.values() for line in lines]
    held = [line.held_minor for lines in world.books.values() for line in lines]
    assert sum(held) == 0
    return sum(kept)


def delivered(world: World, order_id: str) -> None:
    world.say(m.ShipOrder(order_id, "S1", (), "post", "T1"))
    world.run()
    world.say(m.ConfirmDelivery(order_id, "S1"))
    world.run()


def returned(world: World, order_id: str, *lines: int) -> None:
    delivered(world, order_id)
    world.say(m.RequestReturn(order_id, "R1", lines, "too small"), m.ApproveReturn(order_id, "R1"))
    world.run()
    world.say(m.ReceiveReturn(order_id, "R1", ()))
    world.run()


def one_returned(world: World, order_id: str) -> None:
    returned(world, order_id, 1)


def lost(world: World, order_id: str) -> None:
    world.say(m.ShipOrder(order_id, "S1", (), "post", "T1"))
    world.run()
    world.say(m.ReportLostParcel(order_id, "S1", "lost"))
    world.run()


def cancelled(world: World, order_id: str) -> None:
    world.say(m.CancelOrder(order_id, "customer", "changed my mind"))
    world.run()


def withdrawn(*lines: tuple[int, str]) -> Callable[[World, str], None]:
    def withdraw(world: World, order_id: str) -> None:
        for line, sku in lines:
            world.publish(outgoing(m.ReturnLine(order_id, line, sku, "broken")))
        world.run()

    return withdraw


def nothing(_world: World, _order_id: str) -> None:
    pass


OUTCOMES = [
    (nothing, MUG_MINOR + HAT_MINOR + SHIPPING_MINOR),
    (delivered, MUG_MINOR + HAT_MINOR + SHIPPING_MINOR),
    (one_returned, HAT_MINOR + SHIPPING_MINOR),
    (returned, SHIPPING_MINOR),
    (lost, SHIPPING_MINOR),
    (cancelled, 0),
    (withdrawn((1, "MUG")), HAT_MINOR + SHIPPING_MINOR),
    (withdrawn((1, "MUG"), (2, "HAT")), 0),
]


@pytest.mark.parametrize(("happens", "minor"), OUTCOMES, ids=lambda case: getattr(case, "__name__", str(case)))
async def test_a_line_takes_its_charges_along_and_shipping_goes_back_with_all(
    happens: Callable[[World, str], None], minor: int
) -> None:
    world = stocked()
    happens(world, placed(world, order()))
    assert await paid(world) == minor


async def test_of_an_order_that_goes_on_without_a_line_only_the_others_and_shipping_are_charged() -> None:
    world = stocked(MUG=0)
    placed(world, order(terms=SHIP_AVAILABLE))
    assert await paid(world) == HAT_MINOR + SHIPPING_MINOR


@pytest.mark.parametrize("token", ["tok_declined", "tok_capture_fails"])
async def test_an_order_that_comes_to_nothing_costs_nothing(token: str) -> None:
    world = stocked()
    placed(world, order(token=token))
    assert await paid(world) == 0


async def test_a_line_that_cannot_be_committed_ends_the_order_and_nothing_is_charged() -> None:
    world = stocked(MUG=3, HAT=1)
    world.place_request(order())
    world.run("inventory", "orders")
    world.now_ms += 3_600_000
    for partition in range(3):
        world.publish(outgoing(m.ExpireHolds(world.now_ms, 100), partition=partition))
    world.place_request(OrderRequest(lines=(OrderLine("HAT", 1, 5),), customer_id="c2", payment_token="tok_ok"))
    world.run("inventory")
    world.run()
    assert await paid(world) == 5, "what the other order costs that has the last one"
    assert any(isinstance(message_in(event), m.LineCommitFailed) for event in world.events())


def message_in(kept: object) -> m.Message:
    return message_of(kept)  # type: ignore[arg-type, no-any-return]  # it has a value, which is all that is read


async def test_parcels_are_captured_with_the_charges_of_their_lines() -> None:
    world = stocked()
    order_id = placed(world, order(terms=CAPTURE_AT_SHIPPING, shipping=0))
    world.say(m.ShipOrder(order_id, "S1", (1,), "post", "T1"))
    world.run()
    assert {line.captured_minor for line in world.books[order_id]} == {MUG_MINOR}
    world.say(m.ShipOrder(order_id, "S2", (2,), "post", "T2"))
    world.run()
    assert await paid(world) == MUG_MINOR + HAT_MINOR


async def test_lines_that_disagree_about_shipping_are_no_order() -> None:
    world = stocked()
    first = world.place_request(order(), keep=1)
    world.publish(outgoing(_second_line(first)))
    world.run()
    assert await paid(world) == 0
    (rejected,) = [event for event in map(message_in, world.events()) if isinstance(event, m.OrderRejected)]
    assert (rejected.reason, rejected.detail) == (
        "inconsistent_header",
        "shipping_minor 495 was placed, 0 sent now",
    )


async def test_a_line_that_the_order_goes_on_without_says_nothing_about_its_shipping() -> None:
    world = stocked(MUG=0)
    order_id = new_order_id(world.now_ms)
    own = replace(_second_line(order_id), terms=SHIP_AVAILABLE, shipping_minor=SHIPPING_MINOR)
    left_out = replace(own, line=1, sku="MUG", unit_price_minor=500, shipping_minor=SHIPPING_MINOR + 1)
    for line in (left_out, own):
        world.publish(outgoing(line))
        world.run()
    world.receive("MUG", 1)
    for line in (left_out, own):
        world.publish(outgoing(line))
        world.run()
    assert await paid(world) == 1_999 + SHIPPING_MINOR
    assert not [event for event in map(message_in, world.events()) if isinstance(event, m.OrderCommandRefused)]


def _second_line(order_id: str) -> m.PlaceOrderLine:
    return m.PlaceOrderLine(order_id, 2, 2, "HAT", 1, 1, 1_999, "GBP", "c1", "tok_ok", 900)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(0, 999), st.integers(0, 999), st.integers(0, 999)),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 700),
    st.sets(st.integers(1, 4)),
    st.booleans(),
)
def test_what_was_paid_is_what_is_kept_and_shipping(
    lines: list[tuple[int, int, int, int]], shipping: int, back: set[int], is_withdrawn: bool
) -> None:
    own = tuple(
        OrderLine("MUG", units, price, discount_minor=min(less, units * price), tax_minor=min(tax, units * price))
        for units, price, less, tax in lines
    )
    world = stocked(MUG=99)
    order_id = placed(world, order(*own, shipping=shipping))
    gone = sorted(number for number in back if number <= len(own))
    if is_withdrawn:
        withdrawn(*((number, "MUG") for number in gone))(world, order_id)
    elif gone:
        returned(world, order_id, *gone)
    kept = sum(line.captured_minor - line.refunded_minor for line in world.books.get(order_id, ()))
    all_withdrawn = is_withdrawn and len(gone) == len(own)
    left = sum(line.amount_minor for number, line in enumerate(own, start=1) if number not in gone)
    assert kept == (0 if all_withdrawn else left + shipping)


async def test_an_order_that_was_charged_another_sum_than_its_lines_and_shipping_is_found() -> None:
    world = stocked(changing(m.OrderReserved, amount_minor=MUG_MINOR + HAT_MINOR))
    placed(world, order())
    assert MONEY in (await world.audit(world.stop())).breaches


async def test_a_stored_order_whose_charge_is_gone_is_found() -> None:
    world = stocked()
    placed(world, order())
    database = world.stop()
    (row,) = database.tables["orders"]
    line = {name: value for name, value in row.lines["1"].items() if name != "discount_minor"}
    database.tables["orders"] = [row._replace(lines={**row.lines, "1": line})]
    report = await world.audit(database)
    assert any("lines and charges come to" in example for example in report.finding(MONEY).examples)
