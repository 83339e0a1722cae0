"""The rows of PostgreSQL as an audit sees them: column for column what a room's `save` would insert for a new row."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from producers.publisher import Outgoing


class ClaimRow(NamedTuple):
    """How far a room's partition is decided, and of which log; see infra/base/migrations/0001_foundation.sql, 0016_log_identity.sql."""

    room: str
    partition: int
    epoch: int
    next_offset: int
    at_ms: int
    batch: int
    cluster_id: str | None = None
    topic_id: str | None = None


class StockRow(NamedTuple):
    """One SKU's level, in units, and how it may be sold."""

    sku: str
    partition: int
    on_hand: int
    reserved: int
    allocated: int
    quarantined: int
    purchase_limit: int
    is_suspended: bool
    is_retired: bool
    parking: str = ""


class HoldRow(NamedTuple):
    """One line's claim on stock; `state` is a consumers.inventory.state.HoldState.

    `buyer` is set where a purchase limit counts the units, `cart` where the order named one.
    """

    order_id: str
    line: int
    sku: str
    partition: int
    quantity: int
    state: int
    expires_at_ms: int
    buyer: str | None
    cart: str | None


class MovementRow(NamedTuple):
    """One row of the ledger: changes of on_hand (`quantity`) and of what is quarantined, in units.

    `id` is the order's or the command's UUID.
    """

    id: str
    command_id: str
    sku: str
    partition: int
    kind: str
    quantity: int
    quarantined: int
    order_id: str | None
    line: int | None
    note: str
    at_ms: int


class PurchaseRow(NamedTuple):
    """What a purchase limit has counted of one customer, in units."""

    sku: str
    customer_id: str
    partition: int
    units: int


class BalanceRow(NamedTuple):
    """What the movements and shipped holds of a SKU that were dropped sum up to; see 0005_weekly_partitions.sql."""

    sku: str
    on_hand: int
    quarantined: int
    brought: int
    shipped: int


class OrderRow(NamedTuple):
    """One order; `lines` by line number as in the JSON: {"1": {"sku": ..., "state": ...}}.

    `deadline_ms` is when it is given up while its lines are not all answered; None where it does not wait for them.
    """

    order_id: str
    partition: int
    state: str
    reason: str
    customer_id: str
    payment_token: str
    currency: str
    terms: str
    line_count: int
    amount_minor: int
    lines: dict[str, dict[str, Any]]
    deadline_ms: int | None
    updated_at_ms: int


class PaymentRow(NamedTuple):
    """One order's money, in minor units; `due` is what waits in line, as JSON.

    `external` is what moved without us, as JSON by authorisation, `resolving` the note of a person's resolve that waits.
    `expires_at_ms` is when the authorisation lapses (0: unknown), `deadline_ms` when the present state ends by itself.
    """

    order_id: str
    partition: int
    state: str
    amount_minor: int
    currency: str
    customer_id: str
    payment_token: str
    authorization_id: str
    order_over: bool
    all_shipped: bool
    at_shipping: bool
    authorized_minor: int
    captured_minor: int
    voided_minor: int
    refunded_minor: int
    expires_at_ms: int
    deadline_ms: int | None
    due: str
    external: str
    resolving: str
    updated_at_ms: int


class AttemptRow(NamedTuple):
    """One operation at the payment processor; `result` is 'pending' until its answer was read back from the log.

    `amount_minor` is what it is to move or has moved, `reference` the shipment or refund that it is for.
    """

    operation_id: str
    order_id: str
    partition: int
    kind: str
    amount_minor: int
    reference: str
    authorization_id: str
    result: str
    started_at_ms: int


class FulfilmentRow(NamedTuple):
    """One order's goods on their way; `lines` (by number), `shipments` and `returns` (by id) as in the JSON.

    `deadline_ms` is when the wait for `waits_for` is over; None where the answer comes by itself.
    """

    order_id: str
    partition: int
    state: str
    captures_at_shipping: bool
    is_lapsed: bool
    is_returned: bool
    ship_by_ms: int
    lines: dict[str, dict[str, Any]]
    shipments: dict[str, dict[str, Any]]
    returns: dict[str, dict[str, Any]]
    blocked: str
    gone_minor: int
    waits_for: str
    deadline_ms: int | None
    updated_at_ms: int


class DeliveryRow(NamedTuple):
    """One notification that a subscriber has not taken yet; due at `next_attempt_at_ms` (ms since the epoch, UTC)."""

    subscription_id: str
    notification_id: str
    body: str
    next_attempt_at_ms: int
    is_parked: bool


class InventoryRows(msgspec.Struct):
    """One partition of inventory's tables.

    `balances` and `carried` (units by SKU and customer that a purchase limit has counted) stand for dropped rows.
    """

    stock: list[StockRow]
    holds: list[HoldRow]
    movements: list[MovementRow]
    purchases: list[PurchaseRow]
    balances: list[BalanceRow]
    carried: dict[tuple[str, str], int]


class OrderRows(msgspec.Struct):
    """One partition of the orders', payments' and fulfilment's tables, and what these orders have of the stock.

    `live_holds` are held, committed or shipped; `came_back` are lines that were returned after they had been shipped.
    """

    orders: list[OrderRow]
    payments: list[PaymentRow]
    attempts: list[AttemptRow]
    fulfilments: list[FulfilmentRow]
    live_holds: list[HoldRow]
    came_back: list[HoldRow]


class OutboxRow(NamedTuple):
    """What a batch has to publish that Kafka has not acknowledged as far as the room knows."""

    room: str
    partition: int
    batch: int
    records: list[Outgoing]


def tables(rows: InventoryRows | OrderRows) -> dict[str, Any]:
    """Return a partition's rows by table."""
    return {name: getattr(rows, name) for name in rows.__struct_fields__}
