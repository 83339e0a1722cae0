"""Addresses and prices of a product."""

import string

from hypothesis import given
from hypothesis import strategies as st

from schemas.messages import Price, Product, Variant
from schemas.products import (
    DAY_MS,
    LOWEST_PRICE_MS,
    PriceNow,
    is_product_id,
    kept_prices,
    lowest_between,
    next_price_change_ms,
    price_at,
    product_id_in,
    slug_of,
)

IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
NOW = 1_790_000_000_000


def product(*prices: tuple[str, int, int]) -> Product:
    return Product(
        product_id="85123A",
        version=1,
        state="published",
        title="White Hanging Heart",
        description=(),
        product_type="holder",
        category="Lights",
        brand="",
        slug="white-hanging-heart_85123A",
        currency="GBP",
        attributes=(),
        variants=(Variant("H", ""), Variant("H2", "two")),
        options=(),
        prices=tuple(Price(*price) for price in prices),
        published_at_ms=0,
        updated_at_ms=0,
    )


@given(st.text(), IDS, st.text(), IDS)
def test_two_products_never_have_one_address(title: str, one: str, other_title: str, other: str) -> None:
    assert product_id_in(slug_of(title, one)) == one
    assert (slug_of(title, one) == slug_of(other_title, other)) <= (one == other)


@given(st.text(), IDS)
def test_an_address_needs_no_escape(title: str, product_id: str) -> None:
    assert set(slug_of(title, product_id)) <= set(string.ascii_letters + string.digits + "._-")


def test_an_old_address_still_names_its_product() -> None:
    assert product_id_in("the-title-it-had-before_85123A") == "85123A"
    assert product_id_in("no-id") is None
    assert product_id_in("bad_../etc") is None


def test_an_id_that_needs_escaping_is_none() -> None:
    assert not any(map(is_product_id, ("", "a b", "a/b", ".hidden", "a" * 65, "ä", "a\n")))


def test_a_price_begins_at_its_moment_and_not_before() -> None:
    scheduled = product(("H", 295, NOW), ("H", 255, NOW + DAY_MS))
    assert price_at(scheduled, "H", NOW - 1) is None
    assert price_at(scheduled, "H", NOW + DAY_MS - 1) == PriceNow(295, NOW, None)
    assert price_at(scheduled, "H", NOW + DAY_MS) == PriceNow(255, NOW + DAY_MS, 295)
    assert next_price_change_ms(scheduled, NOW) == NOW + DAY_MS
    assert next_price_change_ms(scheduled, NOW + DAY_MS) is None


def test_a_reduction_names_the_lowest_price_of_the_thirty_days_before_it() -> None:
    raised_first = product(("H", 200, NOW - 20 * DAY_MS), ("H", 300, NOW - 2 * DAY_MS), ("H", 250, NOW))
    assert price_at(raised_first, "H", NOW) == PriceNow(250, NOW, 200)


def test_a_price_that_ended_more_than_thirty_days_before_the_reduction_does_not_count() -> None:
    old = product(("H", 100, NOW - 90 * DAY_MS), ("H", 300, NOW - 31 * DAY_MS), ("H", 250, NOW))
    assert price_at(old, "H", NOW) == PriceNow(250, NOW, 300)


def test_a_raised_price_names_no_price_before() -> None:
    assert price_at(product(("H", 100, NOW - DAY_MS), ("H", 300, NOW)), "H", NOW) == PriceNow(300, NOW, None)


def test_one_variants_price_implies_nothing_about_another() -> None:
    assert price_at(product(("H", 100, NOW)), "H2", NOW) is None


PRICES = st.lists(
    st.builds(
        Price,
        sku=st.sampled_from(["A", "B"]),
        amount_minor=st.integers(1, 9),
        from_ms=st.integers(NOW - 90 * DAY_MS, NOW + 9 * DAY_MS),
    ),
    unique_by=lambda price: (price.sku, price.from_ms),
    max_size=12,
)


@given(PRICES, st.integers(0, 8 * DAY_MS))
def test_dropping_old_prices_changes_no_price_of_now_or_later(prices: list[Price], later_ms: int) -> None:
    ordered = sorted(prices, key=lambda price: (price.sku, price.from_ms))
    whole = product(*((price.sku, price.amount_minor, price.from_ms) for price in ordered))
    pruned = product(*((price.sku, price.amount_minor, price.from_ms) for price in kept_prices(prices, NOW)))
    for sku in ("A", "B"):
        assert price_at(pruned, sku, NOW + later_ms) == price_at(whole, sku, NOW + later_ms)
        own = [price for price in ordered if price.sku == sku and price.from_ms <= NOW]
        if own:
            kept = [price for price in pruned.prices if price.sku == sku and price.from_ms <= NOW]
            since = NOW - LOWEST_PRICE_MS
            assert lowest_between(kept, since, NOW + 1) == lowest_between(own, since, NOW + 1)
