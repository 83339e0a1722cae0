"""What a command from outside must be before any room decides about it: the same at every door.

Clients refuse what is at fault before they publish; a record that is at fault goes to dead.letters, whole. Whether a
well-formed command can be obeyed is for the rooms to decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from schemas import messages as m
from schemas.ids import CANCELLED, OF_A_LINE, UNCOVERED, is_order_id
from schemas.limits import MAX_LINES, MAX_QUANTITY, MAX_TEXT
from schemas.texts import find_identifier_fault, find_text_fault


class Fault(NamedTuple):
    """What is wrong with a message: the short reason that dead letters carry, and a sentence that names the field."""

    reason: str
    detail: str


Rule: TypeAlias = Callable[[Any], "tuple[str, str] | None"]
"""A field's value in; the reason and what is wrong with it out, or None."""

SAGA_REFUNDS: Final = (CANCELLED, OF_A_LINE, UNCOVERED)
"""How refund ids begin that the saga gives itself: no one else's may."""
SAGA_SHIPMENTS: Final = (OF_A_LINE,)
"""How the id of a parcel begins that no command has named to fulfilment: no one else's may."""
SAGA_MOVEMENTS: Final = re.compile(r"[0-9a-f-]{36}/[0-9]+/(shipment|return)")
"""What `inventory.evolve.line_movement_id` makes: under such an id a stock command would take a line's place in the ledger."""

REQUESTERS: Final = ("customer", "merchant")
"""Who may cancel an order."""
RETURN_DISPOSITIONS: Final = ("available", "quarantine")
QUARANTINE_DISPOSITIONS: Final = ("available", "scrap")


def find_fault(message: m.Message) -> Fault | None:
    """Return the first fault of a command from outside, or None; a message without rules has none."""
    for field, rule in _rules_of(type(message)):
        value = getattr(message, field)
        if (wrong := rule(value)) is not None:
            reason, what = wrong
            return Fault(reason, f"{type(message).__name__}.{field} {what}")
    return None


@cache
def _rules_of(kind: type[m.Message]) -> tuple[tuple[str, Rule], ...]:
    if kind not in CHECKED:
        return ()
    usual = {field: _RULES[field] for field in kind.__struct_fields__ if field in _RULES}
    rules = {**usual, **_SPECIAL.get(kind, {})}
    return tuple(rules.items())


# --- rules ----------------------------------------------------------------------------------------------------------------


def _order_id(value: str) -> tuple[str, str] | None:
    return None if is_order_id(value) else ("invalid_order_id", f"is {value[:64]!r}, no UUIDv7 in canonical form")


def _identifier(value: str) -> tuple[str, str] | None:
    fault = find_identifier_fault(value)
    return None if fault is None else ("invalid_text", f"{value[:64]!r} {fault}")


def _text(value: str) -> tuple[str, str] | None:
    fault = find_text_fault(value)
    return None if fault is None else ("invalid_text", f"{value[:64]!r} {fault}")


def _stored(value: str) -> tuple[str, str] | None:
    """An id that something has already may be one that no new thing could get: what is unknown, the rooms refuse."""
    fault = None if 0 < len(value) <= MAX_TEXT and value.isprintable() else find_text_fault(value)
    return None if fault is None else ("invalid_text", f"{value[:64]!r} {fault}")


def _text_or_nothing(value: str) -> tuple[str, str] | None:
    return _text(value) if value else None


def _unless_reserved(reason: str, is_reserved: Callable[[str], object]) -> Rule:
    def rule(value: str) -> tuple[str, str] | None:
        if is_reserved(value):
            return reason, f"is {value[:64]!r}, an id that the saga gives itself; choose another"
        return _identifier(value)

    return rule


def _one_of(reason: str, values: tuple[str, ...]) -> Rule:
    def rule(value: str) -> tuple[str, str] | None:
        return None if value in values else (reason, f"is {value[:64]!r}; send {' or '.join(values)}")

    return rule


def _between(reason: str, first: int, last: int, unit: str) -> Rule:
    def rule(value: int) -> tuple[str, str] | None:
        return None if first <= value <= last else (reason, f"is {value}; send {first:,} to {last:,} {unit}")

    return rule


def _change(value: int) -> tuple[str, str] | None:
    return (
        None
        if 0 < abs(value) <= MAX_QUANTITY
        else ("invalid_quantity", f"is {value}; send 1 to {MAX_QUANTITY:,} units")
    )


def _lines(value: tuple[int, ...]) -> tuple[str, str] | None:
    for place, line in enumerate(value):
        if not 1 <= line <= MAX_LINES:
            return "invalid_lines", f"names line {line}; lines are numbered from 1 to {MAX_LINES:,}"
        if line in value[:place]:
            return "invalid_lines", f"names line {line} twice; name each once, or none for all of them"
    return None


_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "order_id": _order_id,
        "sku": _identifier,
        "command_id": _unless_reserved("reserved_command_id", SAGA_MOVEMENTS.fullmatch),
        "shipment_id": _unless_reserved("invalid_shipment_id", lambda value: value.startswith(SAGA_SHIPMENTS)),
        "return_id": _identifier,
        "refund_id": _unless_reserved("invalid_refund_id", lambda value: value.startswith(SAGA_REFUNDS)),
        "reason": _text,
        "note": _text,
        "requested_by": _text,
        "carrier": _text_or_nothing,
        "tracking": _text_or_nothing,
        "lines": _lines,
        "quantity": _between("invalid_quantity", 1, MAX_QUANTITY, "units"),
        "change": _change,
        "limit": _between("invalid_quantity", 0, MAX_QUANTITY, "units"),
        "parked_by": _identifier,
        "released": _between("invalid_count", 0, 2**31 - 1, "records"),
        "count": _between("invalid_count", 0, 2**31 - 1, "records"),
        "amount_minor": _between("invalid_amount", 1, 2**63 - 1, "minor units"),
    }
)
_SPECIAL: Final[Mapping[type[m.Message], Mapping[str, Rule]]] = MappingProxyType(
    {
        m.CancelOrder: {"requested_by": _one_of("invalid_requested_by", REQUESTERS)},
        m.ConfirmDelivery: {"shipment_id": _stored},
        m.ReportLostParcel: {"shipment_id": _stored},
        m.ApproveReturn: {"return_id": _stored},
        m.RefuseReturn: {"return_id": _stored},
        m.ReceiveReturn: {
            "return_id": _stored,
            "disposition": _one_of("invalid_disposition", RETURN_DISPOSITIONS),
        },
        m.AdjustStock: {"sku": _stored},
        m.RetireSku: {"sku": _stored},
        m.ClearQuarantine: {
            "sku": _stored,
            "disposition": _one_of("invalid_disposition", QUARANTINE_DISPOSITIONS),
        },
    }
)
_OF_THE_SYSTEM: Final = (m.RecordPaymentResult, m.InspectPayment, m.RecordPaymentInspection, m.EndWaits)
OUTSIDE_ORDER_COMMANDS: Final = tuple(command for command in m.ORDER_COMMANDS if command not in _OF_THE_SYSTEM)
CHECKED: Final[frozenset[type[m.Message]]] = frozenset({*m.SKU_COMMANDS, *OUTSIDE_ORDER_COMMANDS})
"""PlaceOrderLine is not among them: inventory checks its texts on the hot path, and its figures are rejected by an event."""
