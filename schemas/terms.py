"""The terms of an order: the words that `PlaceOrderLine.terms` may hold, and what each means.

One text instead of a field for each, because every field of a line costs time on the hot path. Words stand in the order
of `WORDS`, one space between them.
"""

from __future__ import annotations

from itertools import combinations
from typing import Final

SHIP_AVAILABLE: Final = "ship_available"
"""The order goes on with the lines that could be reserved, and costs what they cost; usually it is all lines or none."""
CAPTURE_AT_SHIPPING: Final = "capture_at_shipping"
"""The money of a line is captured when it is shipped; usually all of it is captured when the order is placed."""

WORDS: Final = (SHIP_AVAILABLE, CAPTURE_AT_SHIPPING)
TERMS: Final = frozenset(" ".join(words) for n in range(len(WORDS) + 1) for words in combinations(WORDS, n))
"""All that `terms` may be; the empty text stands for the usual terms."""
