"""What orders and inventory make of an order together, each deciding for real."""

from __future__ import annotations

from collections import deque

import pytest

from consumers.inventory.room import InventoryRoom
from consumers.orders.room import OrdersRoom
from producers.clients.orders import OrderLine, OrderRequest, place_order_lines
from schemas import messages as m
from schemas.messages import Message
from schemas.terms import SHIP_AVAILABLE
from tests.given_when_then import NOW_MS, A, ReceiveStock
from topology.topics import INVENTORY_COMMANDS


def decided(terms: str, *wanted: int) -> tuple[list[Message], int]:
    """Return what orders says of an order for so many mugs a line when three are there, and how many are free then."""
    lines = tuple(OrderLine("MUG", quantity, 500) for quantity in wanted)
    request = OrderRequest(lines=lines, customer_id="ann", terms=terms, order_id=A)
    inventory, orders = InventoryRoom(), OrdersRoom()
    ledger, book = inventory.new_state(0), orders.new_state(0)
    waiting = deque[Message]([ReceiveStock(quantity=3), *place_order_lines(request)])
    published: list[Message] = []
    while waiting:
        message = waiting.popleft()
        if type(message) in INVENTORY_COMMANDS.carries:
            waiting += [
                outcome for outcome in inventory.decide(ledger, message, NOW_MS) if isinstance(outcome, Message)
            ]
        elif type(message) in orders.accepts:
            outcomes = [outcome for outcome in orders.decide(book, message, NOW_MS) if isinstance(outcome, Message)]
            published += outcomes
            waiting += outcomes
    return published, ledger.stocks["MUG"].available


def test_the_demand_of_two_lines_for_one_sku_is_summed_before_it_is_checked() -> None:
    published, free = decided("", 2, 2)
    assert [type(message) for message in published] == [m.OrderRejected, m.ReleaseLine], (
        "the second line, held alone, goes back"
    )
    assert free == 3


@pytest.mark.parametrize(("wanted", "amount_minor"), [((2, 2), 1000), ((2, 1), 1500), ((4, 3), 1500)])
def test_under_ship_available_an_order_gets_each_line_that_is_there(wanted: tuple[int, ...], amount_minor: int) -> None:
    published, free = decided(SHIP_AVAILABLE, *wanted)
    assert [(type(message), message.amount_minor) for message in published if isinstance(message, m.OrderReserved)] == [
        (m.OrderReserved, amount_minor)
    ]
    assert free == 3 - amount_minor // 500
