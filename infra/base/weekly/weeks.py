"""Weeks by which tables are cut: from Monday to Monday (ISO 8601, UTC), named by year and number."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final, NamedTuple, Self
from uuid import UUID

DAY_MS: Final = 24 * 60 * 60 * 1000
WEEK_MS: Final = 7 * DAY_MS
_FIRST_MONDAY_MS: Final = 4 * DAY_MS
"""The epoch began on a Thursday."""
_NAME: Final = re.compile(r"(?P<year>\d{4,})_w(?P<number>\d{2})")
_LATEST_MS: Final = 253_370_764_800_000
"""The first moment of 9999, where calendars end; ids may name later ones."""


class Week(NamedTuple):
    """One week; `number` counts them from the first Monday of 1970. The days before that Monday are week -1."""

    number: int

    @classmethod
    def of(cls, ms: int) -> Self:
        """Return the week of a moment (ms since the epoch, UTC)."""
        return cls((min(ms, _LATEST_MS) - _FIRST_MONDAY_MS) // WEEK_MS)

    @classmethod
    def named(cls, name: str) -> Self | None:
        """Return the week that a name such as 2026_w48 is of, None for any other text."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        monday = date.fromisocalendar(int(match["year"]), int(match["number"]), 1)
        return cls.of(int(datetime(monday.year, monday.month, monday.day, tzinfo=UTC).timestamp() * 1000))

    @property
    def from_ms(self) -> int:
        """Return its first moment, in ms since the epoch; no UUIDv7 is older than the epoch."""
        return max(0, self.number * WEEK_MS + _FIRST_MONDAY_MS)

    @property
    def until_ms(self) -> int:
        """Return the first moment after it."""
        return (self.number + 1) * WEEK_MS + _FIRST_MONDAY_MS

    @property
    def name(self) -> str:
        """Return its name, which ends the names of its tables: 2026_w48."""
        thursday = datetime.fromtimestamp((self.until_ms - 4 * DAY_MS) / 1000, UTC)
        year, number, _ = thursday.isocalendar()
        return f"{year:04}_w{number:02}"

    @property
    def bounds(self) -> tuple[UUID, UUID]:
        """Return the lowest UUID of the week and the lowest after it: a UUIDv7 begins with 48 bits of ms (RFC 9562, 5.7)."""
        return UUID(int=self.from_ms << 80), UUID(int=self.until_ms << 80)


def weeks_between(first_ms: int, last_ms: int) -> list[Week]:
    """Return the weeks of all moments from the first to the last."""
    return [Week(number) for number in range(Week.of(first_ms).number, Week.of(last_ms).number + 1)]
