"""From several sources of recommendations to one list for one visitor. Pure.

Sources are ordered: what a customer buys again and again comes first, then what goes with what they have, then what is
in demand now, which is all that is known about a stranger.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

AGAIN_SHARE: Final = 0.5
"""Of the places, to what was bought before; the rest shows what is new to the customer."""
MOST_OF_A_KIND: Final = 3
"""Places for products of one type, until nothing else is left."""


class Recommended(NamedTuple):
    """A product and why it is shown, for people."""

    product_id: str
    reason: str


def bought_again(purchases: Sequence[tuple[int, Iterable[str]]], limit: int) -> list[tuple[str, int]]:
    """Return what a customer bought in most orders and how often, later ones first among equals.

    `purchases` are (moment, items) of each order.
    """
    times: Counter[str] = Counter()
    last: dict[str, int] = {}
    for at_ms, items in purchases:
        for item in dict.fromkeys(items):
            times[item] += 1
            last[item] = max(last.get(item, 0), at_ms)
    best = sorted(times, key=lambda item: (-times[item], -last[item], item))[:limit]
    return [(item, times[item]) for item in best]


def blend(
    sources: Sequence[Sequence[Recommended]],
    limit: int,
    *,
    may_show: Callable[[str], bool],
    type_of: Mapping[str, str],
    reserved: Sequence[int] | None = None,
) -> list[Recommended]:
    """Return at most `limit` products, each once, from earlier sources first, at most three of a type while others wait.

    `reserved[i]` is the most that source i may give while later sources have something. `may_show` leaves out what is
    sold out or archived.
    """
    shown: dict[str, Recommended] = {}
    kinds: Counter[str] = Counter()
    most = list(reserved or [limit] * len(sources))
    put_off: list[Recommended] = []
    for source, share in zip(sources, most, strict=True):
        taken = 0
        for each in source:
            if len(shown) >= limit:
                break
            if each.product_id in shown or not may_show(each.product_id):
                continue
            kind = type_of.get(each.product_id, "")
            if taken >= share or (kind and kinds[kind] >= MOST_OF_A_KIND):
                put_off.append(each)
                continue
            shown[each.product_id] = each
            kinds[kind] += 1
            taken += 1
    for each in put_off:
        if len(shown) >= limit:
            break
        shown.setdefault(each.product_id, each)
    return list(shown.values())


def again(times: int) -> str:
    """Return the reason for what a customer bought before."""
    return f"you bought this {times} times" if times > 1 else "you bought this before"


def together(times: int) -> str:
    """Return the reason for what is bought with something else."""
    return f"bought together {times} times"
