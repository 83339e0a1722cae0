"""The runtime's own statements, by name."""

from __future__ import annotations

from typing import Final

from consumers.runtime.postgres.sql import load_queries

QUERIES: Final = load_queries("consumers.runtime.postgres")
