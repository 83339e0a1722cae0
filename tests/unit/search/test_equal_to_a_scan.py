"""Whatever is put, changed, sold and asked: the index answers as a scan of every product does."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.search import columns as columns_module
from consumers.search import index as index_module
from consumers.search.answering import search
from consumers.search.index import SearchIndex
from consumers.search.rules import SearchRules
from schemas.messages import Product
from schemas.search import SORTS, SearchQuery
from tests.unit.search.oracle import assert_found, find
from tests.unit.search.shelf import NOW, product

WORDS = [
    "red",
    "mug",
    "mugs",
    "heart",
    "hanging",
    "holder",
    "t-light",
    "bag",
    "retrospot",
    "tea",
    "towel",
    "table",
    "cloth",
]
COLOURS = ["red", "blue", "white"]
SIZES = ["S", "M", "L"]
TITLES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
RULES = SearchRules(synonyms=(("mug", "cup"), ("t light", "tea light", "candle")))


@st.composite
def products(draw: st.DrawFn) -> Product:
    product_id = draw(st.sampled_from("ABCDEFGH"))
    sizes = draw(st.lists(st.sampled_from(SIZES), unique=True, max_size=3))
    skus = [f"{product_id}-{size}" for size in sizes]
    colour = st.sampled_from(COLOURS)
    variants = {sku: {"size": size, "colour": draw(colour)} for sku, size in zip(skus, sizes, strict=True)}
    priced = draw(st.lists(st.sampled_from(skus or [product_id]), unique=True))
    return product(
        product_id,
        draw(TITLES),
        variants=variants,
        prices={sku: draw(st.integers(1, 900)) for sku in priced},
        attributes={
            "colour": draw(st.lists(colour, max_size=3)),
            "material": draw(st.lists(st.just("glass"), max_size=2)),
        },
        version=draw(st.integers(1, 3)),
        state=draw(st.sampled_from(["published", "published", "published", "draft", "archived"])),
        category=draw(st.sampled_from(["", "Home", "Home/Kitchen"])),
        currency=draw(st.sampled_from(["GBP", "GBP", "GBP", "EUR"])),
    )


LEVELS = st.dictionaries(
    st.sampled_from([f"{a}-{b}" for a in "ABCDEFGH" for b in SIZES] + list("ABCDEFGH")), st.integers(0, 2)
)
TEXTS = st.lists(
    st.sampled_from([*WORDS, "mgu", "hart", "cup", "candle", "tablecloth", "retro", "zzz"]), max_size=3
).map(" ".join)
QUERIES = st.builds(
    SearchQuery,
    text=TEXTS,
    filters=st.dictionaries(
        st.sampled_from(["colour", "size"]), st.lists(st.sampled_from(COLOURS + SIZES), min_size=1).map(tuple)
    ),
    in_stock=st.booleans(),
    price_from=st.none() | st.integers(0, 900),
    price_to=st.none() | st.integers(0, 900),
    sort=st.sampled_from(SORTS),
    size=st.just(100),
)


def check(index: SearchIndex, latest: list[Product], levels: dict[str, int], query: SearchQuery) -> None:
    asked = index.interpreter.interpret(query.text)
    expected = find(latest, levels, query, asked.known, NOW)
    answer = search(index, query)
    assert_found(answer, expected)
    if query.sort in ("price", "-price"):
        prices = [hit.price_minor for hit in answer.hits]
        assert prices == sorted(prices, reverse=query.sort == "-price")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(products(), max_size=6), max_size=4), LEVELS, st.lists(QUERIES, min_size=1, max_size=4))
def test_every_answer_is_that_of_a_scan(
    batches: list[list[Product]], levels: dict[str, int], queries: list[SearchQuery]
) -> None:
    # Compacts often, and remembers what two texts found.
    with patch.object(columns_module, "WASTE", 2), patch.object(index_module, "REMEMBERED_PRODUCTS", 45):
        index = SearchIndex("GBP", RULES)
        latest: dict[str, Product] = {}
        for number, batch in enumerate(batches):
            for one in batch:
                index.put(one)
                if one.product_id not in latest or one.version >= latest[one.product_id].version:
                    latest[one.product_id] = one
            if number % 2:
                index.remove("A")
                latest.pop("A", None)
            index.commit(NOW)
            for query in queries:
                check(index, list(latest.values()), {}, query)
        for sku, available in levels.items():
            index.set_level(sku, available)
        for query in queries:
            check(index, list(latest.values()), levels, query)


def test_what_texts_found_is_remembered_in_bounded_room_until_a_commit() -> None:
    with patch.object(index_module, "REMEMBERED_PRODUCTS", 45):
        index = SearchIndex("GBP", RULES)
        for number, word in enumerate(WORDS):
            index.put(product(str(number), word))
        index.commit(NOW)
        asked = [index.interpreter.interpret(word).known for word in ("red", "heart", "bag")]
        red, heart, bag = (index.find(slots, []) for slots in asked)
        assert index.find(asked[2], []) is bag
        assert index.find(asked[1], []) is heart
        assert index.find(asked[0], []) is not red
        index.remove("0")
        index.commit(NOW)
        assert index.find(asked[0], []).matches.rows.tolist() == []
