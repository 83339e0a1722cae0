"""What a text asks for: one slot for each word or phrase, with everything that may fill it. Pure, given the vocabulary.

Typos are considered only for a word that no product has, so that a longer text never finds more than a shorter one of
known words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from consumers.search.analysis import stem, words
from schemas.search import MAX_QUERY_CHARACTERS, Interpretation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.search.rules import Phrase
    from consumers.search.vocabulary import Vocabulary

MAX_WORDS: Final = 16
SHORTEST_PART: Final = 3
"""Characters of each half of a word that may be two words."""


class Term(NamedTuple):
    """A word to find: by its stem, or every word that begins so."""

    text: str
    is_prefix: bool = False

    def matches(self, word: str) -> bool:
        """Return whether a word of a product is meant."""
        return word.startswith(self.text) if self.is_prefix else stem(word) == self.text


class Alternative(NamedTuple):
    """Terms of which all must match; `weight` is what a match is worth beside a match of what was typed."""

    terms: tuple[Term, ...]
    weight: float = 1.0


class Slot(NamedTuple):
    """A part of the text and what may fill it; nothing where no product has such a word."""

    words: tuple[str, ...]
    alternatives: tuple[Alternative, ...]


class Asked(NamedTuple):
    """A text as it was understood."""

    slots: tuple[Slot, ...]
    corrected: dict[str, tuple[str, ...]]

    @property
    def known(self) -> tuple[Slot, ...]:
        """The slots that something can fill."""
        return tuple(slot for slot in self.slots if slot.alternatives)

    def terms(self) -> list[Term]:
        """Return all terms of all slots."""
        return [term for slot in self.slots for alternative in slot.alternatives for term in alternative.terms]

    def interpretation(self, required: int) -> Interpretation:
        """Return the same for people; `required` slots were enough."""
        return Interpretation(
            words=tuple(" ".join(slot.words) for slot in self.slots),
            alternatives=tuple(tuple(map(_spelled, slot.alternatives)) for slot in self.slots),
            corrected=self.corrected,
            unknown=tuple(" ".join(slot.words) for slot in self.slots if not slot.alternatives),
            required=required,
        )


def _spelled(alternative: Alternative) -> str:
    return " ".join(f"{term.text}*" if term.is_prefix else term.text for term in alternative.terms)


class Interpreter:
    """Turns texts into what they ask for, by the words that products have and by the shop's synonyms."""

    def __init__(self, vocabulary: Vocabulary, synonyms: Mapping[Phrase, tuple[Phrase, ...]]) -> None:
        self._vocabulary = vocabulary
        self._synonyms = synonyms
        self._longest = max(map(len, synonyms), default=0)

    def interpret(self, text: str) -> Asked:
        """Return what a text asks for; its last word may be unfinished unless white space follows."""
        text = text[:MAX_QUERY_CHARACTERS]
        asked = words(text)[:MAX_WORDS]
        unfinished = bool(asked) and not text[-1:].isspace()
        slots: list[Slot] = []
        corrected: dict[str, tuple[str, ...]] = {}
        at = 0
        while at < len(asked):
            slot = self._phrase(asked, at) or self._joined(asked, at, unfinished=unfinished)
            if slot is None:
                slot = self._word(asked[at], corrected, unfinished=unfinished and at == len(asked) - 1)
            slots.append(slot)
            at += len(slot.words)
        return Asked(tuple(slots), corrected)

    def _phrase(self, asked: list[str], at: int) -> Slot | None:
        """Return the slot of the longest phrase with synonyms that begins here."""
        for length in range(min(self._longest, len(asked) - at), 0, -1):
            phrase = tuple(asked[at : at + length])
            others = self._synonyms.get(phrase)
            if others:
                typed = Alternative(tuple(Term(stem(word)) for word in phrase))
                is_last = length == 1 and at == len(asked) - 1
                prefix = [Alternative((Term(phrase[0], is_prefix=True),), 0.5)] if is_last else []
                meant = [Alternative(tuple(Term(stem(word)) for word in other), 0.9) for other in others]
                return Slot(phrase, (typed, *prefix, *meant))
        return None

    def _joined(self, asked: list[str], at: int, *, unfinished: bool) -> Slot | None:
        """Return the slot of two words that products also write as one."""
        if at + 1 >= len(asked) or not self._vocabulary.has(joined := asked[at] + asked[at + 1]):
            return None
        first, last = asked[at], asked[at + 1]
        apart = [Alternative((Term(stem(first)), Term(stem(last))))]
        if unfinished and at + 2 == len(asked):
            apart.append(Alternative((Term(stem(first)), Term(last, is_prefix=True)), 0.5))
        return Slot((first, last), (*apart, Alternative((Term(stem(joined)),), 0.9)))

    def _word(self, word: str, corrected: dict[str, tuple[str, ...]], *, unfinished: bool) -> Slot:
        """Return the slot of a word, and note for what it was taken if no product has it."""
        alternatives: list[Alternative] = []
        if self._vocabulary.has(word):
            alternatives.append(Alternative((Term(stem(word)),)))
        if unfinished and self._vocabulary.with_prefix(word):
            alternatives.append(Alternative((Term(word, is_prefix=True),), 0.5))
        if alternatives:
            return Slot((word,), tuple(alternatives))
        cuts = range(SHORTEST_PART, len(word) - SHORTEST_PART + 1)
        halves = [(word[:cut], word[cut:]) for cut in cuts]
        meant: list[tuple[str, ...]] = [pair for pair in halves if all(map(self._vocabulary.has, pair))]
        meant += [(near,) for near in self._vocabulary.nearest(word, unfinished=unfinished)]
        if meant:
            corrected[word] = tuple(" ".join(other) for other in meant)
        return Slot((word,), tuple(Alternative(tuple(Term(stem(part)) for part in other), 0.6) for other in meant))
