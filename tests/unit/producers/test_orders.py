"""Orders as their client makes them: one command a line, checked before anything is published."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.inventory.evolve import evolve
from consumers.inventory.state import Ledger, StockReceived
from consumers.inventory.transitions import decide
from consumers.runtime.deciding.now import Now
from producers.clients.orders import (
    TOGETHER,
    OrderClient,
    OrderLine,
    OrderRequest,
    outgoing_lines,
    outgoing_orders,
    place_order_lines,
)
from producers.errors import InvalidOrderError
from producers.publisher import Outgoing
from schemas.codec.wire import decode
from schemas.ids import is_order_id, order_id_ms
from schemas.limits import MAX_HOLD_SECONDS, MAX_LINES, MAX_QUANTITY, MAX_TEXT, MAX_UNIT_PRICE_MINOR
from schemas.messages import LineReserved, PlaceOrderLine, ReceiveStock
from schemas.money import MAX_MINOR
from schemas.terms import CAPTURE_AT_SHIPPING, SHIP_AVAILABLE

LINES = st.lists(
    st.builds(
        OrderLine,
        st.sampled_from(["MUG", "TIN", "JAR"]),
        st.integers(1, 50),
        st.integers(0, 10_000),
        discount_minor=st.just(0),
        tax_minor=st.just(0),
    ),
    min_size=1,
    max_size=20,
).map(tuple)


def request(*lines: OrderLine, **fields: object) -> OrderRequest:
    return OrderRequest(**{"lines": lines, "customer_id": "c-1", **fields})  # type: ignore[arg-type]


class Records:
    """A publisher that keeps what it is given; Kafka is the boundary."""

    def __init__(self) -> None:
        self.lists: list[Sequence[Outgoing]] = []

    async def publish(self, records: Sequence[Outgoing]) -> None:
        self.lists.append(records)


def test_two_lines_naming_one_sku_carry_their_sum_on_the_first() -> None:
    commands = place_order_lines(request(OrderLine("MUG", 2, 999), OrderLine("TIN", 1, 50), OrderLine("MUG", 3, 999)))
    assert [
        (command.line, command.line_count, command.sku, command.quantity, command.demand) for command in commands
    ] == [
        (1, 3, "MUG", 2, 5),
        (2, 3, "TIN", 1, 1),
        (3, 3, "MUG", 3, 3),
    ]


@given(
    texts=st.tuples(*[st.text(max_size=3) | st.sampled_from(["c-1", "a b", "x" * 201, "é"])] * 3),
    numbers=st.tuples(
        *[st.sampled_from([-1, 0, 1, MAX_HOLD_SECONDS + 1, MAX_QUANTITY + 1, MAX_UNIT_PRICE_MINOR + 1])] * 3
    ),
    others=st.tuples(st.sampled_from(["GBP", "gbp"]), st.sampled_from(["", SHIP_AVAILABLE, "x"]), st.booleans()),
)
def test_a_plain_order_of_one_line_is_made_in_a_shorter_way_alone(
    texts: tuple[str, str, str], numbers: tuple[int, int, int], others: tuple[str, str, bool]
) -> None:
    customer, token, sku = texts
    hold, quantity, price = numbers
    currency, terms, has_id = others
    one = request(
        OrderLine(sku, quantity, price),
        customer_id=customer,
        payment_token=token,
        hold_seconds=hold,
        currency=currency,
        terms=terms,
        **({} if has_id else {"order_id": "no-id"}),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("producers.clients.orders._is_plain", lambda _: False)
        expected = made(one)
    assert made(one) == expected


PLAIN = [request(OrderLine(f"SKU-{number}", 1, 500), customer_id=f"c-{number}") for number in range(20)]


@pytest.mark.parametrize(
    "odd",
    [
        request(OrderLine("MUG", 2, 999), OrderLine("TIN", 1, 50)),
        request(OrderLine("MUG", 2, 999, discount_minor=1)),
        request(OrderLine("MUG", 2, 999), reference="r-1", cart_id="cart", shipping_minor=5),
        request(OrderLine("TASSE GROSSE \u00e9", 2, 999), terms=SHIP_AVAILABLE, currency="EUR", hold_seconds=60),
        request(OrderLine("x" * MAX_TEXT, MAX_QUANTITY, MAX_UNIT_PRICE_MINOR)),
    ],
)
def test_many_orders_are_made_as_each_alone(odd: OrderRequest) -> None:
    for orders in (PLAIN, [*PLAIN, odd, *PLAIN], [odd], [odd] * 20, PLAIN * (2 * TOGETHER // len(PLAIN)) + [odd], []):
        alone = [record for order in orders for record in outgoing_lines(place_order_lines(order))]
        assert outgoing_orders(orders) == alone


@pytest.mark.parametrize(
    "bad",
    [
        request(OrderLine("MUG", 0, 500)),
        request(OrderLine("MUG", MAX_QUANTITY + 1, 500)),
        request(OrderLine("MUG", 1, -1)),
        request(OrderLine(" MUG", 1, 500)),
        request(OrderLine("", 1, 500)),
        request(OrderLine("x" * (MAX_TEXT + 1), 1, 500)),
        request(OrderLine("MUG", 1, 500), customer_id="c\u200b"),
        request(OrderLine("MUG", 1, 500), currency="XXY"),
        request(OrderLine("MUG", 1, 500), terms="x"),
        request(OrderLine("MUG", 1, 500), hold_seconds=MAX_HOLD_SECONDS + 1),
        request(OrderLine("MUG", 1, 500), order_id="no-id"),
        request(),
    ],
)
def test_a_bad_order_among_many_is_refused_as_alone(bad: OrderRequest) -> None:
    with pytest.raises(InvalidOrderError) as alone:
        place_order_lines(bad)
    with pytest.raises(InvalidOrderError) as among_many:
        outgoing_orders([*PLAIN, bad, *PLAIN])
    assert str(among_many.value) == str(alone.value)


def made(order: OrderRequest) -> list[PlaceOrderLine] | str:
    try:
        return place_order_lines(order)
    except InvalidOrderError as error:
        return str(error)


def test_under_ship_available_a_line_stands_for_itself_alone() -> None:
    lines = (OrderLine("MUG", 2, 999), OrderLine("MUG", 3, 999))
    commands = place_order_lines(request(*lines, terms=f"{SHIP_AVAILABLE} {CAPTURE_AT_SHIPPING}"))
    assert [command.demand for command in commands] == [2, 3]
    assert [command.demand for command in place_order_lines(request(*lines, terms=CAPTURE_AT_SHIPPING))] == [5, 3]


@given(LINES)
def test_demand_is_what_this_line_and_the_later_ones_want_of_its_sku(lines: tuple[OrderLine, ...]) -> None:
    commands = place_order_lines(request(*lines))
    assert [command.line for command in commands] == list(range(1, len(lines) + 1))
    for index, command in enumerate(commands):
        assert command.demand == sum(line.quantity for line in lines[index:] if line.sku == command.sku)
        assert (command.sku, command.quantity, command.unit_price_minor) == lines[index][:3]


@given(LINES, st.integers(0, 200))
def test_inventory_holds_all_lines_of_a_sku_or_none(lines: tuple[OrderLine, ...], on_hand: int) -> None:
    ledger = Ledger(0)
    wanted: dict[str, int] = {}
    for line in lines:
        wanted[line.sku] = wanted.get(line.sku, 0) + line.quantity
    for sku in wanted:
        if on_hand:
            evolve(ledger, ReceiveStock("r", sku, on_hand), [StockReceived("r", sku, on_hand)], Now(0))
    held: dict[str, int] = {}
    first_refused = set()
    for command in place_order_lines(request(*lines)):
        now = Now(order_id_ms(command.order_id))
        [outcome] = decide(ledger, command, now)
        evolve(ledger, command, [outcome], now)
        if isinstance(outcome, LineReserved):
            held[command.sku] = held.get(command.sku, 0) + command.quantity
        elif command.sku not in held:
            first_refused.add(command.sku)
    assert {sku for sku, units in wanted.items() if units > on_hand} == first_refused
    assert all(held[sku] == units for sku, units in wanted.items() if units <= on_hand)


def test_an_order_has_an_id_from_the_start_and_keeps_it() -> None:
    one, other = request(OrderLine("MUG", 1, 1)), request(OrderLine("MUG", 1, 1))
    assert is_order_id(one.order_id)
    assert one.order_id != other.order_id
    assert place_order_lines(one) == place_order_lines(one)


def test_the_terms_of_an_order_stand_in_each_of_its_lines() -> None:
    wanted = request(OrderLine("MUG", 1, 1), OrderLine("TIN", 1, 1), terms=SHIP_AVAILABLE)
    assert [command.terms for command in place_order_lines(wanted)] == [SHIP_AVAILABLE, SHIP_AVAILABLE]
    with pytest.raises(
        InvalidOrderError, match="terms are 'free'; leave them out, or give one of: capture_at_shipping;"
    ):
        place_order_lines(request(OrderLine("MUG", 1, 1), terms="free"))


async def test_many_orders_are_published_as_one_list_keyed_by_sku() -> None:
    records = Records()
    orders = [request(OrderLine("MUG", 1, 5), OrderLine("TIN", 2, 5)), request(OrderLine("JAR", 1, 5))]
    await OrderClient(records).place(orders)  # type: ignore[arg-type]
    [sent] = records.lists
    assert [(record.topic, record.key) for record in sent] == [
        ("inventory.commands", b"MUG"),
        ("inventory.commands", b"TIN"),
        ("inventory.commands", b"JAR"),
    ]
    messages = [decode(record.value) for record in sent]
    assert messages == [command for order in orders for command in place_order_lines(order)]
    assert isinstance(messages[0], PlaceOrderLine)


async def test_one_wrong_order_keeps_all_of_them_back() -> None:
    records = Records()
    with pytest.raises(InvalidOrderError):
        await OrderClient(records).place([request(OrderLine("MUG", 1, 5)), request()])  # type: ignore[arg-type]
    assert records.lists == []


def test_the_dearest_order_that_is_taken_still_has_an_amount_of_64_bits() -> None:
    dearest = request(*[OrderLine(f"{n}", MAX_QUANTITY, MAX_UNIT_PRICE_MINOR) for n in range(MAX_LINES)])
    assert len(place_order_lines(dearest)) == MAX_LINES
    assert dearest.amount_minor <= MAX_MINOR


MUG = OrderLine("MUG", 1, 100)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (request(), "0 lines"),
        (request(*[MUG] * (MAX_LINES + 1)), "split it"),
        (request(OrderLine("MUG", 0, 1)), "quantity of line 1 is 0"),
        (request(MUG, OrderLine("MUG", -1, 1)), "quantity of line 2 is -1"),
        (request(OrderLine("MUG", MAX_QUANTITY + 1, 1)), "1,000,000"),
        (request(OrderLine("MUG", MAX_QUANTITY, 1), MUG), "add up to 1000001"),
        (request(OrderLine("MUG", 1, -1)), "unit price of line 1"),
        (request(OrderLine("MUG", 1, MAX_UNIT_PRICE_MINOR + 1)), "unit price of line 1"),
        (request(OrderLine("", 1, 1)), "SKU of line 1"),
        (request(OrderLine("M\0G", 1, 1)), "SKU of line 1"),
        (request(OrderLine("M" * 201, 1, 1)), "SKU of line 1"),
        (request(MUG, customer_id=""), "customer_id"),
        (request(MUG, payment_token="tok\n"), "payment_token"),
        (request(MUG, currency="gbp"), "ISO 4217"),
        (request(MUG, hold_seconds=0), "hold_seconds is 0"),
        (request(MUG, hold_seconds=MAX_HOLD_SECONDS + 1), f"1 to {MAX_HOLD_SECONDS}"),
        (request(MUG, order_id="7"), "leave it out"),
        (request(MUG, order_id="018BCFE5-6800-7000-9CCA-40BD51FBFCC7"), "lower-case"),
    ],
)
def test_what_inventory_would_refuse_is_refused_with_what_to_send_instead(order: OrderRequest, expected: str) -> None:
    with pytest.raises(InvalidOrderError, match=expected):
        place_order_lines(order)
