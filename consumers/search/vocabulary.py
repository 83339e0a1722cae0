"""Which words occur, in how many products, and which of them a word that does not occur may stand for."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Final

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from consumers.search.analysis import stem

if TYPE_CHECKING:
    from collections.abc import Iterable

ONE_TYPO_FROM: Final = 4
"""Characters of the shortest word that may have one typo."""
TWO_TYPOS_FROM: Final = 8


def typos_allowed(word: str) -> int:
    """Return how many typos a word may have. None where it has a digit: another number is another product."""
    if len(word) < ONE_TYPO_FROM or not word.isalpha():
        return 0
    return 1 if len(word) < TWO_TYPOS_FROM else 2


class Vocabulary:
    """The words of all products. `generation` changes with every change of which words there are."""

    def __init__(self) -> None:
        self._products: Counter[str] = Counter()
        self._stems: Counter[str] = Counter()
        self._sorted: list[str] | None = None
        self._nearest: dict[tuple[str, bool], tuple[str, ...]] = {}
        self.generation = 0

    def add(self, words: Iterable[str]) -> None:
        """Count the distinct words of one product."""
        for word in words:
            before = self._products.get(word, 0)
            self._products[word] = before + 1
            if not before:
                self._stems[stem(word)] += 1
                self._changed()

    def remove(self, words: Iterable[str]) -> None:
        """Take back what was added for a product."""
        for word in words:
            self._products[word] -= 1
            if not self._products[word]:
                del self._products[word]
                self._stems[stem(word)] -= 1
                if not self._stems[stem(word)]:
                    del self._stems[stem(word)]
                self._changed()

    def _changed(self) -> None:
        self._sorted = None
        self._nearest.clear()
        self.generation += 1

    def has(self, word: str) -> bool:
        """Return whether a product has this word or an inflection of it."""
        return stem(word) in self._stems

    def with_prefix(self, prefix: str) -> list[str]:
        """Return every word that begins so, in alphabetical order."""
        ordered = self._in_order()
        first = bisect_left(ordered, prefix)
        last = bisect_left(ordered, prefix + "\U0010ffff")
        return ordered[first:last]

    def completions(self, prefix: str, limit: int) -> list[str]:
        """Return the words that begin so and that most products have."""
        candidates = self.with_prefix(prefix)
        return sorted(candidates, key=lambda word: (-self._products[word], word))[:limit]

    def nearest(self, word: str, *, unfinished: bool) -> tuple[str, ...]:
        """Return the words that a word with a typo may stand for: all at the smallest distance that is allowed.

        The distance counts insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). An
        `unfinished` word is compared with the beginnings of words where no whole word is near.
        """
        if (key := (word, unfinished)) not in self._nearest:
            if len(self._nearest) > 10_000:  # noqa: PLR2004  bounds memory: strangers choose the words
                self._nearest.clear()
            self._nearest[key] = self._find_nearest(word, unfinished=unfinished)
        return self._nearest[key]

    def _find_nearest(self, word: str, *, unfinished: bool) -> tuple[str, ...]:
        typos = typos_allowed(word)
        if not typos:
            return ()
        ordered = self._in_order()
        whole = extract(word, ordered, scorer=OSA.distance, score_cutoff=typos, limit=None)
        if not whole and unfinished:
            begins = [candidate[: len(word)] for candidate in ordered]
            whole = [
                (ordered[index], distance, index)
                for _, distance, index in extract(word, begins, scorer=OSA.distance, score_cutoff=1, limit=None)
            ]
        least = min((distance for _, distance, _ in whole), default=0)
        return tuple(sorted(word for word, distance, _ in whole if distance == least))

    def _in_order(self) -> list[str]:
        if self._sorted is None:
            self._sorted = sorted(self._products)
        return self._sorted
