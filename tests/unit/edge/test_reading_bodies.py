"""A bad body is answered with all of its faults at once, each with its place; a good one is read in one go."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.edge.api.batch import MAX_ORDERS, BatchBody
from infra.edge.api.bodies import OrderBody, ShipmentBody
from infra.edge.api.orders import require_sums
from infra.edge.api.problems import ProblemError
from infra.edge.api.reading import MAX_DEPTH, MAX_FAULTS, read

GOOD: dict[str, Any] = {
    "customer_id": "c",
    "currency": "GBP",
    "payment_token": "t",
    "lines": [{"sku": "MUG", "quantity": 1, "unit_price_minor": 0}],
}


def faults(body: Any, kind: type[msgspec.Struct] = OrderBody) -> dict[str | None, str]:
    """Return the faults of a body by their places."""
    with pytest.raises(ProblemError) as raised:
        read(body if isinstance(body, bytes) else json.dumps(body).encode(), kind)
    problem = raised.value.problem
    assert problem.status == (422 if problem.errors else 400)
    return {fault.pointer: fault.detail for fault in problem.errors}


def test_a_good_body_is_read() -> None:
    assert read(json.dumps(GOOD).encode(), OrderBody).lines[0].sku == "MUG"


def test_every_fault_is_named_at_once_with_its_place() -> None:
    body = {
        "customer_id": "a\u202eb",
        "currency": "GBX",
        "lines": [{"sku": "", "quantity": 0, "unit_price_minor": 1}, {"sku": 5, "unit_price_minor": "1"}],
        "terms": ["ship_available", "ship_available"],
        "a/b~c": 1,
    }
    assert set(faults(body)) == {
        "/customer_id",
        "/currency",
        "/payment_token",
        "/lines/0/sku",
        "/lines/0/quantity",
        "/lines/1/sku",
        "/lines/1/quantity",
        "/lines/1/unit_price_minor",
        "/terms",
        "/a~1b~0c",
    }


def test_what_has_the_right_types_is_checked_for_what_it_means() -> None:
    assert set(faults(GOOD | {"currency": "GBX", "cart_id": "\u2028"})) == {"/currency", "/cart_id"}
    shipment = {"carrier": "Post", "tracking": "T", "lines": [1, 2, 1], "shipment_id": "\u200b"}
    assert set(faults(shipment, ShipmentBody)) == {"/lines", "/shipment_id"}


def test_charges_that_do_not_fit_are_named_at_once_with_their_places() -> None:
    line = {"sku": "MUG", "quantity": 2, "unit_price_minor": 500}
    lines = [line | {"discount_minor": 1_001}, line | {"tax_minor": 1_001}, line | {"discount_minor": 1_000}]
    body = GOOD | {"lines": lines, "shipping_minor": 495}
    for terms, wrong in (([], set()), (["ship_available", "capture_at_shipping"], {"/shipping_minor"})):
        with pytest.raises(ProblemError) as refused:
            require_sums(read(json.dumps(body | {"terms": terms}).encode(), OrderBody))
        pointers = {fault.pointer for fault in refused.value.problem.errors}
        assert pointers == {"/lines/0/discount_minor", "/lines/1/tax_minor"} | wrong
    assert set(faults(GOOD | {"shipping_minor": -1, "lines": [line | {"tax_minor": -1}]})) == {
        "/shipping_minor",
        "/lines/0/tax_minor",
    }


def test_numbers_are_not_made_of_texts() -> None:
    assert set(faults(GOOD | {"lines": [{"sku": "A", "quantity": "2", "unit_price_minor": 1.5}]})) == {
        "/lines/0/quantity",
        "/lines/0/unit_price_minor",
    }


def test_many_faults_are_cut_off() -> None:
    assert len(faults(GOOD | {"lines": [{}] * 2_000})) == MAX_FAULTS


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\xff",
        b"{",
        b"[" * 100_000,
        b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2),
        b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    ],
)
def test_what_is_no_document_or_too_deep_is_unreadable(body: bytes) -> None:
    assert faults(body) == {}


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from([*GOOD, "sku", "quantity", "x"]), inner, max_size=4)
        ),
        max_leaves=10,
    )
)
def test_whatever_comes_has_a_fault_or_is_an_order(document: Any) -> None:
    status = 200
    try:
        read(json.dumps(document).encode(), OrderBody)
    except ProblemError as error:
        status = error.problem.status
    assert status in (200, 400, 422)


def test_two_members_of_one_name_are_refused_wherever_they_are() -> None:
    good = json.dumps(GOOD).encode()
    assert faults(good[:-1] + b',"customer_id":"d"}') == {}
    assert faults(good.replace(b'"quantity": 1', b'"quantity": 1, "quantity": 9')) == {}
    # An escaped quote stands in for one that went with the name.
    assert (
        faults(good.replace(b'"quantity": 1', b'"quantity": 1, "quantity": 9').replace(b'"c"', b'"\\u0022\\u0022"'))
        == {}
    )
    assert faults(good.replace(b'"quantity": 1', b'"quantity": 1, "\\u0071uantity": 9')) == {}


@pytest.mark.parametrize("text", ['"', '\\"', "\u00e9", '":', '","a":"', "\\u0022", "{}"])
def test_quotes_within_texts_are_no_names(text: str) -> None:
    body = {**GOOD, "payment_token": text}
    for ascii_only in (True, False):
        assert read(json.dumps(body, ensure_ascii=ascii_only).encode(), OrderBody).payment_token == text


def test_what_a_batch_holds_is_read_order_by_order() -> None:
    twice = b'{"customer_id":"c","customer_id":"d"}'
    assert bytes(read(b'{"orders":[' + twice + b",1]}", BatchBody).orders[0]) == twice
    assert faults(b'{"orders":[1],"orders":[2]}', BatchBody) == {}
    assert faults(b'{"orders":[1],"\\u006frders":[2]}', BatchBody) == {}


def test_a_batch_of_too_many_orders_is_told_so_and_nothing_of_its_orders() -> None:
    assert faults({"orders": [1] * (MAX_ORDERS + 1)}, BatchBody) == {
        "/orders": f"expected `array` of length <= {MAX_ORDERS}"
    }
    assert faults({"orders": []}, BatchBody) == {"/orders": "expected `array` of length >= 1"}
    assert faults({"orders": 5}, BatchBody) == {"/orders": "expected `array`, got `int`"}
