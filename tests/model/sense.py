"""What a fact or a command must be like to make sense, decided without the product's own code."""

from __future__ import annotations

from typing import Any, Final

from schemas import messages as m
from schemas.ids import order_id_ms
from schemas.money import CURRENCIES
from schemas.terms import CAPTURE_AT_SHIPPING, TERMS

DAY_MS: Final = 86_400_000


class AccountingError(AssertionError):
    """What was said cannot be true."""


def require(truth: bool, *what: object) -> None:
    if not truth:
        raise AccountingError(" ".join(map(str, what)))


def content(command: Any) -> tuple[Any, ...]:
    """Return what a repeat of a stock command must be the same in: all of it but the flag."""
    return type(command), *(getattr(command, name) for name in command.__struct_fields__ if name != "even_if_unknown")


def kinds(facts: list[Any]) -> list[type]:
    return [type(fact) for fact in facts]


def is_in_window(order_id: str, at_ms: int) -> bool:
    return at_ms - 120 * DAY_MS <= order_id_ms(order_id) <= at_ms + DAY_MS


def makes_sense(command: m.PlaceOrderLine) -> bool:
    return (
        1 <= command.quantity <= command.demand <= 1_000_000
        and 1 <= command.line <= command.line_count <= 2_000
        and 0 <= command.unit_price_minor <= 10**9
        and 0 <= command.discount_minor <= command.quantity * command.unit_price_minor
        and 0 <= command.tax_minor <= command.quantity * command.unit_price_minor
        and 0 <= command.shipping_minor <= (0 if CAPTURE_AT_SHIPPING in command.terms else 10**9)
        and command.hold_seconds > 0
        and command.currency in CURRENCIES
        and (not command.terms or command.terms in TERMS)
    )
