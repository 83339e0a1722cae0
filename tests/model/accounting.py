"""Inventory's books, kept a second time by other means: only from commands and the facts that were said about them.

Nothing of `consumers.inventory` is used here. Every line of every order has a life (held, then released, expired or
committed ...) and every SKU its sums; a fact that does not fit into them, or a refusal where the stock was there, is
an AccountingError. These are invariants 1 to 4 of docs/guarantees.md, as an oracle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from consumers.errors import RefusedError
from schemas import messages as m
from tests.model.sense import content, is_in_window, kinds, makes_sense, require

Key = tuple[str, int, str]

HELD, COMMITTED, RELEASED, EXPIRED = "held", "committed", "released", "expired"
RETURNED, SHIPPED = "returned", "shipped"
COUNTED: Final = frozenset({HELD, COMMITTED, SHIPPED})
LONGEST_HOLD_MS: Final = 3_600_000


class Books:
    """One partition's, or one whole shop's, accounts. Amounts are in units; `end_of` is in ms since the epoch.

    `came_back` are lines that were returned after they had been shipped.
    """

    def __init__(self) -> None:
        self.on_hand: Counter[str] = Counter()
        self.reserved: Counter[str] = Counter()
        self.allocated: Counter[str] = Counter()
        self.quarantined: Counter[str] = Counter()
        self.life: dict[Key, str] = {}
        self.quantity: dict[Key, int] = {}
        self.end_of: dict[Key, int] = {}
        self.customer: dict[Key, str] = {}
        self.cart: dict[Key, str] = {}
        self.counted: set[Key] = set()
        self.limit: dict[str, int] = {}
        self.suspended: set[str] = set()
        self.retired: set[str] = set()
        self.known: dict[tuple[str, str], tuple[Any, ...] | None] = {}
        self.skus: set[str] = set()
        self.came_back: list[Key] = []

    def available(self, sku: str) -> int:
        return self.on_hand[sku] - self.reserved[sku] - self.allocated[sku] - self.quarantined[sku]

    def level(self, sku: str) -> tuple[int, int, int, int]:
        return self.on_hand[sku], self.reserved[sku], self.allocated[sku], self.quarantined[sku]

    def bought(self, sku: str, customer: str) -> int:
        """Return what a purchase limit counts of a customer."""
        return sum(
            self.quantity[key]
            for key in self.counted
            if key[2] == sku and self.customer[key] == customer and self.life[key] in COUNTED
        )

    def apply(self, command: m.Message, outcomes: Iterable[m.Message | RefusedError], at_ms: int) -> None:
        """Enter one command and all that was said about it. Raises AccountingError where that is impossible."""
        _ANSWERED[type(command)](self, command, list(outcomes), at_ms)
        for sku in list(self.on_hand):
            on_hand, *parts = self.level(sku)
            require(min(parts) >= 0 and sum(parts) <= on_hand, "oversold", sku)
            require(sku not in self.retired or on_hand == 0, "retired with units", sku)

    # --- what each command about a line may lead to -----------------------------------------------------------------------

    def _place(self, command: m.PlaceOrderLine, facts: list[Any], at_ms: int) -> None:
        key = (command.order_id, command.line, command.sku)
        available = self.available(command.sku)
        if command.sku != " ".join(command.sku.split()):
            require(kinds(facts) == [RefusedError], "a SKU that looks like another was taken:", command, facts)
            return
        if not makes_sense(command) or not is_in_window(command.order_id, at_ms):
            require(kinds(facts) == [m.LineRejected], "nonsense was not rejected:", command, facts)
            return
        if key in self.life:
            same = self.quantity[key] == command.quantity
            require(
                kinds(facts) == [m.LineRepeated if same else m.LineCommandRefused], "a duplicate had an effect:", facts
            )
            sent = {name: getattr(command, name) for name in facts[0].__struct_fields__} if same else {}
            require(not same or facts[0] == m.LineRepeated(**sent), "another line was repeated:", facts)
            return
        peers = self._held_for_cart(command)
        if (reason := self._refusal(command, peers)) is not None:
            require(kinds(facts) == [m.LineRejected], "not rejected:", reason, command, facts)
            require((facts[0].available, facts[0].reason) == (available, reason), "wrong reason:", facts, reason)
            return
        *released, fact = facts
        require([(f.order_id, f.line, f.sku) for f in released] == peers, "replaced:", released, "held:", peers)
        for gone, peer in zip(released, peers, strict=True):
            self._one([gone], m.LineReleased, peer)
            self._end_hold(peer, RELEASED)
        require(isinstance(fact, m.LineReserved), "refused, though the stock was there:", command, facts)
        require((fact.order_id, fact.line, fact.sku, fact.quantity) == (*key, command.quantity), "another line:", fact)
        require(fact.expires_at_ms == at_ms + min(command.hold_seconds * 1000, LONGEST_HOLD_MS), "wrong end:", fact)
        self.life[key], self.quantity[key], self.end_of[key] = HELD, fact.quantity, fact.expires_at_ms
        self.customer[key], self.cart[key] = command.customer_id, command.cart_id
        if self.limit.get(command.sku):
            self.counted.add(key)
        self.reserved[key[2]] += fact.quantity

    def _refusal(self, command: m.PlaceOrderLine, peers: list[Key]) -> str | None:
        sku = command.sku
        if any(peer[0] > command.order_id for peer in peers):
            return "replaced"
        if sku in self.retired:
            return "sku_retired"
        if sku in self.suspended:
            return "sale_suspended"
        given_back = sum(self.quantity[peer] for peer in peers if peer in self.counted)
        bought = self.bought(sku, command.customer_id) - given_back
        if self.limit.get(sku) and bought + command.demand > self.limit[sku]:
            return "purchase_limit"
        freed = sum(self.quantity[peer] for peer in peers)
        if command.demand <= self.available(sku) + freed:
            return None
        return "insufficient_stock" if sku in self.skus else "unknown_sku"

    def _held_for_cart(self, command: m.PlaceOrderLine) -> list[Key]:
        """Return what other orders of the same cart hold of the SKU."""
        holder = (command.customer_id, command.cart_id)
        return sorted(
            key
            for key, stands in self.life.items()
            if command.cart_id and stands == HELD and key[2] == command.sku and key[0] != command.order_id
            if (self.customer[key], self.cart[key]) == holder
        )

    def _release(self, command: m.ReleaseLine, facts: list[Any], at_ms: int) -> None:
        key, stood = self._line(command, at_ms)
        if stood == HELD:
            self._one(facts, m.LineReleased, key)
            self._end_hold(key, RELEASED)
        else:
            require(kinds(facts) in ([], [m.LineCommandRefused]), "released, but it is", stood, facts)

    def _commit(self, command: m.CommitLine, facts: list[Any], at_ms: int) -> None:
        key, stood = self._line(command, at_ms)
        if stood in (COMMITTED, SHIPPED):
            require(facts == [], "committed twice:", facts)
        elif stood == HELD:
            self._one(facts, m.LineCommitted, key)
            self._end_hold(key, COMMITTED)
            self.allocated[key[2]] += self.quantity[key]
        elif stood == EXPIRED and (reason := self._no_retake(key)) is None:
            self._one(facts, m.LineCommitted, key)
            self.life[key] = COMMITTED
            self.allocated[key[2]] += self.quantity[key]
        else:
            require(kinds(facts) == [m.LineCommitFailed], "committed, but it is", stood, facts)
            require(stood != EXPIRED or facts[0].reason == reason, "wrong reason:", facts)

    def _no_retake(self, key: Key) -> str | None:
        sku, quantity = key[2], self.quantity[key]
        if quantity > self.available(sku):
            return "insufficient_stock"
        if sku in self.suspended:
            return "sale_suspended"
        limit = self.limit.get(sku, 0) if key in self.counted else 0
        return "purchase_limit" if limit and self.bought(sku, self.customer[key]) + quantity > limit else None

    def _ship(self, command: m.ShipLine, facts: list[Any], at_ms: int) -> None:
        key, stood = self._line(command, at_ms)
        if stood == COMMITTED:
            self._one(facts, m.LineShipped, key)
            self.life[key] = SHIPPED
            self.allocated[key[2]] -= self.quantity[key]
            self.on_hand[key[2]] -= self.quantity[key]
        else:
            require(kinds(facts) == [m.LineCommandRefused], "shipped, but", stood, facts)

    def _return(self, command: m.ReturnLine, facts: list[Any], at_ms: int) -> None:
        key, stood = self._line(command, at_ms)
        if stood not in (COMMITTED, SHIPPED):
            require(kinds(facts) == [m.LineCommandRefused], "returned, but it is", stood, facts)
            return
        self._one(facts, m.LineReturned, key)
        self.life[key] = RETURNED
        if stood == COMMITTED:
            self.allocated[key[2]] -= self.quantity[key]
        else:
            self.came_back.append(key)
            self.on_hand[key[2]] += self.quantity[key]
            self.retired.discard(key[2])
        if command.disposition == "quarantine":
            self.quarantined[key[2]] += self.quantity[key]

    def _expire(self, command: m.ExpireHolds, facts: list[Any], at_ms: int) -> None:
        as_of_ms = min(command.as_of_ms, at_ms)
        over = sorted((self.end_of[key], key) for key, stands in self.life.items() if stands == HELD)
        due = [key for end, key in over if end <= as_of_ms][: max(0, command.limit)]
        require([(fact.order_id, fact.line, fact.sku) for fact in facts] == due, "ended:", facts, "due:", due)
        for fact, key in zip(facts, due, strict=True):
            self._one([fact], m.LineExpired, key)
            self._end_hold(key, EXPIRED)

    # --- commands about a SKU itself --------------------------------------------------------------------------------------

    def _stock(self, command: Any, facts: list[Any], at_ms: int) -> None:
        del at_ms
        name = (command.command_id, command.sku)
        if name in self.known:
            same = self.known[name] == content(command)
            require(kinds(facts) == ([] if same else [RefusedError]), "done twice, or swallowed:", command, facts)
            return
        if self._is_impossible(command):
            self.known[name] = None  # whatever comes under this id stays refused
            require(kinds(facts) == [RefusedError], "not refused:", command, facts)
            return
        self.known[name] = content(command)
        self.skus.add(command.sku)
        require(facts == [], "a stock command publishes nothing about lines:", facts)
        sku = command.sku
        match command:
            case m.ReceiveStock(quantity=units) | m.AdjustStock(change=units):
                self.on_hand[sku] += units
                if units > 0:
                    self.retired.discard(sku)
            case m.ClearQuarantine():
                self.quarantined[sku] -= command.quantity
                self.on_hand[sku] -= command.quantity if command.disposition == "scrap" else 0
            case m.SetPurchaseLimit():
                self.limit[sku] = command.limit
            case m.SuspendSale():
                self.suspended.add(sku)
            case m.ResumeSale():
                self.suspended.discard(sku)
            case m.RetireSku():
                self.retired.add(sku)

    def _is_impossible(self, command: Any) -> bool:
        match command:
            case m.AdjustStock():
                return bool(self.available(command.sku) + command.change < 0)
            case m.ClearQuarantine():
                return bool(command.quantity > self.quarantined[command.sku])
            case m.RetireSku():
                return command.sku not in self.skus or self.on_hand[command.sku] > 0
            case m.SetPurchaseLimit() | m.SuspendSale():
                return command.sku not in self.skus and not command.even_if_unknown
            case m.ResumeSale():
                return command.sku not in self.skus
        return False

    # --- entries ----------------------------------------------------------------------------------------------------------

    def _line(
        self, command: m.ReleaseLine | m.CommitLine | m.ShipLine | m.ReturnLine, at_ms: int
    ) -> tuple[Key, str | None]:
        key = (command.order_id, command.line, command.sku)
        return key, self.life.get(key) if is_in_window(command.order_id, at_ms) else None

    def _one(self, facts: list[Any], kind: type[m.Message], key: Key) -> None:
        require(kinds(facts) == [kind], "expected one", kind.__name__, "but:", facts)
        fact = facts[0]
        reported = (fact.order_id, fact.line, fact.sku, fact.quantity)
        require(reported == (*key, self.quantity[key]), "about another line:", fact)

    def _end_hold(self, key: Key, stands: str) -> None:
        self.life[key] = stands
        self.reserved[key[2]] -= self.quantity[key]


_ANSWERED: Final[dict[type[m.Message], Callable[..., None]]] = {
    m.PlaceOrderLine: Books._place,
    m.ReleaseLine: Books._release,
    m.CommitLine: Books._commit,
    m.ShipLine: Books._ship,
    m.ReturnLine: Books._return,
    m.ExpireHolds: Books._expire,
    m.ReceiveStock: Books._stock,
    m.AdjustStock: Books._stock,
    m.ClearQuarantine: Books._stock,
    m.SetPurchaseLimit: Books._stock,
    m.SuspendSale: Books._stock,
    m.ResumeSale: Books._stock,
    m.RetireSku: Books._stock,
}
