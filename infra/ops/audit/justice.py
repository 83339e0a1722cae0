"""Whether a refusal had its reason, by the audit's own books: each reason names a fact, and the fact must have been there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from schemas import messages as m

if TYPE_CHECKING:
    from infra.ops.audit.accounts import Account


class Case(NamedTuple):
    """One refused line: the SKU's account then, and what its customer wanted, would have freed and had (`bought`)."""

    fact: m.LineRejected | m.LineCommitFailed
    account: Account
    wanted: int
    freed: int
    bought: int
    later_order: bool


def excuse_for_line(case: Case) -> str | None:
    """Say what was wrong with a refusal; None for one that was justified or whose reason is no matter of stock."""
    account, sku = case.account, case.fact.sku
    available = account.available + case.freed
    match case.fact.reason:
        case "insufficient_stock" if available >= case.wanted:
            return f"{case.wanted} of {sku} when {available} were available"
        case "purchase_limit" if not account.limit or case.bought + case.wanted <= account.limit:
            limit = account.limit or "none"
            return f"{case.wanted} of {sku} by a limit of {limit} when {case.bought} were counted"
        case "sale_suspended" if not account.suspended:
            return f"{sku} as suspended, which it was not"
        case "sku_retired" if not account.retired:
            return f"{sku} as retired, which it was not"
        case "replaced" if not case.later_order:
            return f"{sku} as replaced, but no later order of its cart held any"
    return None


def excuse_for_stock_command(command: Any, account: Account) -> str | None:
    """Say what was wrong with refusing a stock command; None where it could not be done."""
    name = f"{type(command).__name__} {command.command_id} of {command.sku} was refused"
    match command:
        case m.AdjustStock() if account.available + command.change >= 0:
            return f"{name}, though {account.available} units were available for {command.change:+d}"
        case m.ClearQuarantine() if command.quantity <= account.quarantined:
            return f"{name}, though {account.quarantined} units were quarantined"
        case m.RetireSku() if account.on_hand == 0:
            return f"{name}, though nothing was on hand"
    return None
