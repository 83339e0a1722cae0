"""What an owner reports of its batches, once for each, to whoever counts; by itself it counts nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.runtime.deciding.batch import PartitionBatch

Failure = Literal["fenced", "decided_anew"]


class Meter:
    """Takes note of batches. One becomes durable; or it fails, and what is left of it is tried again."""

    def committed(self, parts: Sequence[PartitionBatch[Any]], seconds: float) -> None:
        """Note what became durable in one statement, and how long that took."""

    def failed(self, failure: Failure) -> None:
        """Note that a batch, or a part of it, did not become durable."""
