"""Columns written as text are what PostgreSQL reads, whatever stands in them."""

from __future__ import annotations

import asyncpg
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.postgres.sql import array_literal
from infra.base.settings import Settings

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
PLAIN = st.sampled_from(["MUG", "NULL", "null", "", " ", "{}", "a,b", 'a"b', "a\\b", "\n", "\x1f", '"', "\\", "ß"])
COLUMNS = {
    "text": st.lists(st.none() | PLAIN | TEXTS),
    "bigint": st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)),
    "boolean": st.lists(st.none() | st.booleans()),
}


async def test_what_is_written_is_read(settings: Settings) -> None:
    """Beside a longer array `unnest` fills up with NULL, so a column of nothing but None may be written as empty."""
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        for sql_type, column in drawn():
            query = f"SELECT v FROM unnest($1::text::{sql_type}[], $2::text::integer[]) AS c (v, n) ORDER BY n"  # noqa: S608  our own types
            places = array_literal(list(range(len(column))))
            read = [row["v"] for row in await connection.fetch(query, array_literal(column), places)]
            assert read == column, array_literal(column)
    finally:
        await connection.close()


def drawn() -> list[tuple[str, list[str | int | None]]]:
    """Let Hypothesis choose the columns: its examples are synchronous, the connection is not."""
    chosen: list[tuple[str, list[str | int | None]]] = []

    @given(st.sampled_from(sorted(COLUMNS)).flatmap(lambda name: st.tuples(st.just(name), COLUMNS[name])))
    def choose(column: tuple[str, list[str | int | None]]) -> None:
        chosen.append(column)

    choose()
    return chosen
