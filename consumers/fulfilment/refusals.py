"""How a command about a fulfilment is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import messages as m

if TYPE_CHECKING:
    from schemas.messages import Message


def refused(command: Message, reason: str, detail: str = "") -> m.OrderCommandRefused:
    """Answer a command that changes nothing, with the reason, and with what differs where an id stands for something else."""
    order_id: str = command.order_id  # type: ignore[attr-defined]  # every command about an order has one
    return m.OrderCommandRefused(order_id, type(command).__name__, reference_of(command), reason, detail)


def reference_of(command: Message) -> str:
    """Return what a command names beside its order: a shipment or a return."""
    return getattr(command, "shipment_id", "") or getattr(command, "return_id", "")


def conflict(command: Message, **fields: tuple[object, object]) -> m.OrderCommandRefused | None:
    """Refuse a command whose id stands for something else: each field with its value then and now. None: it is the same."""
    differing = [f"{name} {then!r} was sent first, {now!r} now" for name, (then, now) in fields.items() if then != now]
    return refused(command, "conflicting_duplicate", "; ".join(differing)) if differing else None
