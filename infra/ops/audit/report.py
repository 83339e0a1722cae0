"""What an audit found: one finding for each invariant, with its figures and examples of breaches."""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec

NAMES: Final = (
    "stock_within_bounds",
    "on_hand_is_the_sum_of_movements",
    "nothing_oversold",
    "every_refusal_was_justified",
    "each_command_took_effect_once",
    "every_order_is_final_or_waits",
    "money_matches_goods",
    "money_ledger_balances",
    "goods_are_where_they_should_be",
    "replay_gives_the_same_decisions",
    "no_position_decided_twice",
    "dead_letters",
    "partitions_are_ahead",
)
"""The findings' names, in the order of a report. They are stable: scripts and the demo's JSON rely on them."""

MOST_EXAMPLES: Final = 5


class Finding(msgspec.Struct, frozen=True):
    """One invariant: whether it holds, the figures behind it, and the first few breaches in words."""

    name: str
    holds: bool
    figure: dict[str, int | float]
    detail: str
    examples: list[str]


class Report(msgspec.Struct, frozen=True):
    """All findings, in the order of NAMES."""

    findings: list[Finding]

    @property
    def holds(self) -> bool:
        """Tell whether every invariant holds."""
        return all(finding.holds for finding in self.findings)

    @property
    def invariants(self) -> dict[str, bool]:
        """Return name -> whether it holds."""
        return {finding.name: finding.holds for finding in self.findings}

    @property
    def breaches(self) -> set[str]:
        """Return the names of the invariants that do not hold."""
        return {finding.name for finding in self.findings if not finding.holds}

    def finding(self, name: str) -> Finding:
        """Return one finding by its name."""
        return next(finding for finding in self.findings if finding.name == name)


class Tally:
    """A finding while it is being made: `figure` counts, `breach` collects."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.figure: Counter[str] = Counter()
        self.breaches = 0
        self.examples: list[str] = []

    def count(self, **amounts: int) -> None:
        """Add to figures. A figure once named is shown even when it is 0."""
        for name, amount in amounts.items():
            self.figure[name] += amount

    def breach(self, example: str) -> None:
        """Note one breach, in words that say what was found where."""
        self.breaches += 1
        self.example(example)

    def example(self, text: str) -> None:
        """Show a case, as long as there are few."""
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(text)

    def finding(self) -> Finding:
        """Return what was found."""
        detail = "holds" if not self.breaches else f"{self.breaches} breach{'es' if self.breaches > 1 else ''}"
        return Finding(self.name, not self.breaches, dict(self.figure), detail, self.examples)


class Tallies:
    """All findings while they are being made, by name."""

    def __init__(self) -> None:
        self._by_name = {name: Tally(name) for name in NAMES}

    def __getitem__(self, name: str) -> Tally:
        return self._by_name[name]

    def report(self) -> Report:
        """Return what was found, in the order of NAMES."""
        return Report([tally.finding() for tally in self._by_name.values()])
