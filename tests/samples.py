"""How many samples a randomised test takes: a third for each change, all of them before a release (`make test-all`)."""

from __future__ import annotations

import os

EVERYTHING = os.environ.get("TESTS") == "all"


def samples(full: int) -> int:
    """Return how many of `full` samples to take now."""
    return full if EVERYTHING else max(1, full // 3)
