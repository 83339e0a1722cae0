"""The garbage collector during an audit."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def collecting_garbage_rarely() -> Iterator[None]:
    """Let the collector be: an audit keeps millions of objects without a cycle among them.

    Looking for some took a quarter of the CPU time of 12,000 orders (medians of three alternating pairs), more of more.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(1_000_000, 50, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
