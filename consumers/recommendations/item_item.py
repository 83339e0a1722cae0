"""What is bought together: BM25-weighted similarity of items over baskets. Pure.

A basket is a document and its items are its words, so an item that is in everybody's basket says little, and so does
one in a basket of hundreds (Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

K1: Final = 1.2
B: Final = 0.75
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
    frequency = np.asarray(matrix.sum(axis=0)).ravel()
    length = np.asarray(matrix.sum(axis=1)).ravel()
    idf = np.log(matrix.shape[0]) - np.log1p(frequency)
    saturation = (K1 + 1) / (K1 * (1 - B + B * length / length.mean()) + 1)
    weighted = sparse.diags_array(saturation) @ matrix @ sparse.diags_array(np.maximum(idf, 0))
    similarity = (weighted.T @ weighted).tocsr()
    together = (matrix.T @ matrix).tocsr()
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
    start, end = similarity.indptr[row], similarity.indptr[row + 1]
    columns, scores = similarity.indices[start:end], similarity.data[start:end]
    counts = dict(
        zip(
            together.indices[together.indptr[row] : together.indptr[row + 1]].tolist(),
            together.data[together.indptr[row] : together.indptr[row + 1]].tolist(),
            strict=True,
        )
    )
    best = np.argsort(-scores, kind="stable")[: neighbours + 1]
    nearest = (
        Neighbour(items[column], round(float(score), 4), int(counts[column]))
        for column, score in zip(columns[best].tolist(), scores[best].tolist(), strict=True)
        if column != row and counts[column] >= LEAST_TOGETHER and score > 0
    )
    return tuple(nearest)[:neighbours]


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
