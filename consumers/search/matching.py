"""The text of products in tantivy: which products match, and how well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import tantivy
from tantivy import Occur, Query

from consumers.search.analysis import stem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.search.columns import Rows
    from consumers.search.interpret import Alternative, Slot, Term
    from consumers.search.vocabulary import Vocabulary

WRITER_BYTES: Final = 32_000_000
ANYWHERE_BOOST: Final = 0.5
TITLE_BOOST: Final = 2.5
OTHER_TIMES: Final = 3
"""A word of type, brand or values counts as so many of the description (BM25F, Robertson & Zaragoza 2009, 3.6)."""
SCORE_DIGITS: Final = 4
"""Scores that differ by less are equal: sums of floats depend on how an index has been put together."""
PREFIX_SCORE: Final = 1.0
PHRASE_BOOST: Final = 2.0


class Matches(NamedTuple):
    """The rows of all products that match, best first, their scores, and how many slots were required."""

    rows: Rows
    scores: Rows
    required: int


class TextIndex:
    """The words of products by row, in memory. What is added is found after `commit`; `vocabulary` has the same words."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("title", tokenizer_name="whitespace", index_option="position")
        builder.add_text_field("anywhere", tokenizer_name="whitespace", index_option="freq")
        builder.add_text_field("word", tokenizer_name="whitespace", index_option="basic")
        builder.add_unsigned_field("row", indexed=True, fast=True)
        self._schema = builder.build()
        self._index = tantivy.Index(self._schema)
        self._index.register_tokenizer(
            "whitespace", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        )
        self._writer = self._index.writer(WRITER_BYTES, 1)
        self._searcher = self._index.searcher()

    def add(self, row: int, title: Sequence[str], other: list[str], body: Sequence[str]) -> None:
        """Add a product's words."""
        stems = [*map(stem, title)]
        texts = {
            "title": " ".join(stems),
            "anywhere": " ".join((*stems, *map(stem, other * OTHER_TIMES), *map(stem, body))),
            "word": " ".join(dict.fromkeys((*title, *other))),
        }
        self._writer.add_document(tantivy.Document.from_dict({**texts, "row": row}, self._schema))

    def remove(self, row: int) -> None:
        """Remove a product's words."""
        # By query: delete_documents_by_term deletes nothing where the field is a number (tantivy 0.27.0).
        self._writer.delete_documents_by_query(Query.term_query(self._schema, "row", row))

    def commit(self) -> None:
        """Make visible what was added and removed."""
        self._writer.commit()
        self._index.reload()
        self._searcher = self._index.searcher()

    def match(self, slots: tuple[Slot, ...]) -> Matches:
        """Return the products in which every slot is filled or, where there is none, as many slots as possible.

        Each slot has at least one alternative.
        """
        filled = [self._slot(slot) for slot in slots]
        everything = max(1, self._searcher.num_docs)
        for required in range(len(slots), 0, -1):
            hits = self._searcher.search(self._query(slots, filled, required), everything, count=False).hits
            if hits:
                rows = self._searcher.fast_field_values("row", [address for _, address in hits])
                scores = np.fromiter((score for score, _ in hits), np.float32, len(hits))
                return Matches(np.array(rows, np.int32), np.round(scores, SCORE_DIGITS), required)
        return Matches(np.zeros(0, np.int32), np.zeros(0, np.float32), 0)

    def explain(self, slots: tuple[Slot, ...], required: int, row: int) -> str:
        """Return as JSON how a product's score comes about."""
        query = self._query(slots, [self._slot(slot) for slot in slots], required)
        address = self._searcher.search(Query.term_query(self._schema, "row", row), 1).hits[0][1]
        return query.explain(self._searcher, address).to_json()

    def _query(self, slots: tuple[Slot, ...], filled: list[Query], required: int) -> Query:
        # Where all are required, tantivy intersects; with a number of them it scores whatever has any of them first.
        if required == len(filled):
            query = Query.boolean_query([(Occur.Must, one) for one in filled])
        else:
            query = Query.boolean_query([(Occur.Should, one) for one in filled], required)
        title = [slot.alternatives[0].terms[0].text for slot in slots if not slot.alternatives[0].terms[0].is_prefix]
        if len(title) < 2:  # noqa: PLR2004  one word is no phrase
            return query
        phrase = Query.boost_query(Query.phrase_query(self._schema, "title", list(title), slop=1), PHRASE_BOOST)
        return Query.boolean_query([(Occur.Must, query), (Occur.Should, phrase)])

    def _slot(self, slot: Slot) -> Query:
        whole = {alternative.terms[0].text for alternative in slot.alternatives if not alternative.terms[0].is_prefix}
        needed = [one for one in slot.alternatives if not self._is_covered(one, whole)]
        alternatives = [self._alternative(alternative) for alternative in needed]
        return alternatives[0] if len(alternatives) == 1 else Query.disjunction_max_query(alternatives)

    def _is_covered(self, alternative: Alternative, whole: set[str]) -> bool:
        """Return whether an unfinished word begins inflections of one word only, which is looked for anyway."""
        term = alternative.terms[0]
        if len(alternative.terms) > 1 or not term.is_prefix or stem(term.text) not in whole:
            return False
        return all(stem(word) == stem(term.text) for word in self._vocabulary.with_prefix(term.text))

    def _alternative(self, alternative: Alternative) -> Query:
        terms = [self._term(term) for term in alternative.terms]
        query = terms[0] if len(terms) == 1 else Query.boolean_query([(Occur.Must, term) for term in terms])
        return Query.boost_query(query, alternative.weight) if alternative.weight != 1 else query

    def _term(self, term: Term) -> Query:
        if term.is_prefix:
            # Not phrase_prefix_query, which considers the first 50 words only, nor an automaton, which is compiled each time.
            words = Query.term_set_query(self._schema, "word", self._vocabulary.with_prefix(term.text))
            return Query.const_score_query(words, PREFIX_SCORE)
        # One list of postings that must have the word and one that may: fields side by side would be a union, which
        # tantivy scores in windows of 4,096 products, whether or not the other words are there too.
        anywhere = Query.term_query(self._schema, "anywhere", term.text, "freq")
        title = Query.term_query(self._schema, "title", term.text, "freq")
        return Query.boolean_query(
            [
                (Occur.Must, Query.boost_query(anywhere, ANYWHERE_BOOST)),
                (Occur.Should, Query.boost_query(title, TITLE_BOOST)),
            ]
        )
