"""What the catalogue decides on each command."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.catalogue import store
from consumers.catalogue.state import REMEMBERED
from consumers.errors import RefusedError
from consumers.runtime.room import Tombstone
from schemas import messages as m
from tests.unit.catalogue.dsl import Catalogue


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue()


def on_sale(catalogue: Catalogue) -> Catalogue:
    catalogue.put()
    catalogue.price(350)
    catalogue.publish()
    return catalogue


def test_a_product_is_put_priced_and_published(catalogue: Catalogue) -> None:
    assert isinstance(catalogue.put(), m.ProductPut)
    assert isinstance(catalogue.price(350), m.PriceSet)
    assert isinstance(catalogue.publish(), m.ProductPublished)
    assert catalogue.product is not None
    assert (catalogue.product.state, catalogue.product.version) == ("published", 3)
    assert catalogue.product.slug == "red-mug_MUG"
    assert catalogue.product.prices == (m.Price("MUG", 350, catalogue.at_ms - 1000),)


def test_whoever_has_not_seen_the_latest_version_changes_nothing(catalogue: Catalogue) -> None:
    catalogue.put(expected_version=0)
    refused = catalogue.put(expected_version=0, title="Blue Mug")
    assert (refused.reason, refused.version) == ("version_conflict", 1)
    assert catalogue.product is not None
    assert catalogue.product.title == "Red Mug"
    assert isinstance(catalogue.put(expected_version=1, title="Blue Mug"), m.ProductPut)


def test_a_command_takes_effect_once_however_often_it_comes(catalogue: Catalogue) -> None:
    put = catalogue.put(expected_version=0)
    again = m.PutProduct(
        **{f: getattr(put, f) for f in m.PutProduct.__struct_fields__ if f != "expected_version"}, expected_version=0
    )
    again = msgspec.structs.replace(again, slug="")
    assert catalogue.do(again) is None
    assert catalogue.product is not None
    assert catalogue.product.version == 1


def test_an_id_that_another_command_has_is_refused(catalogue: Catalogue) -> None:
    put = catalogue.put()
    assert catalogue.put(command_id=put.command_id, title="Other").reason == "command_id_reused"


def test_an_id_without_a_time_is_refused(catalogue: Catalogue) -> None:
    assert catalogue.put(command_id="mine").reason == "invalid_command_id"


def test_a_command_older_than_all_that_are_remembered_is_refused_and_not_applied_again(catalogue: Catalogue) -> None:
    first = catalogue.new_id()
    catalogue.put(command_id=first, title="First")
    for number in range(REMEMBERED):
        catalogue.put(title=f"Title {number}")
    assert catalogue.put(command_id=first, title="First").reason == "too_old"
    assert catalogue.product is not None
    assert catalogue.product.title != "First"


def test_a_command_that_changes_nothing_is_accepted_and_makes_no_version(catalogue: Catalogue) -> None:
    on_sale(catalogue)
    catalogue.state.take_changed()
    for outcome in (catalogue.put(), catalogue.price(350), catalogue.publish()):
        assert outcome.version == 3
    assert catalogue.state.take_changed()[1] == []


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"title": ""}, "title is empty"),
        ({"title": " Mug"}, "white space"),
        ({"title": "Mu\u0301g"}, "NFC"),
        ({"title": "Mug\u200b"}, "cannot be printed"),
        ({"currency": "gbp"}, "ISO 4217"),
        ({"variants": ()}, "no variant"),
        ({"variants": (m.Variant("A", ""), m.Variant("A", "b"))}, "occurs twice"),
        ({"variants": (m.Variant("A ", ""),)}, "the SKU 'A ' ends with a blank"),
        ({"variants": (m.Variant("A\u3164", ""),)}, "U+3164 HANGUL FILLER"),
        ({"options": (m.VariantOption("X", "size", "S"),)}, "which no variant has"),
        ({"attributes": (m.Attribute("", "x"),)}, "is empty"),
    ],
)
def test_what_no_product_can_be_is_refused_with_all_that_is_wrong(
    catalogue: Catalogue, changes: dict[str, Any], detail: str
) -> None:
    refused = catalogue.put(**changes)
    assert refused.reason == "invalid_product"
    assert detail in refused.detail


def test_an_id_that_is_no_product_id_is_a_dead_letter(catalogue: Catalogue) -> None:
    with pytest.raises(RefusedError):
        catalogue.put(product_id="a/b")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sku": "TEE"}, "unknown_sku"),
        ({"currency": "EUR"}, "currency_mismatch"),
        ({"amount_minor": -1}, "invalid_price"),
        ({"amount_minor": 10**9 + 1}, "invalid_price"),
        ({"from_ms": 2**62}, "invalid_time"),
    ],
)
def test_a_price_that_cannot_be_is_refused(catalogue: Catalogue, changes: dict[str, Any], reason: str) -> None:
    catalogue.put()
    assert catalogue.price(**({"amount_minor": 350} | changes)).reason == reason


def test_nothing_is_kept_of_a_product_that_nobody_put(catalogue: Catalogue) -> None:
    assert catalogue.price(350).reason == "unknown_product"
    assert catalogue.publish().reason == "unknown_product"
    assert catalogue.archive().reason == "unknown_product"
    assert catalogue.state.take_changed() == ([], [])


def test_no_price_begins_in_the_past(catalogue: Catalogue) -> None:
    catalogue.put()
    assert catalogue.price(350, from_ms=1).from_ms == catalogue.at_ms


def test_a_price_for_later_is_kept_until_then(catalogue: Catalogue) -> None:
    on_sale(catalogue)
    assert catalogue.price(299, from_ms=catalogue.at_ms + 86_400_000).from_ms == catalogue.at_ms + 86_400_000 - 1000
    assert catalogue.product is not None
    assert [price.amount_minor for price in catalogue.product.prices] == [350, 299]


def test_a_product_without_a_price_for_each_variant_is_not_published(catalogue: Catalogue) -> None:
    catalogue.put(variants=(m.Variant("MUG", "one"), m.Variant("TWO", "two")))
    catalogue.price(350)
    refused = catalogue.publish()
    assert (refused.reason, refused.detail) == ("not_priced", "without a price: TWO")


def test_an_archived_product_keeps_its_place_and_can_come_back(catalogue: Catalogue) -> None:
    on_sale(catalogue).archive()
    assert catalogue.product is not None
    assert catalogue.product.state == "archived"
    first_ms = catalogue.product.published_at_ms
    catalogue.publish()
    assert catalogue.product.published_at_ms == first_ms


def test_a_draft_that_was_never_published_is_removed_and_its_version_goes_on(catalogue: Catalogue) -> None:
    catalogue.put()
    catalogue.archive()
    assert catalogue.product is None
    assert store.changes(catalogue.state).records == [Tombstone("catalogue.products", b"MUG")]
    assert catalogue.put(expected_version=0).version == 3


def test_a_batch_publishes_each_product_once_as_it_is_at_its_end(catalogue: Catalogue) -> None:
    on_sale(catalogue)
    changes = store.changes(catalogue.state)
    assert changes.records == [catalogue.product]
    assert changes.columns[0] == ["MUG"]


def test_a_variant_that_is_taken_away_takes_its_prices_along(catalogue: Catalogue) -> None:
    catalogue.put(variants=(m.Variant("MUG", "one"), m.Variant("TWO", "two")))
    catalogue.price(350, sku="TWO")
    catalogue.put()
    assert catalogue.product is not None
    assert catalogue.product.prices == ()


STEPS = st.lists(st.sampled_from(["put", "put other", "price", "later", "publish", "archive", "repeat"]), max_size=25)


@given(STEPS)
def test_versions_only_grow_and_equal_the_published_one_whatever_happens(steps: list[str]) -> None:
    catalogue = Catalogue()
    version = 0
    last: Any = None
    for step in steps:
        match step:
            case "put":
                last = catalogue.put()
            case "put other":
                last = catalogue.put(title=f"Title {catalogue.number}")
            case "price":
                catalogue.price(100 + catalogue.number)
            case "later":
                catalogue.price(100, from_ms=catalogue.at_ms + 5000)
            case "publish":
                catalogue.publish()
            case "archive":
                catalogue.archive()
            case "repeat":
                if last is not None:
                    assert catalogue.put(command_id=last.command_id, title=last.title) is None
        record = catalogue.state.record("MUG")
        assert record.version >= version
        version = record.version
        assert record.product is None or record.product.version == version
        assert len(record.commands) <= REMEMBERED
