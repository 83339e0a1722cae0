"""What a query finds: words, beginnings, typos, synonyms, pins, and what others' search engines were blamed for."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from consumers.search.answering import search, suggest
from consumers.search.rules import OneWay, Pin, SearchRules
from schemas.messages import Price
from schemas.search import FacetValue, SearchQuery
from tests.unit.search.shelf import NOW, product
from tests.unit.search.small_shop import CLOTH, LIGHT, MUG, ids_of_hits, shop, values


@pytest.mark.parametrize("text", ["mug", "MUGS", "retro", "retrospot mug", "mug red", "M", "rétrospot"])
def test_a_product_is_found_by_its_words_their_forms_their_beginnings_and_its_number(text: str) -> None:
    assert ids_of_hits(shop(MUG, LIGHT, CLOTH), text) == ["M"]


@pytest.mark.parametrize("text", ["retrospto", "retospot", "retrsspot", "rretrospot mug", "hangign haert"])
def test_typos_are_forgiven_and_named(text: str) -> None:
    answer = search(shop(MUG, LIGHT), SearchQuery(text=text))
    assert answer.total == 1
    assert answer.interpretation.corrected


def test_a_number_is_never_taken_for_another_one() -> None:
    index = shop(product("A", "Fantasia 2000"), product("B", "Odyssey 2001"))
    assert ids_of_hits(index, "2001") == ["B"]
    assert ids_of_hits(index, "2002 ") == []


def test_one_more_letter_never_finds_more() -> None:
    index = shop(
        *(product(str(n), title) for n, title in enumerate(("adore", "adobe", "apple", "ant", "tea towel adult")))
    )
    totals = [search(index, SearchQuery(text=text)).total for text in ("a", "ad", "ado", "ador", "adore")]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] == 5


def test_every_word_that_begins_so_is_counted_however_many_there_are() -> None:
    index = shop(*(product(f"P{n}", f"dom{n:03} thing") for n in range(300)))
    assert search(index, SearchQuery(text="dom")).total == 300


@pytest.mark.parametrize("text", ["t-light", "tlight", "t light", "heart holder"])
def test_a_compound_is_found_however_it_is_written(text: str) -> None:
    assert ids_of_hits(shop(MUG, LIGHT, CLOTH), text) == ["T"]


@pytest.mark.parametrize("text", ["tablecloth", "table cloth", "paisley table cloth"])
def test_words_written_in_one_are_found_apart(text: str) -> None:
    assert ids_of_hits(shop(MUG, CLOTH), text) == ["C"]


@pytest.mark.parametrize("text", ["redbull", "red bull"])
def test_words_written_apart_are_found_in_one(text: str) -> None:
    assert ids_of_hits(shop(MUG, product("B", "Red Bull Can")), text)[0] == "B"


def test_a_synonym_of_several_words_is_found_and_keeps_the_other_words() -> None:
    rules = SearchRules(synonyms=(("tea light", "t light"), ("cup", "mug")), one_way=(OneWay("crockery", ("mug",)),))
    index = shop(MUG, LIGHT, product("G", "Green Tea"), rules=rules)
    assert ids_of_hits(index, "heart tea light holder") == ["T"]
    assert ids_of_hits(index, "cup") == ids_of_hits(index, "mug") == ["M"]
    assert ids_of_hits(index, "crockery") == ["M"]


def test_a_pinned_product_stands_first_and_is_counted_once() -> None:
    rules = SearchRules(pins=(Pin("mug", ("T", "M")),))
    answer = search(shop(MUG, LIGHT, product("N", "Blue Mug"), rules=rules), SearchQuery(text="Mug"))
    assert [hit.product_id for hit in answer.hits] == ["T", "M", "N"]
    assert answer.total == 3


def test_a_pinned_product_obeys_the_filters() -> None:
    index = shop(MUG, LIGHT, rules=SearchRules(pins=(Pin("mug", ("T",)),)), levels={"M": 1})
    assert ids_of_hits(index, "mug", in_stock=True) == ["M"]


def test_where_no_product_has_all_words_those_with_most_are_found_and_it_is_named() -> None:
    answer = search(shop(MUG, LIGHT), SearchQuery(text="red mug holder"))
    assert [hit.product_id for hit in answer.hits] == ["M"]
    assert answer.interpretation.required == 2


def test_an_unknown_word_is_left_out_and_named() -> None:
    answer = search(shop(MUG), SearchQuery(text="xylophone mug"))
    assert [hit.product_id for hit in answer.hits] == ["M"]
    assert answer.interpretation.unknown == ("xylophone",)


def test_nothing_found_suggests_what_would_be() -> None:
    answer = search(shop(MUG), SearchQuery(text="red mug", price_from=10_000))
    assert answer.total == 0
    assert answer.suggestions


# --- facets -------------------------------------------------------------------------------------------------------------

COLOURED = [
    product(f"P{n}", "bag", attributes={"colour": [colour]}) for n, colour in enumerate(("red", "red", "blue", "green"))
]


def test_the_other_values_of_a_chosen_facet_stay_and_show_what_a_click_would_find() -> None:
    index = shop(*COLOURED)
    answer = search(index, SearchQuery(filters={"colour": ("red",)}))
    assert answer.total == 2
    assert values(answer, "colour") == {"red": 2, "blue": 1, "green": 1}
    both = search(index, SearchQuery(filters={"colour": ("red", "blue")}))
    assert both.total == 3


def test_the_count_of_a_value_is_what_a_click_finds() -> None:
    index = shop(*COLOURED)
    for value, count in values(search(index, SearchQuery(text="bag")), "colour").items():
        assert search(index, SearchQuery(text="bag", filters={"colour": (value,)})).total == count


def test_a_filter_never_raises_the_counts_of_another_facet() -> None:
    index = shop(*(product(f"P{n}", "bag", attributes={"colour": ["red"], "size": [str(n % 2)]}) for n in range(9)))
    wide = values(search(index, SearchQuery(text="bag")), "colour")
    narrow = values(search(index, SearchQuery(text="bag", filters={"size": ("0",)})), "colour")
    assert narrow["red"] < wide["red"]


def test_a_chosen_value_that_nothing_has_any_more_can_still_be_taken_back() -> None:
    answer = search(shop(*COLOURED), SearchQuery(filters={"colour": ("gold",)}))
    assert answer.total == 0
    assert FacetValue("gold", 0, chosen=True) in answer.facets[0].values


SIZES = product(
    "S", "shirt", variants={"S-S": {"size": "S"}, "S-M": {"size": "M"}}, prices={"S-S": 500, "S-M": 900}, brand="Elm"
)


def test_a_size_that_is_sold_out_is_not_found_as_in_stock() -> None:
    index = shop(SIZES, levels={"S-S": 0, "S-M": 3})
    assert ids_of_hits(index, "", filters={"size": ("S",)}, in_stock=True) == []
    assert ids_of_hits(index, "", filters={"size": ("M",)}, in_stock=True) == ["S"]
    assert values(search(index, SearchQuery(in_stock=True)), "size") == {"M": 1}


def test_stock_of_a_variant_that_was_taken_away_counts_no_more() -> None:
    index = shop(SIZES, levels={"S-S": 0, "S-M": 3})
    index.put(product("S", "shirt", variants={"S-S": {"size": "S"}}, version=2))
    index.commit(NOW)
    answer = search(index, SearchQuery())
    assert (answer.in_stock, answer.sold_out) == (0, 1)
    assert answer.hits[0].availability == "sold_out"


def test_any_variant_is_found_by_its_number() -> None:
    assert ids_of_hits(shop(SIZES), "S-M") == ["S"]


def test_a_product_with_many_variants_is_one_hit_and_counts_once() -> None:
    answer = search(shop(SIZES, MUG), SearchQuery(size=1))
    assert answer.total == 2
    assert answer.pages == 2
    assert values(answer, "brand") == {"Elm": 1}


def test_a_price_is_that_of_the_variant_that_meets_the_filters() -> None:
    (hit,) = search(shop(SIZES), SearchQuery(filters={"size": ("M",)})).hits
    assert (hit.price_minor, hit.sku) == (900, "S-M")
    assert ids_of_hits(shop(SIZES), "", filters={"size": ("M",)}, price_to=900) == []


def test_availability_counts_equal_the_levels() -> None:
    index = shop(*(product(f"P{n}", "bag") for n in range(5)), levels={"P0": 1, "P1": 2, "P2": 0})
    answer = search(index, SearchQuery(text="bag", in_stock=True))
    assert (answer.total, answer.in_stock, answer.sold_out) == (2, 2, 3)


def test_a_level_counts_at_once_and_a_forgotten_one_no_more() -> None:
    index = shop(MUG, levels={"M": 1})
    assert search(index, SearchQuery()).in_stock == 1
    index.set_level("M", None)
    assert search(index, SearchQuery()).in_stock == 0


# --- order and pages ----------------------------------------------------------------------------------------------------


def test_pages_follow_each_other_without_a_gap_or_a_repetition() -> None:
    index = shop(*(product(f"P{n}", "bag", price=n % 3) for n in range(50)))
    for sort in ("relevance", "price", "-price", "newest"):
        pages = [ids_of_hits(index, "bag", sort=sort, page=page, size=7) for page in range(1, 9)]
        assert sorted(itertools.chain.from_iterable(pages)) == sorted(f"P{n}" for n in range(50))


def test_equal_products_stand_in_the_same_order_on_every_node() -> None:
    products = [product(f"P{n}", "bag") for n in range(30)]
    assert ids_of_hits(shop(*products), "", size=30) == ids_of_hits(shop(*reversed(products)), "", size=30)


def test_the_exact_title_stands_before_longer_ones() -> None:
    index = shop(product("L", "heart of wicker small red box"), product("E", "heart of wicker"), product("O", "wicker"))
    assert ids_of_hits(index, "heart of wicker")[0] == "E"


# --- changes ------------------------------------------------------------------------------------------------------------


def test_an_archived_product_is_found_no_more_nor_is_a_draft() -> None:
    index = shop(MUG, product("D", "draft mug", state="draft"))
    assert ids_of_hits(index, "mug") == ["M"]
    index.put(product("M", "Red Retrospot Mug", state="archived", version=2))
    index.commit(NOW)
    assert ids_of_hits(index, "mug") == []


def test_an_older_version_changes_nothing_and_a_removed_product_may_come_back() -> None:
    index = shop(product("M", "new mug", version=3))
    index.put(product("M", "old mug", version=2))
    index.commit(NOW)
    assert ids_of_hits(index, "new") == ["M"]
    index.remove("M")
    index.put(product("M", "fresh mug", version=1))
    index.commit(NOW)
    assert ids_of_hits(index, "fresh") == ["M"]


def test_a_product_is_not_found_by_the_words_it_had_before() -> None:
    index = shop(product("B", "red retrospot bag"), product("D", "retrospot table"))
    index.put(product("B", "red bag", version=2))
    index.commit(NOW)
    assert ids_of_hits(index, "retrospot") == ["D"]
    assert ids_of_hits(index, "red") == ["B"]


def test_a_scheduled_price_is_there_when_it_begins_without_any_message() -> None:
    later = product("M", "mug", price=None, variants={"M": {}}, prices={"M": 500})
    index = shop(later)
    scheduled = msgspec.structs.replace(later, prices=(*later.prices, Price("M", 300, NOW + 5000)))
    index.put(scheduled)
    index.commit(NOW)
    assert search(index, SearchQuery()).hits[0].price_minor == 500
    index.commit(NOW + 5000)
    assert search(index, SearchQuery()).hits[0].price_minor == 300


def test_a_product_in_another_currency_is_not_for_sale_here() -> None:
    assert ids_of_hits(shop(product("E", "mug", currency="EUR"), MUG), "mug") == ["M"]


# --- for people ---------------------------------------------------------------------------------------------------------


def test_what_matched_is_marked_by_place_never_by_markup() -> None:
    (hit,) = search(shop(product("X", "<b>Mug</b> & mugs")), SearchQuery(text="mug")).hits
    assert [hit.title[start:end] for start, end in hit.marks] == ["Mug", "mugs"]


def test_a_typed_beginning_suggests_words_products_and_categories() -> None:
    suggested = suggest(
        shop(product("M", "Red Mug", category="Kitchen/Cups"), product("N", "Red Muffin Tray")), "red mu"
    )
    assert suggested.queries == ("red muffin", "red mug")
    assert {hit.product_id for hit in suggested.products} == {"M", "N"}
    assert "Kitchen" in suggested.categories


def test_a_score_can_be_explained() -> None:
    (hit,) = search(shop(MUG), SearchQuery(text="mug", explain=True)).hits
    assert hit.explanation is not None
    assert b"BM25" in bytes(hit.explanation) or b"TermQuery" in bytes(hit.explanation)


@pytest.mark.parametrize("text", ["", " ", "\0", "(", '"', "a AND", "*", "\\", "x" * 10_000, "ß", "🙂", "茶 杯"])
def test_no_text_is_an_error(text: str) -> None:
    search(shop(MUG), SearchQuery(text=text))


def test_words_of_other_scripts_are_found() -> None:
    index = shop(product("R", "Красная кружка"), product("J", "赤いマグ"), product("G", "Straße"))
    assert ids_of_hits(index, "кружка") == ["R"]
    assert ids_of_hits(index, "マグ") == ["J"]
    assert ids_of_hits(index, "strasse") == ["G"]
