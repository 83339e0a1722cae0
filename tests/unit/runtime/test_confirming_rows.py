"""Which events are confirmed by the row of the room that decides them, and that statements and functions compare the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from consumers.fulfilment.room import FulfilmentRoom
from consumers.fulfilment.store import QUERIES as FULFILMENT_QUERIES
from consumers.inventory.state import HoldState
from consumers.orders.room import OrdersRoom
from consumers.orders.store import QUERIES as ORDERS_QUERIES
from consumers.payments.room import PaymentsRoom
from consumers.payments.store import QUERIES
from consumers.runtime.origins.confirmations import _GATHERING, _PAID, _PLACED, CONFIRMATIONS, find_fault
from consumers.runtime.origins.lines import _COMMITTED, HOLD_STATES
from consumers.runtime.origins.money import _CANCELLED, _DONE, _NOT_AUTHORIZED
from consumers.runtime.postgres.queries import QUERIES as ROWS
from infra.base.rooms import replayed_rooms
from schemas import messages as m
from schemas.limits import ORDER_ID_WINDOW_MS
from tests.given_when_then import NOW_MS, A
from topology.saga import REACTIONS
from topology.states import OrderState
from topology.topics import ORDER_EVENTS

CANCELLED = m.OrderCancelled(A, "changed_mind", "customer")
ORDER: Mapping[str, Any] = {
    "state": "placed",
    "amount_minor": 500,
    "currency": "EUR",
    "customer_id": "ann",
    "payment_token": "tok_ann",
    "terms": "",
    "lines": '{"1":{"sku":"MUG","quantity":2,"unit_price_minor":250,"state":"committed"}}',
}
LINE: Mapping[str, Any] = {
    "state": "committed",
    "quantity": 2,
    "expires_at_ms": 900,
    "at_ms": 500,
    "is_committing": True,
    "is_fulfilled": True,
}
MONEY: Mapping[str, Any] = {
    "state": "captured",
    "at_shipping": False,
    "order_over": False,
    "all_shipped": False,
    "external": "{}",
    "attempts": '[["authorize",500,"","au-1","succeeded"],["capture",500,"","au-1","succeeded"]]',
}
HELD_ONLY: Mapping[str, Any] = {**MONEY, "state": "capturing", "attempts": '[["authorize",500,"","au-1","succeeded"]]'}
GOODS: Mapping[str, Any] = {
    "state": "shipped",
    "lines": '{"1":{"sku":"MUG","quantity":2,"unit_price_minor":250,"state":"returned","is_refunded":true},'
    '"2":{"sku":"TIN","quantity":1,"unit_price_minor":100}}',
    "shipments": '{"p-1":{"asked":[1],"lines":[1],"carrier":"","tracking":""}}',
}
PAID = m.OrderPaid(A, 500, "EUR", (m.OrderedLine(1, "MUG", 2, 250),))
COMMITTED = m.LineCommitted(A, 1, "MUG", 2)
FAILED = m.LineCommitFailed(A, 1, "MUG", 2, 0, "insufficient_stock")
NOT_SHIPPED = m.LineCommandRefused(A, 1, "MUG", "ShipLine", "not_committed")
TOO_LATE = m.LineCommandRefused(A, 1, "MUG", "ReturnLine", "order_id_outside_window")
AUTHORIZED = m.PaymentAuthorized(A, "au-1", 500, "EUR")
CAPTURED = m.PaymentCaptured(A, "au-1", 500, "EUR")
NOT_CAPTURED = m.PaymentCaptureFailed(A, "au-1", "expired")
DISPUTED = m.PaymentChangedExternally(A, "au-1", "disputed", 500, "EUR", 0, 500, 0)
RESERVED = m.OrderReserved(A, 1, 500, "EUR", "ann", "tok_ann")
PLACED = m.OrderPlaced(A, 500, "EUR")
PARCEL = m.ShipmentRequested(A, "p-1", (1,), 500)
REFUND = m.RefundRequested(A, "line:1", 500, "line_returned")


@pytest.mark.parametrize(
    ("event", "row"),
    [
        (RESERVED, ORDER),
        (RESERVED, {**ORDER, "state": "rejected"}),
        (PLACED, ORDER),
        (PLACED, {**ORDER, "state": "cancelled"}),
        (m.OrderRejected(A, "payment_declined"), {**ORDER, "state": "rejected"}),
        (CANCELLED, {**ORDER, "state": "cancelled"}),
        (PARCEL, GOODS),
        (m.OrderShipped(A), {**GOODS, "state": "delivered"}),
        (REFUND, GOODS),
        (m.RefundRequested(A, "line:1", 400, "line_returned"), GOODS),
        (m.FulfilmentCancelled(A, "no"), {**GOODS, "state": "cancelled"}),
        (PAID, {**ORDER, "state": "returned"}),
        (m.LineReserved(A, 1, 1, "MUG", 2, 250, "EUR", "ann", "tok_ann", 900), {**LINE, "state": "expired"}),
        *((COMMITTED, {**LINE, "state": state}) for state in ("committed", "shipped", "returned")),
        *((FAILED, {**LINE, "state": state}) for state in ("released", "expired", "returned")),
        (FAILED, {**LINE, "at_ms": 900}),  # the hold had ended, and a second CommitLine found the units there
        (m.LineCommitFailed(A, 1, "MUG", 0, 0, "unknown_hold"), {"state": None}),
        (m.LineCommitFailed(A, 1, "MUG", 0, 0, "unknown_hold"), {**LINE, "state": "held", "is_committing": False}),
        (m.LineShipped(A, 1, "MUG", 2), {**LINE, "state": "shipped"}),
        (m.LineReturned(A, 1, "MUG", 2, "broken"), {**LINE, "state": "returned"}),
        (NOT_SHIPPED, {**LINE, "state": "returned"}),
        (NOT_SHIPPED, {**LINE, "is_fulfilled": False}),
        (TOO_LATE, {**LINE, "state": "shipped", "at_ms": NOW_MS + 2 * ORDER_ID_WINDOW_MS}),
        (m.LineCommandRefused(A, 1, "MUG", "ShipLine", "already_shipped"), {**LINE, "state": "shipped"}),
        (m.LineCommandRefused(A, 1, "MUG", "ReleaseLine", "already_committed"), LINE),
        (m.LineCommandRefused(A, 1, "MUG", "ReturnLine", "unknown_hold"), {"state": None}),
        (AUTHORIZED, MONEY),
        (CAPTURED, MONEY),
        (m.PaymentDeclined(A, "no"), {**MONEY, "attempts": '[["authorize",500,"","","declined"]]'}),
        (NOT_CAPTURED, {**MONEY, "attempts": '[["capture",500,"","au-1","failed"]]'}),
        (NOT_CAPTURED, {**HELD_ONLY, "order_over": True}),
        (m.PaymentLapsed(A, "au-1", "no"), {**MONEY, "attempts": '[["void",500,"lapsed","au-1","succeeded"]]'}),
        (DISPUTED, {**MONEY, "external": '{"au-1":{"disputed_minor":500}}'}),
    ],
)
def test_the_row_of_its_room_confirms_an_event(event: m.Message, row: Mapping[str, Any]) -> None:
    assert find_fault(event, row) is None


@pytest.mark.parametrize(
    ("event", "row"),
    [
        (RESERVED, {**ORDER, "state": "pending", "amount_minor": 0}),
        (RESERVED, {**ORDER, "state": "rejected", "amount_minor": 0}),
        (RESERVED, {**ORDER, "payment_token": "tok_bob"}),
        (m.OrderReserved(A, 1, 50_000, "EUR", "ann", "tok_ann"), ORDER),
        (m.OrderReserved(A, 1, 500, "JPY", "ann", "tok_ann"), ORDER),
        (PLACED, {**ORDER, "state": "committing"}),
        (PLACED, {**ORDER, "state": "rejected"}),
        (m.OrderPlaced(A, 500, "EUR", "capture_at_shipping"), ORDER),
        (m.OrderRejected(A, "payment_declined"), ORDER),
        (m.OrderRejected(A, "payment_declined"), {**ORDER, "state": "cancelled"}),
        *((CANCELLED, {**ORDER, "state": state}) for state in ("placed", "paid", "shipped", "delivered", "rejected")),
        (m.ShipmentRequested(A, "p-2", (1,), 500), GOODS),
        (m.ShipmentRequested(A, "p-1", (1,), 50_000), GOODS),
        (m.ShipmentRequested(A, "p-1", (7,), 500), GOODS),
        (m.OrderShipped(A), {**GOODS, "state": "partly_shipped"}),
        (m.RefundRequested(A, "line:2", 100, "line_returned"), GOODS),
        (m.RefundRequested(A, "line:1", 501, "line_returned"), GOODS),
        (m.RefundRequested(A, "kindness", 1, "line_returned"), GOODS),
        (m.RefundRequested(A, "line:9", 1, "line_returned"), GOODS),
        (m.FulfilmentCancelled(A, "no"), GOODS),
        (CANCELLED, {**ORDER, "state": None}),
        (REFUND, {"state": None, "lines": None, "shipments": None}),
        (PAID, {**ORDER, "state": "placed"}),
        (m.OrderPaid(A, 500, "EUR", (m.OrderedLine(1, "MUG", 1, 500),)), {**ORDER, "state": "paid"}),
        (m.OrderPlaced(A, 500, "EUR", "", (m.OrderedLine(2, "MUG", 2, 250),)), ORDER),
        (m.LineReserved(A, 1, 1, "MUG", 3, 250, "EUR", "ann", "tok_ann", 900), {**LINE, "state": "held"}),
        (COMMITTED, {**LINE, "state": "held"}),
        (COMMITTED, {**LINE, "state": "expired"}),
        (COMMITTED, {"state": None}),
        (m.LineCommitted(A, 1, "MUG", 1), LINE),
        (FAILED, LINE),
        (FAILED, {**LINE, "state": "held"}),
        (m.LineCommitFailed(A, 1, "MUG", 0, 0, "unknown_hold"), LINE),
        (m.LineShipped(A, 1, "MUG", 2), LINE),
        (m.LineReturned(A, 1, "MUG", 2, "broken"), LINE),
        (m.LineReturned(A, 1, "MUG", 2, "broken"), {**LINE, "state": "shipped"}),
        (NOT_SHIPPED, LINE),
        (TOO_LATE, {**LINE, "at_ms": NOW_MS + 2 * ORDER_ID_WINDOW_MS}),
        (TOO_LATE, {**LINE, "state": "shipped", "at_ms": NOW_MS}),
        (NOT_SHIPPED, {**LINE, "state": "shipped"}),
        (m.LineCommandRefused(A, 1, "MUG", "ReturnLine", "already_returned"), {**LINE, "state": "shipped"}),
        (m.PaymentAuthorized(A, "au-1", 0, "EUR"), MONEY),
        (m.PaymentAuthorized(A, "au-2", 500, "EUR"), MONEY),
        (AUTHORIZED, {**MONEY, "attempts": '[["authorize",500,"","au-1","requires_action"]]'}),
        (CAPTURED, HELD_ONLY),
        (CAPTURED, {**MONEY, "attempts": '[["capture",500,"","au-1","pending"]]'}),
        (m.PaymentCaptured(A, "au-1", 500, "EUR", "p-1"), MONEY),
        (m.PaymentDeclined(A, "no"), MONEY),
        (NOT_CAPTURED, MONEY),
        (NOT_CAPTURED, HELD_ONLY),
        (NOT_CAPTURED, {**HELD_ONLY, "at_shipping": True, "all_shipped": True}),
        (m.PaymentLapsed(A, "au-1", "no"), MONEY),
        (DISPUTED, MONEY),
        (DISPUTED, {**MONEY, "external": '{"au-2":{"disputed_minor":500}}'}),
        (CAPTURED, {"state": None}),
    ],
)
def test_a_row_that_differs_does_not_confirm_an_event(event: m.Message, row: Mapping[str, Any]) -> None:
    assert find_fault(event, row) is not None


def test_each_guarded_event_is_confirmed_by_the_one_room_that_decides_it() -> None:
    for kind, confirmation in CONFIRMATIONS.items():
        assert {reaction.room for reaction in REACTIONS if kind in reaction.outputs} == {confirmation.room}
    for room in replayed_rooms():
        assert room.guards <= room.accepts & CONFIRMATIONS.keys()


def test_payments_guards_every_event_of_another_room() -> None:
    own = {kind for reaction in REACTIONS if reaction.room == "payments" for kind in reaction.outputs}
    events = PaymentsRoom.accepts & set(ORDER_EVENTS.carries)
    assert PaymentsRoom.guards == events - own


def test_orders_and_fulfilment_guard_every_event_from_which_money_or_goods_may_move() -> None:
    assert OrdersRoom.guards == OrdersRoom.accepts & CONFIRMATIONS.keys()
    assert FulfilmentRoom.guards == FulfilmentRoom.accepts & CONFIRMATIONS.keys() - {m.PaymentAuthorized}
    for room in (OrdersRoom, FulfilmentRoom):
        assert room.confirms_in_commit <= room.guards
    not_guarded = (OrdersRoom.accepts | FulfilmentRoom.accepts) & set(ORDER_EVENTS.carries) - CONFIRMATIONS.keys()
    assert not_guarded == {
        m.LineRejected,
        m.LineRepeated,
        m.LineReleased,
        m.LineExpired,
        m.OrderDelivered,
        m.OrderReturned,
        m.OrderCancelRequested,
        m.OrderCommandUnmatched,
    }


def test_the_states_of_a_hold_have_the_names_that_their_numbers_mean() -> None:
    assert tuple(state.name.lower() for state in HoldState) == HOLD_STATES
    assert f"ARRAY{list(HOLD_STATES)}" in ROWS["confirm_inventory"]
    committed = {HOLD_STATES.index(state) for state in _COMMITTED}
    assert f"h.state IN ({', '.join(map(str, sorted(committed)))})" in ORDERS_QUERIES["save"]


def test_the_statement_of_fulfilment_compares_what_the_functions_compare() -> None:
    confirmed = FULFILMENT_QUERIES["save"].partition("),\ninserted_fulfilments")[0]
    assert set(re.findall(r"'(\w+)'", confirmed)) == {*_PLACED, "discount_minor", "tax_minor"}
    assert {*_PAID, OrderState.PLACED} == _PLACED
    assert set(re.findall(r"o\.(\w+) (?:=|@>) ?e\.", confirmed)) == {
        *("order_id", "amount_minor", "currency", "terms", "lines")
    }


def test_the_statement_of_orders_compares_what_the_functions_compare() -> None:
    confirmed = ORDERS_QUERIES["save"].partition("confirmed_money")[2].partition("),\ninserted_orders")[0]
    kinds = {"declined", "authorize", "void"}
    assert set(re.findall(r"'(\w+)'", confirmed)) == {*kinds, *_DONE, *_NOT_AUTHORIZED, *_CANCELLED, "unconfirmed"}
    assert set(re.findall(r"a\.(\w+) = e\.", confirmed)) == {
        *("order_id", "kind", "amount_minor", "reference", "authorization_id")
    }


def test_the_statement_that_commits_compares_what_the_functions_compare() -> None:
    confirmed = QUERIES["save"].partition("),\ninserted_payments")[0]
    assert PaymentsRoom.confirms_in_commit <= PaymentsRoom.guards
    assert set(re.findall(r"'(\w+)'", confirmed)) == {*_PLACED, OrderState.PENDING}
    assert {OrderState.UNKNOWN, OrderState.PENDING} == _GATHERING, "of an unknown order there is no row"
    assert set(re.findall(r"o\.(\w+) =? ?e\.", confirmed)) | {"order_id"} == {
        "order_id",
        *(ORDER.keys() - {"state", "lines"}),
    }
