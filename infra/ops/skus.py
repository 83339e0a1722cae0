"""SKUs that nobody ever received, and those that may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

import asyncpg

MOST_CANDIDATES: Final = 5_000
NEAR: Final = 3

UNKNOWN: Final = """
SELECT n.sku FROM unnest($1::text[]) AS n (sku) WHERE NOT EXISTS (SELECT FROM stock s WHERE s.sku = n.sku)
"""
CANDIDATES: Final = """
SELECT sku FROM stock
WHERE starts_with(lower(sku), lower(left($1, 1))) OR lower(right(sku, 2)) = lower(right($1, 2))
ORDER BY lower(sku) = lower($1) DESC, sku LIMIT $2
"""


async def unknown_skus(connection: asyncpg.Connection, skus: Iterable[str]) -> dict[str, list[str]]:
    """Return those of the SKUs that never had stock, each with the known ones that are spelt most like it."""
    unknown = await connection.fetch(UNKNOWN, sorted(set(skus)))
    return {row["sku"]: await _near(connection, row["sku"]) for row in unknown}


def did_you_mean(sku: str, near: list[str]) -> str:
    """Return what to do about an unknown SKU, as a sentence."""
    hint = f"Did you mean {' or '.join(near)}?" if near else "`lastunit stock show` lists all."
    return f"{sku} is unknown: no unit of it ever came in. {hint}"


async def _near(connection: asyncpg.Connection, sku: str) -> list[str]:
    skus = [row["sku"] for row in await connection.fetch(CANDIDATES, sku, MOST_CANDIDATES)]
    by_case = {candidate.casefold(): candidate for candidate in skus}
    close = difflib.get_close_matches(sku.casefold(), by_case, n=NEAR, cutoff=0.6)
    return [by_case[casefolded] for casefolded in close]
