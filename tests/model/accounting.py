"""Inventory's books, kept a second time by other means: only from commands and the facts that were said about them.

Nothing of `consumers.inventory` is used here. Every line of every order has a life (held, then released, expired or
committed ...) and every SKU three sums; a fact that does not fit into them, or a refusal where the stock was there, is
an AccountingError. This is DESIGN 6, invariants 1 to 4, as an oracle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from schemas import messages as m

Key = tuple[str, int, str]

HELD, COMMITTED, RELEASED, EXPIRED, RETURNED = "held", "committed", "released", "expired", "returned"
LONGEST_HOLD_MS: Final = 3_600_000


class AccountingError(AssertionError):
    """What was said cannot be true."""


def _holds(truth: bool, *what: object) -> None:
    if not truth:
        raise AccountingError(" ".join(map(str, what)))


class Books:
    """One partition's, or one whole shop's, accounts. Amounts are in units; `end_of` is in ms since the epoch."""

    def __init__(self) -> None:
        self.received: dict[str, int] = {}
        self.reserved: dict[str, int] = {}
        self.allocated: dict[str, int] = {}
        self.life: dict[Key, str] = {}
        self.quantity: dict[Key, int] = {}
        self.end_of: dict[Key, int] = {}
        self.deliveries: set[tuple[str, str]] = set()

    def available(self, sku: str) -> int:
        return self.received.get(sku, 0) - self.reserved.get(sku, 0) - self.allocated.get(sku, 0)

    def hear(self, command: m.Message, said: Iterable[m.Message], at_ms: int) -> None:
        """Enter one command and all that was said about it. Raises AccountingError where that is impossible."""
        facts = list(said)
        _ANSWERED[type(command)](self, command, facts, at_ms)
        for sku in {fact.sku for fact in facts}:  # type: ignore[attr-defined]  # all facts about lines have one
            self._check(sku)

    def _check(self, sku: str) -> None:
        reserved, allocated = self.reserved.get(sku, 0), self.allocated.get(sku, 0)
        _holds(reserved >= 0 <= allocated and reserved + allocated <= self.received.get(sku, 0), "oversold", sku)

    # --- what each command may lead to ------------------------------------------------------------------------------------

    def _place(self, command: m.PlaceOrderLine, facts: list[Any], at_ms: int) -> None:
        key = (command.order_id, command.line, command.sku)
        available = self.available(command.sku)
        if not _makes_sense(command):
            _holds(_kinds(facts) == [m.LineRejected], "nonsense was not rejected:", command, facts)
            return
        if key in self.life:
            same = self.quantity[key] == command.quantity
            _holds(_kinds(facts) == ([] if same else [m.LineCommandRefused]), "a duplicate had an effect:", facts)
            return
        if command.demand > available:
            _holds(_kinds(facts) == [m.LineRejected], "what was not there was not rejected:", command, facts)
            _holds(facts[0].available == available and facts[0].reason == "insufficient_stock", "wrong reason", facts)
            return
        _holds(_kinds(facts) == [m.LineReserved], "refused, though the stock was there:", command, facts)
        fact = facts[0]
        _holds((fact.order_id, fact.line, fact.sku, fact.quantity) == (*key, command.quantity), "another line:", fact)
        _holds(fact.expires_at_ms == at_ms + min(command.hold_seconds * 1000, LONGEST_HOLD_MS), "wrong end:", fact)
        self.life[key], self.quantity[key], self.end_of[key] = HELD, fact.quantity, fact.expires_at_ms
        self.reserved[key[2]] = self.reserved.get(key[2], 0) + fact.quantity

    def _release(self, command: m.ReleaseLine, facts: list[Any], at_ms: int) -> None:
        del at_ms
        key, stood = self._line(command)
        if stood == HELD:
            self._one(facts, m.LineReleased, key)
            self._end_hold(key, RELEASED)
        else:
            _holds(_kinds(facts) in ([], [m.LineCommandRefused]), "released, but it is", stood, facts)

    def _commit(self, command: m.CommitLine, facts: list[Any], at_ms: int) -> None:
        del at_ms
        key, stood = self._line(command)
        if stood == COMMITTED:
            _holds(facts == [], "committed twice:", facts)
        elif stood == HELD:
            self._one(facts, m.LineCommitted, key)
            self._end_hold(key, COMMITTED)
            self._allocate(key)
        elif stood == EXPIRED and self.quantity[key] <= self.available(key[2]):
            self._one(facts, m.LineCommitted, key)
            self._allocate(key)
        else:
            _holds(_kinds(facts) == [m.LineCommitFailed], "committed, but it is", stood, facts)
            _holds((facts[0].reason == "insufficient_stock") is (stood == EXPIRED), "wrong reason:", facts)

    def _return(self, command: m.ReturnLine, facts: list[Any], at_ms: int) -> None:
        del at_ms
        key, stood = self._line(command)
        if stood == COMMITTED:
            self._one(facts, m.LineReturned, key)
            self.life[key] = RETURNED
            self.allocated[key[2]] -= self.quantity[key]
        else:
            _holds(_kinds(facts) in ([], [m.LineCommandRefused]), "returned, but it is", stood, facts)

    def _receive(self, command: m.ReceiveStock, facts: list[Any], at_ms: int) -> None:
        del at_ms
        _holds(facts == [], "a receipt says nothing about lines:", facts)
        delivery = (command.command_id, command.sku)
        if delivery not in self.deliveries:
            self.deliveries.add(delivery)
            self.received[command.sku] = self.received.get(command.sku, 0) + command.quantity

    def _expire(self, command: m.ExpireHolds, facts: list[Any], at_ms: int) -> None:
        as_of_ms = min(command.as_of_ms, at_ms)
        over = sorted((self.end_of[key], key) for key, stands in self.life.items() if stands == HELD)
        due = [key for end, key in over if end <= as_of_ms][: max(0, command.limit)]
        _holds([(fact.order_id, fact.line, fact.sku) for fact in facts] == due, "ended:", facts, "due:", due)
        for fact, key in zip(facts, due, strict=True):
            self._one([fact], m.LineExpired, key)
            self._end_hold(key, EXPIRED)

    # --- entries ----------------------------------------------------------------------------------------------------------

    def _line(self, command: m.ReleaseLine | m.CommitLine | m.ReturnLine) -> tuple[Key, str | None]:
        key = (command.order_id, command.line, command.sku)
        return key, self.life.get(key)

    def _one(self, facts: list[Any], kind: type[m.Message], key: Key) -> None:
        _holds(_kinds(facts) == [kind], "expected one", kind.__name__, "but:", facts)
        fact = facts[0]
        told = (fact.order_id, fact.line, fact.sku, fact.quantity)
        _holds(told == (*key, self.quantity[key]), "about another line:", fact)

    def _end_hold(self, key: Key, stands: str) -> None:
        self.life[key] = stands
        self.reserved[key[2]] -= self.quantity[key]

    def _allocate(self, key: Key) -> None:
        self.life[key] = COMMITTED
        self.allocated[key[2]] = self.allocated.get(key[2], 0) + self.quantity[key]


def _kinds(facts: list[Any]) -> list[type[m.Message]]:
    return [type(fact) for fact in facts]


def _makes_sense(command: m.PlaceOrderLine) -> bool:
    return (
        1 <= command.quantity <= command.demand <= 1_000_000
        and 1 <= command.line <= command.line_count <= 2_000
        and 0 <= command.unit_price_minor <= 10**9
        and command.hold_seconds > 0
    )


_ANSWERED: Final[dict[type[m.Message], Callable[..., None]]] = {
    m.PlaceOrderLine: Books._place,
    m.ReleaseLine: Books._release,
    m.CommitLine: Books._commit,
    m.ReturnLine: Books._return,
    m.ReceiveStock: Books._receive,
    m.ExpireHolds: Books._expire,
}
