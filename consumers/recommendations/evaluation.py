"""How good recommendations are, on baskets that were bought later. Pure."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

AT: Final = 10


class Quality(NamedTuple):
    """How often the first ten are right.

    `hit` is the share of cases in which a wanted item is among them, `ndcg` rewards it for standing higher up
    (Järvelin & Kekäläinen 2002). `cases` were judged.
    """

    hit: float
    ndcg: float
    cases: int


class Case(NamedTuple):
    """What is given, and what a good answer contains."""

    given: tuple[str, ...]
    wanted: frozenset[str]


def completions(baskets: Iterable[Sequence[str]], known: frozenset[str], seed: int = 0) -> list[Case]:
    """Return a case for each basket of at least two known items: one of them, drawn by lot, is hidden."""
    lot = random.Random(seed)  # noqa: S311  the same cases for every model
    cases = []
    for basket in baskets:
        items = [item for item in dict.fromkeys(basket) if item in known]
        if len(items) > 1:
            hidden = lot.choice(items)
            cases.append(Case(tuple(item for item in items if item != hidden), frozenset((hidden,))))
    return cases


def judge(recommended: Callable[[tuple[str, ...]], Sequence[str]], cases: Sequence[Case]) -> Quality:
    """Return how good the first ten recommendations are over all cases."""
    hits, gain = 0, 0.0
    for case in cases:
        places = [place for place, item in enumerate(recommended(case.given)[:AT]) if item in case.wanted]
        ideal = sum(1 / math.log2(place + 2) for place in range(min(AT, len(case.wanted))))
        hits += bool(places)
        gain += sum(1 / math.log2(place + 2) for place in places) / ideal
    number = len(cases)
    return Quality(hits / number, gain / number, number) if number else Quality(0.0, 0.0, 0)


def is_worse(new: Quality, old: Quality) -> bool:
    """Return whether a model is worse than the one in use by more than chance: two standard errors of the hit rate.

    A model that could not be judged replaces nothing that was.
    """
    if not old.cases:
        return False
    if not new.cases:
        return True
    variance = old.hit * (1 - old.hit) / old.cases + new.hit * (1 - new.hit) / new.cases
    return new.hit < old.hit - 2 * math.sqrt(variance)
