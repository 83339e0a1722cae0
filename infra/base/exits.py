"""Exit statuses: what whoever started a process has to do next (the numbers are those of sysexits.h)."""

from __future__ import annotations

from typing import Final

START_AGAIN: Final = 70
"""Something went wrong that a fresh start heals: the partition owner stopped itself, a server was away."""

NEEDS_A_PERSON: Final = 78
"""Starting again would end the same way: unusable settings, another cluster, records gone from the log."""
