"""What the outside sends in one case: orders that compete for a few units, deliveries, and mistakes."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from schemas import messages as m
from schemas.terms import CAPTURE_AT_SHIPPING, SHIP_AVAILABLE
from tests.model.dice import Pick

SKUS: Final = ("MUG", "TEE", "HAT")
ORDER_IDS: Final = tuple(f"01a0bf2a-1000-7c3e-8f00-00000000000{n}" for n in range(1, 6))
NOBODYS_ORDER: Final = ORDER_IDS[-1]
"""No order of a case has this id: at most four are placed."""
HOLD_SECONDS: Final = (10, 1, 3)
_TERMS: Final = ("", "", "", SHIP_AVAILABLE, CAPTURE_AT_SHIPPING, f"{SHIP_AVAILABLE} {CAPTURE_AT_SHIPPING}")


def sendings(pick: Pick) -> list[m.Message]:
    """Return the commands of a case, in no particular order."""
    messages: list[m.Message] = [
        m.ReceiveStock(f"delivery of {sku} {n}", sku, 1 + pick(5)) for sku in SKUS for n in range(pick(3) or pick(2))
    ]
    if pick(3) == 1:
        messages += [_rule(n, SKUS[pick(3)], pick) for n in range(1 + pick(3))]
    if messages and pick(8) == 1:
        messages.append(_again(messages[pick(len(messages))], pick))
    for order_id in ORDER_IDS[: 1 + pick(4)]:
        lines = order(order_id, pick)
        messages += lines
        if pick(12) == 1:
            messages.remove(lines[pick(len(lines))])
        if pick(10) == 1:
            lines.append(_contradicted(lines[pick(len(lines))], pick))
            messages.append(lines[-1])
        if pick(8) == 1:
            messages.append(_meddling(lines[pick(len(lines))], pick))
        if pick(6) == 1:
            messages.append(m.CancelOrder(order_id, ("customer", "merchant")[pick(2)], "changed my mind"))
        if pick(16) == 1:
            messages.append(_too_early(order_id, pick))
    if pick(12) == 1:
        messages.append(_too_early(NOBODYS_ORDER, pick))
    return messages


def _again(command: Any, pick: Pick) -> m.Message:
    """Return a stock command once more, the same or with other content under its id."""
    changed: tuple[dict[str, Any], ...] = ({}, {"quantity": 7}, {"change": 7}, {"reason": "another"}, {"limit": 7})
    other = changed[pick(5)]
    again: m.Message = msgspec.structs.replace(
        command, **{name: to for name, to in other.items() if hasattr(command, name)}
    )
    return again


def _rule(number: int, sku: str, pick: Pick) -> m.Message:
    """Return what a warehouse or a shopkeeper might say about a SKU."""
    command_id = f"rule {number}"
    rules: tuple[m.Message, ...] = (
        m.AdjustStock(command_id, sku, 1, "found"),
        m.AdjustStock(command_id, sku, -1, "lost"),
        m.SetPurchaseLimit(command_id, sku, 1 + pick(2), pick(2)),
        m.SuspendSale(command_id, sku, "recall", pick(2)),
        m.ResumeSale(command_id, sku),
        m.RetireSku(command_id, sku),
        m.RetireSku(command_id, sku),
    )
    return rules[pick(len(rules))]


def order(order_id: str, pick: Pick) -> list[m.PlaceOrderLine]:
    """Return an order's lines; two may name one SKU, and are then judged on their sum."""
    count = 1 + (pick(4) if pick(3) == 1 else pick(2))
    wanted = [(SKUS[pick(3)], 1 + (pick(4) == 1)) for _ in range(count)]
    hold_seconds = HOLD_SECONDS[pick(3)]
    cart_id = "cart" if pick(4) == 1 else ""
    terms = _TERMS[pick(len(_TERMS))]
    charges = _charges(sum(quantity for _, quantity in wanted) + hold_seconds, terms)
    return [
        m.PlaceOrderLine(
            order_id,
            number,
            count,
            sku,
            quantity,
            sum(q for other, q in wanted[number - 1 :] if other == sku),
            100 + number,
            "EUR",
            "ann",
            "tok_ann",
            hold_seconds,
            cart_id,
            terms,
            "",
            *charges,
        )
        for number, (sku, quantity) in enumerate(wanted, start=1)
    ]


def _charges(seed: int, terms: str) -> tuple[int, int, int]:
    """Return discount, tax and shipping of each line; often there are none, and no shipping with captures at shipping."""
    shipping_minor = 0 if CAPTURE_AT_SHIPPING in terms.split() else (0, 45)[seed % 2]
    return (0, 7, 101)[seed % 3], (0, 3)[seed // 2 % 2], shipping_minor


def _contradicted(line: m.PlaceOrderLine, pick: Pick) -> m.PlaceOrderLine:
    """Return the line once more, as somebody sends it who has lost the first version."""
    changed = (
        {"sku": SKUS[pick(3)]},
        {"quantity": line.quantity + 1, "demand": line.demand + 1},
        {"line_count": line.line_count + 1},
        {"customer_id": "bea"},
        {"quantity": 0},
        {"terms": CAPTURE_AT_SHIPPING},
        {"terms": SHIP_AVAILABLE},
        {"unit_price_minor": line.unit_price_minor + 1},
        {"currency": ("GBP", "XXX")[pick(2)]},
        {"payment_token": "tok_bea"},
        {"sku": f"{line.sku} "},
        {"discount_minor": line.discount_minor + 1},
        {"tax_minor": line.tax_minor + 1},
        {"shipping_minor": line.shipping_minor + 1},
    )[pick(14)]
    return msgspec.structs.replace(line, **changed)


def _meddling(line: m.PlaceOrderLine, pick: Pick) -> m.Message:
    """Return what an authorised producer might say about a line that is not its business."""
    roll = pick(8)
    if roll in (1, 2):
        return m.ShipLine(line.order_id, line.line, line.sku)
    if roll in (3, 4):
        return m.ReturnLine(line.order_id, line.line, line.sku, "meddling")
    if roll in (5, 6):
        return m.CommitLine(line.order_id, line.line, line.sku)
    return m.ReleaseLine(line.order_id, line.line, line.sku, "meddling")


def _too_early(order_id: str, pick: Pick) -> m.Message:
    """Return what people might say about an order that is not ready for it, or that they mistake for another."""
    return (
        m.ShipOrder(order_id, "S0", (), "post", "T0"),
        m.ConfirmDelivery(order_id, "S1"),
        m.ReportLostParcel(order_id, "S1", "lost"),
        m.RequestReturn(order_id, "B0", (), "too small"),
        m.ApproveReturn(order_id, "B1"),
        m.ReceiveReturn(order_id, "B1", ()),
        m.RefundOrder(order_id, "R0", 50, "kindness"),
        m.RetryOrder(order_id, "support"),
        m.ResolveOrder(order_id, "support", "paid back by hand"),
    )[pick(9)]
