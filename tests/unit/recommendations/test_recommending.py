"""What is recommended, to whom, and why."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumers.recommendations import item_item
from consumers.recommendations.blending import Recommended, again, blend, bought_again, together
from consumers.recommendations.evaluation import Case, Quality, completions, is_worse, judge

BASKETS = [("mug", "tea", "tin")] * 5 + [("mug", "tea")] * 4 + [("lamp", "bulb")] * 6 + [("mug", "lamp")]


def items(*product_ids: str) -> list[Recommended]:
    return [Recommended(product_id, "") for product_id in product_ids]


def shown(
    *sources: list[Recommended], limit: int = 4, types: dict[str, str] | None = None, gone: str = ""
) -> list[str]:
    suggestions = blend(sources, limit, may_show=lambda product_id: product_id not in gone.split(), type_of=types or {})
    return [each.product_id for each in suggestions]


def test_what_is_bought_together_is_recommended_with_the_number_of_times() -> None:
    model = item_item.build(BASKETS)
    best = item_item.recommend(model, ["mug"], 10)
    assert {neighbour.item for neighbour in best} == {"tea", "tin"}
    assert next(neighbour.together for neighbour in best if neighbour.item == "tea") == 9
    assert together(9) == "bought together 9 times"


def test_a_single_basket_is_an_accident() -> None:
    assert "lamp" not in {neighbour.item for neighbour in item_item.build(BASKETS)["mug"]}


def test_nothing_is_recommended_to_whoever_has_it() -> None:
    assert item_item.recommend(item_item.build(BASKETS), ["mug", "tea", "tin"], 10) == []


def test_no_orders_are_no_model() -> None:
    assert item_item.build([]) == {}
    assert item_item.recommend({}, ["mug"], 10) == []


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=5), max_size=30))
def test_neighbours_are_mutual_counted_right_and_never_oneself(baskets: list[list[str]]) -> None:
    model = item_item.build(baskets)
    for item, neighbours in model.items():
        for neighbour in neighbours:
            assert neighbour.item != item
            assert neighbour.together == sum(item in basket and neighbour.item in basket for basket in baskets)
            assert item in {back.item for back in model[neighbour.item]}


def test_what_was_bought_most_often_comes_first_and_the_later_of_equals() -> None:
    purchases = [(1, ("tea", "mug")), (2, ("tea",)), (3, ("tin",))]
    assert bought_again(purchases, 3) == [("tea", 2), ("tin", 1), ("mug", 1)]
    assert (again(2), again(1)) == ("you bought this 2 times", "you bought this before")


def test_what_cannot_be_bought_is_left_out_and_the_next_takes_its_place() -> None:
    assert shown(items("a", "b", "c", "d", "e"), gone="a c") == ["b", "d", "e"]


def test_a_stranger_gets_what_everybody_gets() -> None:
    assert shown([], [], items("new")) == ["new"]


def test_no_product_is_shown_twice_and_earlier_sources_come_first() -> None:
    assert shown(items("a", "b"), items("b", "c")) == ["a", "b", "c"]


def test_one_type_does_not_fill_the_list_while_others_wait() -> None:
    types = dict.fromkeys(["m1", "m2", "m3", "m4", "m5"], "mug") | {"t": "tea"}
    assert shown(items("m1", "m2", "m3", "m4", "t"), types=types) == ["m1", "m2", "m3", "t"]
    assert shown(items("m1", "m2", "m3", "m4", "m5"), limit=5, types=types) == ["m1", "m2", "m3", "m4", "m5"]


def test_half_of_the_places_show_something_new() -> None:
    suggestions = blend(
        [items("a", "b", "c", "d"), items("x", "y")], 4, may_show=lambda _: True, type_of={}, reserved=[2, 4]
    )
    assert [each.product_id for each in suggestions] == ["a", "b", "x", "y"]


def test_a_hit_higher_up_is_worth_more() -> None:
    cases = [Case(("a",), frozenset("b"))]
    first, second = judge(lambda _: ["b", "c"], cases), judge(lambda _: ["c", "b"], cases)
    assert first == Quality(1, 1, 1)
    assert second.hit == 1
    assert 0.6 < second.ndcg < 0.7


def test_one_item_of_each_later_basket_is_hidden_the_same_for_every_model() -> None:
    cases = completions([["a", "b", "c"], ["a"], ["x", "y"]], frozenset("abc"))
    assert cases == completions([["a", "b", "c"], ["a"], ["x", "y"]], frozenset("abc"))
    assert len(cases) == 1
    assert cases[0].wanted | set(cases[0].given) == set("abc")


def test_a_model_is_worse_only_by_more_than_chance() -> None:
    old = Quality(0.24, 0.15, 1000)
    assert is_worse(Quality(0.15, 0.1, 1000), old)
    assert not is_worse(Quality(0.23, 0.14, 1000), old)
    assert not is_worse(Quality(0.0, 0.0, 10), Quality(0.0, 0.0, 0))
    assert is_worse(Quality(0.0, 0.0, 0), old)
