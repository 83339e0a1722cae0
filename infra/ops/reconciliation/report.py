"""What a comparison of both books came to: totals by currency, and every difference by name, up to a number of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from consumers.payments.ledger import Sums

if TYPE_CHECKING:
    from infra.ops.reconciliation.plan import Books, Difference, Orphan

SUCCEEDED = "succeeded"
BOOKED = "booked"


class Total(msgspec.Struct):
    """The sums of all payments that were compared, in one currency."""

    ours: Sums = Sums()
    processor: Sums = Sums()


class OrphanFound(msgspec.Struct, frozen=True):
    """A payment that only the processor knows; `result` is what came of giving it back, empty where that was not asked for."""

    orphan: Orphan
    result: str


class Report(msgspec.Struct):
    """Counts of payments, and what was found. At most `most` differences and as many orphans are kept by name.

    `under_way`: not compared, since something is on its way for them. `forgotten`: of weeks that were dropped whole.
    `strangers` name no order of ours: another system made them. `given_back` moved nothing, or nothing is left of it.
    """

    most: int
    compared: int = 0
    under_way: int = 0
    forgotten: int = 0
    strangers: int = 0
    given_back: int = 0
    totals: dict[str, Total] = msgspec.field(default_factory=dict)
    differences: list[Difference] = msgspec.field(default_factory=list)
    more_differences: int = 0
    orphans: list[OrphanFound] = msgspec.field(default_factory=list)
    more_orphans: int = 0
    holds: bool = True

    def compare(self, books: Books, processor: Books | None) -> None:
        """Add one payment to the totals, each side in its own currency."""
        self.compared += 1
        total = self.totals.setdefault(books.currency, Total())
        total.ours = total.ours.plus(books.sums)
        if processor is not None:
            total = self.totals.setdefault(processor.currency, Total())
            total.processor = total.processor.plus(processor.sums)

    def differ(self, difference: Difference) -> None:
        """Name a difference; what was booked is none any more."""
        self.holds &= difference.result == BOOKED
        if len(self.differences) < self.most:
            self.differences.append(difference)
        else:
            self.more_differences += 1

    def find(self, orphan: OrphanFound) -> None:
        """Name a payment that only the processor knows."""
        self.holds &= orphan.result == SUCCEEDED
        if len(self.orphans) < self.most:
            self.orphans.append(orphan)
        else:
            self.more_orphans += 1
