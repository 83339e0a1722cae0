"""Who asks a shop, by cookies that nobody else can make or plant."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from infra.edge.shop.visitors import SESSION_SECONDS, Visitors, new_guest_id
from producers.checkout.signing import Signer

SIGNER = Signer("a secret of the shop")
ID = new_guest_id()


def asking(**cookies: str) -> Any:
    return SimpleNamespace(cookies={name.replace("host_", "__Host-"): value for name, value in cookies.items()})


def test_over_https_a_cookie_that_a_neighbour_planted_is_nobodys() -> None:
    visitors = Visitors(SIGNER, is_secure=True)
    assert visitors.of(asking(guest=ID)).guest_id != ID
    assert visitors.of(asking(host_guest=ID)).guest_id == ID
    for cookie in (visitors.remember(visitors.of(asking())), *visitors.sign_in("ann"), *visitors.sign_out()):
        assert cookie.key.startswith("__Host-")
        assert (cookie.secure, cookie.httponly, cookie.path, cookie.domain) == (True, True, "/", None)


def test_a_session_is_what_was_signed_for_it_and_not_over(monkeypatch: pytest.MonkeyPatch) -> None:
    visitors = Visitors(SIGNER)
    token = visitors.sign_in("ann")[0].value or ""
    assert visitors.of(asking(customer=token)).customer_id == "ann"
    other_key = Visitors(Signer("another secret")).sign_in("ann")[0].value or ""
    for bad in (other_key, token[:-2] + "AA", SIGNER.sign("quote", b"9999999999 ann"), "9999999999 ann", "ü", ""):
        assert visitors.of(asking(customer=bad)).customer_id == ""
    monkeypatch.setattr("time.time", lambda: 9_999_999_999.0 + SESSION_SECONDS)
    assert visitors.of(asking(customer=token)).customer_id == ""


@pytest.mark.parametrize("guest_id", ["", "1", "A" * 21, "A" * 65, "../" * 10, "A" * 22 + "\n", "ü" * 30])
def test_what_was_never_given_out_is_replaced(guest_id: str) -> None:
    assert Visitors(SIGNER).of(asking(guest=guest_id)).guest_id != guest_id


def test_from_an_orders_customer_no_guest_is_found_and_no_customer_has_a_guests_cart() -> None:
    guest = Visitors(SIGNER).of(asking(guest=ID))
    assert ID not in guest.buyer_id
    assert guest.cart_id != guest._replace(customer_id=f"c:{ID}").cart_id
