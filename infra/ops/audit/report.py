"""What an audit found: one finding for each invariant, with its figures and examples of breaches."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

import msgspec


class Promise(NamedTuple):
    """What an invariant promises, as a sentence for people: where it holds, and where it is broken.

    `counted` names the figure that shows how much was checked, `unit` what it counts.
    """

    holds: str
    broken: str
    counted: str
    unit: str


PROMISES: Final = {
    "every_record_was_decided": Promise("Every record was decided", "Records were never decided", "records", "records"),
    "stock_within_bounds": Promise("Every level is within its bounds", "Levels are out of bounds", "skus", "SKUs"),
    "on_hand_is_the_sum_of_movements": Promise(
        "Stock equals the sum of its movements", "Stock differs from its movements", "on_hand", "units on hand"
    ),
    "nothing_oversold": Promise(
        "No unit was sold twice, none was lost", "Units were sold twice or lost", "units_sold", "units sold"
    ),
    "every_refusal_was_justified": Promise(
        "Every refusal was justified", "Refusals were not justified", "refusals", "refusals"
    ),
    "each_command_took_effect_once": Promise(
        "Each command took effect once", "Commands took effect more than once", "effects", "effects"
    ),
    "every_order_is_final_or_waits": Promise(
        "Every order is final or waits", "Orders wait for nothing", "orders", "orders"
    ),
    "money_matches_goods": Promise("Money matches goods", "Money does not match goods", "paid", "orders paid"),
    "money_ledger_balances": Promise(
        "The money ledger balances", "The money ledger does not balance", "ledgers", "payments"
    ),
    "goods_are_where_they_should_be": Promise(
        "Goods are where they should be", "Goods are not where they should be", "fulfilments", "fulfilments"
    ),
    "replay_gives_the_same_decisions": Promise(
        "Replaying gives the same decisions", "Replaying gives other decisions", "decisions", "decisions"
    ),
    "no_position_decided_twice": Promise(
        "No position was decided twice", "Positions were decided twice", "claims", "partitions"
    ),
    "notifications_are_on_their_way": Promise(
        "Notifications are on their way", "Notifications are not on their way", "deliveries", "deliveries wait"
    ),
    "timelines_have_every_event": Promise("Timelines have every event", "Timelines lack events", "orders", "timelines"),
    "dead_letters": Promise(
        "No order was lost to a dead letter", "Orders were lost to dead letters", "dead_letters", "dead letters"
    ),
    "partitions_are_ahead": Promise(
        "Weekly tables are made ahead", "Weekly tables are missing", "weeks_ahead", "weeks ahead"
    ),
}
NAMES: Final = tuple(PROMISES)
"""The findings' names, in the order of a report. They are stable: scripts and the demo's JSON rely on them."""

MOST_EXAMPLES: Final = 5


class Finding(msgspec.Struct, frozen=True):
    """One invariant: whether it holds, the figures behind it, and the first few breaches in words.

    `money` has the figures that are amounts, in minor units by currency: those of two currencies are never added up.
    """

    name: str
    holds: bool
    figure: dict[str, int | float]
    detail: str
    examples: list[str]
    money: dict[str, dict[str, int]] = {}

    @property
    def sentence(self) -> str:
        """Return what was found as a sentence."""
        promise = PROMISES[self.name]
        if self.name == "dead_letters" and not self.figure.get("dead_letters"):
            return "There are no dead letters"
        return promise.holds if self.holds else promise.broken


class Report(msgspec.Struct, frozen=True):
    """All findings, in the order of NAMES."""

    findings: list[Finding]

    @property
    def holds(self) -> bool:
        """Return whether every invariant holds."""
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
        self.money: dict[str, Counter[str]] = {}
        self.breaches = 0
        self.examples: list[str] = []

    def count(self, **amounts: int) -> None:
        """Add to figures. A figure once named is shown even when it is 0."""
        for name, amount in amounts.items():
            self.figure[name] += amount

    def count_money(self, currency: str, **amounts_minor: int) -> None:
        """Add to amounts of one currency, in its minor units."""
        self.money.setdefault(currency, Counter()).update(amounts_minor)

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
        money = {currency: dict(amounts) for currency, amounts in sorted(self.money.items())}
        return Finding(self.name, not self.breaches, dict(self.figure), detail, self.examples, money)


class Tallies:
    """All findings while they are being made, by name."""

    def __init__(self) -> None:
        self._by_name = {name: Tally(name) for name in NAMES}

    def __getitem__(self, name: str) -> Tally:
        return self._by_name[name]

    def report(self) -> Report:
        """Return what was found, in the order of NAMES."""
        return Report([tally.finding() for tally in self._by_name.values()])
