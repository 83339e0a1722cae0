"""Figures from rounds: spread of each lane, and ratios of what ran in the same round."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class Spread(msgspec.Struct, frozen=True):
    """Smallest, middle and largest of the rounds."""

    min: float
    median: float
    max: float


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of one value a round."""
    return Spread(min(values), median(values), max(values))


def paired(figures: Sequence[float], others: Sequence[float]) -> Spread:
    """Return the spread of the ratios round by round, so that what slows a whole round cancels out."""
    return spread([figure / other for figure, other in zip(figures, others, strict=True)])
