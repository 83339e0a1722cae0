"""The saga as data: who reacts to which message with which, what undoes a step, and which room reads what.

The order's own transitions are in `topology/states.py`; this table spans the rooms. Subscriptions, the diagrams in
`docs/` and the check that nobody's event goes unheard derive from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas import messages as m


@dataclass(frozen=True, slots=True)
class Reaction:
    """`room`, on hearing `on`, says one or more of `says`; `undone_by` is the command or event that takes it back."""

    room: str
    on: type[m.Message]
    says: tuple[type[m.Message], ...]
    undone_by: type[m.Message] | None = None


REACTIONS: Final[tuple[Reaction, ...]] = (
    # reserve
    Reaction(
        "inventory",
        m.PlaceOrderLine,
        (m.LineReserved, m.LineRejected, m.LineReleased, m.LineCommandRefused),
        undone_by=m.ReleaseLine,
    ),
    Reaction("inventory", m.ReleaseLine, (m.LineReleased, m.LineCommandRefused)),
    Reaction("inventory", m.ExpireHolds, (m.LineExpired,)),
    # stock itself
    Reaction("inventory", m.ReceiveStock, (m.StockLevel,)),
    Reaction("inventory", m.AdjustStock, (m.StockLevel,)),
    Reaction("inventory", m.ClearQuarantine, (m.StockLevel,)),
    Reaction("inventory", m.SetPurchaseLimit, (m.StockLevel,)),
    Reaction("inventory", m.SuspendSale, (m.StockLevel,)),
    Reaction("inventory", m.ResumeSale, (m.StockLevel,)),
    Reaction("inventory", m.RetireSku, (m.StockLevel,)),
    Reaction("orders", m.LineReserved, (m.OrderReserved, m.OrderRejected, m.ReleaseLine), undone_by=m.ReleaseLine),
    Reaction("orders", m.LineRejected, (m.OrderRejected, m.ReleaseLine)),
    Reaction("orders", m.LineReleased, (m.OrderRejected, m.ReleaseLine)),
    Reaction("orders", m.LineExpired, (m.OrderRejected, m.ReleaseLine)),
    # authorize
    Reaction("payments", m.OrderReserved, (m.RecordPaymentResult,), undone_by=m.PaymentVoided),
    Reaction(
        "payments",
        m.RecordPaymentResult,
        (
            m.PaymentAuthorized,
            m.PaymentDeclined,
            m.PaymentCaptured,
            m.PaymentCaptureFailed,
            m.PaymentVoided,
            m.PaymentVoidFailed,
            m.RecordPaymentResult,
        ),
    ),
    # commit
    Reaction("orders", m.PaymentAuthorized, (m.CommitLine, m.OrderPlaced), undone_by=m.ReturnLine),
    Reaction("orders", m.PaymentDeclined, (m.OrderRejected, m.ReleaseLine, m.ReturnLine)),
    Reaction("inventory", m.CommitLine, (m.LineCommitted, m.LineCommitFailed), undone_by=m.ReturnLine),
    Reaction("inventory", m.ReturnLine, (m.LineReturned, m.LineCommandRefused)),
    Reaction("inventory", m.ShipLine, (m.LineShipped, m.LineCommandRefused), undone_by=m.ReturnLine),
    Reaction("orders", m.LineCommitted, (m.OrderPlaced, m.OrderRejected, m.ReleaseLine, m.ReturnLine)),
    Reaction("orders", m.LineCommitFailed, (m.OrderRejected, m.ReleaseLine, m.ReturnLine)),
    Reaction("orders", m.LineReturned, (m.OrderRejected, m.ReleaseLine, m.ReturnLine)),
    # capture
    Reaction("payments", m.OrderPlaced, (m.RecordPaymentResult,)),
    Reaction("orders", m.PaymentCaptured, (m.OrderPaid,)),
    Reaction("orders", m.PaymentCaptureFailed, (m.OrderCancelled, m.ReturnLine)),
    # give the money back
    Reaction("payments", m.OrderRejected, (m.RecordPaymentResult,)),
    Reaction("payments", m.OrderCancelled, (m.RecordPaymentResult,)),
)

# Facts that end a step: nobody has to react, they stand on the timeline for people and views.
TERMINAL_FACTS: Final[frozenset[type[m.Message]]] = frozenset(
    {m.OrderPaid, m.LineShipped, m.LineCommandRefused, m.PaymentVoided, m.PaymentVoidFailed, m.StockLevel}
)


def heard_by(room: str) -> frozenset[type[m.Message]]:
    """Return the messages that `room` reacts to; all others on its topics are skipped undecoded."""
    return frozenset(reaction.on for reaction in REACTIONS if reaction.room == room)
