"""What is bought together: the cosine of items over baskets, in which a basket counts the less the more it holds. Pure.

A basket has one vote, which its items share, so an order of hundreds says little about each of them; and an item that is in
everybody's basket is near to nothing in particular (Sarwar et al. 2001, "Item-based collaborative filtering
recommendation algorithms").

Decision: docs/decisions, 054.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NEIGHBOURS: Final = 50
"""Similar items that are kept of each item."""
LEAST_TOGETHER: Final = 2
"""Baskets that must hold both: a single one is an accident."""


class Neighbour(NamedTuple):
    """An item that is bought with another one: how strongly, and in how many baskets both were."""

    item: str
    score: float
    together: int


Model = dict[str, tuple[Neighbour, ...]]
"""The neighbours of each item, best first."""


def build(baskets: Sequence[Iterable[str]], *, neighbours: int = NEIGHBOURS) -> Model:
    """Return which items belong together, from what was in each basket."""
    matrix, items = _matrix(baskets)
    if not items:
        return {}
    held_by = np.asarray(matrix.sum(axis=0)).ravel()
    holds = np.asarray(matrix.sum(axis=1)).ravel()
    weighted = sparse.diags_array(1 / np.sqrt(np.maximum(holds, 1))) @ matrix @ sparse.diags_array(1 / np.sqrt(held_by))
    similarity, together = (weighted.T @ weighted).tocsr(), (matrix.T @ matrix).tocsr()
    similarity.sort_indices()
    together.sort_indices()
    return {item: _nearest(row, similarity, together, items, neighbours) for row, item in enumerate(items)}


def _matrix(baskets: Sequence[Iterable[str]]) -> tuple[Any, list[str]]:
    """Return baskets x items, 1 where a basket holds an item, and the items in the order of the columns."""
    numbers: dict[str, int] = {}
    rows, columns = [], []
    for row, basket in enumerate(baskets):
        for item in dict.fromkeys(basket):
            rows.append(row)
            columns.append(numbers.setdefault(item, len(numbers)))
    shape = (len(baskets), len(numbers))
    return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape), list(numbers)


def _nearest(row: int, similarity: Any, together: Any, items: list[str], neighbours: int) -> tuple[Neighbour, ...]:
    """Return the best neighbours of the item in one row; both matrices have entries in the same places."""
    entries = slice(similarity.indptr[row], similarity.indptr[row + 1])
    columns, scores, counts = similarity.indices[entries], similarity.data[entries], together.data[entries]
    eligible = np.flatnonzero((columns != row) & (counts >= LEAST_TOGETHER))
    best = eligible[np.argsort(-scores[eligible], kind="stable")[:neighbours]]
    return tuple(
        Neighbour(items[column], round(score, 6), int(count))
        for column, score, count in zip(
            columns[best].tolist(), scores[best].tolist(), counts[best].tolist(), strict=True
        )
    )


def recommend(model: Mapping[str, Sequence[Neighbour]], having: Iterable[str], limit: int) -> list[Neighbour]:
    """Return what goes best with all of `having`, without what is among it; `together` is that of the strongest pair."""
    own = set(having)
    scores: dict[str, float] = {}
    reasons: dict[str, Neighbour] = {}
    for item in own:
        for neighbour in model.get(item, ()):
            if neighbour.item in own:
                continue
            scores[neighbour.item] = scores.get(neighbour.item, 0.0) + neighbour.score
            if neighbour.together > reasons.get(neighbour.item, Neighbour("", 0, 0)).together:
                reasons[neighbour.item] = neighbour
    best = sorted(scores, key=lambda item: (-scores[item], item))[:limit]
    return [Neighbour(item, scores[item], reasons[item].together) for item in best]
