"""A second, simple bookkeeping of stock, kept from what was said and never by asking `decide`.

It knows only what each fact means for a SKU's units, so it finds a decision that should not have been taken even where
the replay agrees with it.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

import msgspec

from schemas import messages as m
from schemas.errors import DecodeError
from schemas.wire import decode
from topology.topics import DEAD_LETTERS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.verify.published import Said
    from infra.verify.report import Tallies
    from infra.verify.rows import InventoryRows

SCARCE: Final = "insufficient_stock"


class _Line(Enum):
    """Where a line's units are, by the facts."""

    HELD = auto()
    SOLD = auto()
    GIVEN_BACK = auto()
    EXPIRED = auto()


class Account(msgspec.Struct):
    """One SKU's units by the facts so far."""

    received: int = 0
    held: int = 0
    sold: int = 0

    @property
    def available(self) -> int:
        """Units that nobody has."""
        return self.received - self.held - self.sold


# What a line must be before a fact, and what it is after it: anything else is a command that took effect twice.
_TURNS: Final[Mapping[type[m.Message], tuple[frozenset[_Line | None], _Line]]] = {
    m.LineReserved: (frozenset({None}), _Line.HELD),
    m.LineCommitted: (frozenset({_Line.HELD, _Line.EXPIRED}), _Line.SOLD),
    m.LineReleased: (frozenset({_Line.HELD}), _Line.GIVEN_BACK),
    m.LineExpired: (frozenset({_Line.HELD}), _Line.EXPIRED),
    m.LineReturned: (frozenset({_Line.SOLD}), _Line.GIVEN_BACK),
}


class Accounts:
    """The books of one partition of inventory.commands."""

    def __init__(self, tallies: Tallies) -> None:
        self.by_sku: dict[str, Account] = {}
        self._lines: dict[tuple[str, int, str], tuple[_Line, int]] = {}
        self._receipts: set[str] = set()
        self._tallies = tallies

    def post(self, command: object, said: Sequence[Said], position: str) -> None:
        """Write down one command with what was said about it, in the order of the log."""
        if isinstance(command, m.ReceiveStock) and all(it.topic != DEAD_LETTERS.name for it in said):
            self._receive(command)
        for it in said:
            if it.topic == ORDER_EVENTS.name and (fact := _message(it)) is not None:
                self._judge_refusal(command, fact, position)
                self._turn(fact, position)

    def compare(self, rows: InventoryRows) -> None:
        """Hold the units received by the log against the stock rows, once all that they cover is written down."""
        tally = self._tallies["on_hand_is_the_sum_of_movements"]
        stored = {row.sku: row.on_hand for row in rows.stock}
        for sku in stored.keys() | self.by_sku.keys():
            by_log = self._account(sku).received
            if stored.get(sku, 0) != by_log:
                tally.breach(f"{sku}: {stored.get(sku, 0)} units are on hand, the log brought {by_log}")
        oversold = self._tallies["nothing_oversold"]
        for sku, account in self.by_sku.items():
            if account.sold > account.received:
                oversold.breach(f"{sku}: {account.sold} units were sold by the log, {account.received} received")

    def _receive(self, command: m.ReceiveStock) -> None:
        if command.command_id not in self._receipts:
            self._receipts.add(command.command_id)
            self._account(command.sku).received += command.quantity

    def _judge_refusal(self, command: object, fact: m.Message, position: str) -> None:
        if not isinstance(fact, m.LineRejected | m.LineCommitFailed):
            return
        tally = self._tallies["every_refusal_was_justified"]
        tally.count(refusals=1)
        if fact.reason != SCARCE:
            return
        tally.count(for_lack_of_stock=1)
        available = self._account(fact.sku).available
        wanted = self._wanted(command, fact)
        if available >= wanted:
            tally.breach(
                f"{position}: order {fact.order_id} line {fact.line} was refused {wanted} of {fact.sku} "
                f"when {available} were available"
            )

    def _wanted(self, command: object, fact: m.LineRejected | m.LineCommitFailed) -> int:
        if isinstance(command, m.PlaceOrderLine):
            return command.demand
        line = self._lines.get((fact.order_id, fact.line, fact.sku))
        return line[1] if line is not None else fact.quantity

    def _turn(self, fact: m.Message, position: str) -> None:
        if not isinstance(fact, m.LineReserved | m.LineCommitted | m.LineReleased | m.LineExpired | m.LineReturned):
            return
        key = (fact.order_id, fact.line, fact.sku)
        was, quantity = self._lines.get(key, (None, fact.quantity))
        before, after = _TURNS[type(fact)]
        tally = self._tallies["each_command_took_effect_once"]
        tally.figure["effects"] += 1
        if was not in before:
            state = "nothing" if was is None else was.name.lower()
            tally.breach(
                f"{position}: {type(fact).__name__} of order {key[0]} line {key[1]} {key[2]}, which was {state}"
            )
            return
        self._lines[key] = (after, quantity)
        account = self._account(fact.sku)
        account.held += quantity * ((after is _Line.HELD) - (was is _Line.HELD))
        account.sold += quantity * ((after is _Line.SOLD) - (was is _Line.SOLD))
        self._judge_level(fact.sku, account, position)

    def _judge_level(self, sku: str, account: Account, position: str) -> None:
        tally = self._tallies["stock_within_bounds"]
        tally.figure["points_in_the_log"] += 1
        if account.held < 0 or account.sold < 0 or account.available < 0:
            tally.breach(
                f"{sku} at {position}: {account.held} held and {account.sold} sold of {account.received} received"
            )

    def _account(self, sku: str) -> Account:
        return self.by_sku.setdefault(sku, Account())


def _message(said: Said) -> m.Message | None:
    """Return the message that was said; one that cannot be read is the replay's finding, not ours."""
    try:
        return decode(said.value)
    except DecodeError:
        return None
