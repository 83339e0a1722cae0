"""One SKU's units as the facts leave them, and whether a refusal had its reason: each names a fact that must have been there."""

from __future__ import annotations

from collections import Counter
from enum import Enum, auto
from typing import Any, Final, NamedTuple

import msgspec

from consumers.inventory.state import QUARANTINE, SCRAP
from schemas import messages as m

Key = tuple[str, int, str]
Cart = tuple[str, str, str]
"""(customer, cart, SKU)"""


class LineState(Enum):
    """Where a line's units are, by the facts."""

    HELD = auto()
    SOLD = auto()
    SHIPPED = auto()
    GIVEN_BACK = auto()
    EXPIRED = auto()


COUNTED: Final = frozenset({LineState.HELD, LineState.SOLD, LineState.SHIPPED})
"""Where a line counts against a purchase limit."""


class Line(msgspec.Struct):
    """One order line; `counts` is whether a purchase limit counts its units."""

    state: LineState
    quantity: int
    customer: str
    cart: Cart
    counts: bool


class Account(msgspec.Struct):
    """One SKU's units by the facts so far, how it may be sold, and what its limit has counted by customer."""

    on_hand: int = 0
    held: int = 0
    sold: int = 0
    quarantined: int = 0
    limit: int = 0
    suspended: bool = False
    retired: bool = False
    known: bool = False
    bought: Counter[str] = msgspec.field(default_factory=Counter)

    @property
    def available(self) -> int:
        """Units that nobody has."""
        return self.on_hand - self.held - self.sold - self.quarantined


def apply(command: Any, account: Account) -> None:
    """Carry out an accepted stock command."""
    account.known = True
    match command:
        case m.ReceiveStock(quantity=units) | m.AdjustStock(change=units):
            account.on_hand += units
            account.retired = account.retired and units <= 0
        case m.ClearQuarantine():
            account.quarantined -= command.quantity
            account.on_hand -= command.quantity if command.disposition == SCRAP else 0
        case m.SetPurchaseLimit():
            account.limit = command.limit
        case m.SuspendSale() | m.ResumeSale():
            account.suspended = isinstance(command, m.SuspendSale)
        case m.RetireSku():
            account.retired = True


def move(account: Account, line: Line, was: LineState | None, fact: m.Message) -> None:
    """Change a SKU's units by a line that came from `was` to where it is now."""

    def entered(state: LineState) -> int:
        return line.quantity * ((line.state is state) - (was is state))

    account.held += entered(LineState.HELD)
    account.sold += entered(LineState.SOLD)
    account.on_hand -= entered(LineState.SHIPPED)
    if isinstance(fact, m.LineReturned):
        account.quarantined += line.quantity if fact.disposition == QUARANTINE else 0
        account.retired = account.retired and was is not LineState.SHIPPED
    if line.counts:
        account.bought[line.customer] += line.quantity * ((line.state in COUNTED) - (was in COUNTED))


class Case(NamedTuple):
    """One refused line: the SKU's account then, and what its customer wanted, would have freed and had (`bought`)."""

    fact: m.LineRejected | m.LineCommitFailed
    account: Account
    wanted: int
    freed: int
    bought: int
    later_order: bool


def unjustified_because(case: Case) -> str | None:
    """Return what was wrong with a refusal; None for one that was justified or whose reason is no matter of stock."""
    account, sku = case.account, case.fact.sku
    available = account.available + case.freed
    match case.fact.reason:
        case "unknown_sku" if account.known:
            return f"{sku} as unknown, which it was not"
        case "insufficient_stock" if available >= case.wanted:
            return f"{case.wanted} of {sku} when {available} were available"
        case "purchase_limit" if not account.limit or case.bought + case.wanted <= account.limit:
            limit = account.limit or "none"
            return f"{case.wanted} of {sku} by a limit of {limit} when {case.bought} were counted"
        case "sale_suspended" | "sku_retired" if not _may_not_be_sold(account, case.fact.reason):
            return f"{sku} as {case.fact.reason}, which it was not"
        case "replaced" if not case.later_order:
            return f"{sku} as replaced, but no later order of its cart held any"
    return None


def _may_not_be_sold(account: Account, reason: str) -> bool:
    return account.suspended if reason == "sale_suspended" else account.retired


def stock_refusal_unjustified_because(command: Any, account: Account) -> str | None:
    """Return what was wrong with refusing a stock command; None where it could not be done."""
    name = f"{type(command).__name__} {command.command_id} of {command.sku} was refused"
    match command:
        case m.AdjustStock() if account.available + command.change >= 0:
            return f"{name}, though {account.available} units were available for {command.change:+d}"
        case m.ClearQuarantine() if command.quantity <= account.quarantined:
            return f"{name}, though {account.quarantined} units were quarantined"
        case m.RetireSku() if account.known and account.on_hand == 0:
            return f"{name}, though nothing was on hand"
        case m.SetPurchaseLimit() | m.SuspendSale() | m.ResumeSale() if account.known:
            return f"{name}, though it had had stock"
    return None
