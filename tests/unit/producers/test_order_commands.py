"""What may be said about a placed order, and what is kept back with a word about what to send instead."""

from __future__ import annotations

import pytest

from producers.clients.order_commands import OrderCommand, OrderCommandClient, check_order_command
from producers.errors import InvalidOrderCommandError
from producers.publisher import Outgoing
from schemas import messages as m
from schemas.codec.wire import decode
from schemas.ids import new_order_id

A = new_order_id()

COMMANDS: tuple[OrderCommand, ...] = (
    m.CancelOrder(A, "customer", "changed_mind"),
    m.ShipOrder(A, "s-1", (1, 2), "dhl", "1"),
    m.ShipOrder(A, "s-1", (), "dhl", "1"),
    m.ConfirmDelivery(A, "s-1"),
    m.ReportLostParcel(A, "s-1", "burnt"),
    m.RequestReturn(A, "r-1", (), "too small"),
    m.ApproveReturn(A, "r-1"),
    m.RefuseReturn(A, "r-1", "worn"),
    m.ReceiveReturn(A, "r-1", (1,), "quarantine"),
    m.RefundOrder(A, "f-1", 1, "goodwill"),
    m.RetryOrder(A, "operator"),
    m.ResolveOrder(A, "operator", "bank transfer 12"),
)


class Records:
    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    async def publish(self, records: list[Outgoing]) -> None:
        self.sent += records


async def test_commands_go_to_the_orders_own_partition() -> None:
    records = Records()
    await OrderCommandClient(records).send(COMMANDS)  # type: ignore[arg-type]
    assert {(record.topic, record.key) for record in records.sent} == {("order.commands", A.encode())}
    assert [decode(record.value) for record in records.sent] == list(COMMANDS)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (m.ConfirmDelivery("A", "s-1"), "order_id is 'A', no UUIDv7"),
        (m.ConfirmDelivery(A, ""), "ConfirmDelivery.shipment_id '' is empty"),
        (m.ShipOrder(A, "s-1", (1, 1), "dhl", "1"), "ShipOrder.lines names line 1 twice; name each once"),
        (m.ShipOrder(A, "s-1", (0,), "dhl", "1"), "names line 0; lines are numbered from 1 to 2,000"),
        (m.CancelOrder(A, "somebody", "x"), "requested_by is 'somebody'; send customer or merchant"),
        (m.ReceiveReturn(A, "r-1", (), "bin"), "disposition is 'bin'; send available or quarantine"),
        (m.RefundOrder(A, "line:1", 5, "x"), "an id that the saga gives itself"),
        (m.RefundOrder(A, "cancelled", 1, "x"), "an id that the saga gives itself"),
        (m.RefundOrder(A, "uncovered", 1, "x"), "an id that the saga gives itself"),
        (m.ShipOrder(A, "line:1", (), "dhl", "1"), "an id that the saga gives itself"),
        (m.ShipOrder(A, "s-1 ", (), "dhl", "1"), "'s-1 ' ends with a blank"),
        (m.RefundOrder(A, "f-1", 0, "x"), "amount_minor is 0; send 1 to"),
    ],
)
async def test_a_command_that_no_room_could_read_is_kept_back(command: OrderCommand, expected: str) -> None:
    records = Records()
    with pytest.raises(InvalidOrderCommandError, match=expected):
        await OrderCommandClient(records).send([COMMANDS[0], command])  # type: ignore[arg-type]
    assert records.sent == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_what_makes_sense_passes(command: OrderCommand) -> None:
    check_order_command(command)
