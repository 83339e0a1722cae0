"""The ranges of source topics that version 0 of the rules decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topology.rules import UNVERSIONED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.ops.audit.report import Tally


class UnversionedRanges:
    """For each source topic and partition the offset below which version 0 decided."""

    def __init__(self) -> None:
        self._below: dict[tuple[str, int], int] = {}

    def add(self, partition: int, below_by_source: Mapping[str, int]) -> None:
        """Take in what a replay of the partition found, by source topic."""
        for source, below in below_by_source.items():
            self._below[source, partition] = max(below, self.below(source, partition))

    def below(self, source: str, partition: int) -> int:
        """Return the first offset of the partition that another version decided."""
        return self._below.get((source, partition), 0)

    def report(self, tally: Tally) -> None:
        """Name the ranges: where the present rules differ, facts and sums are checked."""
        if self._below:
            ranges = ", ".join(f"{source}/{p} [0, {below})" for (source, p), below in sorted(self._below.items()))
            tally.example(
                f"Version {UNVERSIONED} of the rules decided {ranges}: where the present version decides otherwise, what was "
                "published and its sums are checked. `lastunit rules show` lists what is in force"
            )
