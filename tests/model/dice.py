"""Where a case's choices come from: a seed, or a list of choices that a shrinker has made smaller."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Pick: TypeAlias = Callable[[int], int]
"""Called with n, returns 0 to n - 1. Zero is always the plainest choice."""


def seeded(seed: int) -> Pick:
    """Return choices that depend on nothing but the seed."""
    fraction = random.Random(seed).random

    def pick(n: int) -> int:
        return int(fraction() * n)

    return pick


def recorded(pick: Pick, into: list[int]) -> Pick:
    """Return the same choices, written down."""

    def remember(n: int) -> int:
        into.append(pick(n))
        return into[-1]

    return remember


def scripted(choices: Sequence[int]) -> Pick:
    """Return the choices of a list, and zeros after its end."""
    rest = iter(choices)

    def pick(n: int) -> int:
        return min(next(rest, 0), n - 1)

    return pick


def shrunk(items: Sequence[T], fails: Callable[[list[T]], bool], blank: T | None = None) -> list[T]:
    """Return a list that still fails, from which no part can be left out (or be made `blank`, where one is given).

    Greedy, larger parts first; bounded, so a story that stays long is told all the same.
    """
    best, tries = list(items), 2_000
    for size in (64, 32, 16, 8, 4, 2, 1):
        at = 0
        while at < len(best) and tries > 0:
            head, part, tail = best[:at], best[at : at + size], best[at + size :]
            plainer = [head + tail]
            if blank is not None and part != [blank] * len(part):
                plainer.append([*head, *[blank] * len(part), *tail])
            tries -= len(plainer)
            smaller = next((each for each in plainer if fails(each)), None)
            at += 0 if smaller is not None and len(smaller) < len(best) else size
            best = smaller if smaller is not None else best
    return best
