"""The saga as data: which room reacts to which message with which, what undoes a step, and which room accepts what.

What an order, its payment and its fulfilment decide in each state is in `consumers/<room>/transitions.py`; this table
spans the rooms. Subscriptions, the diagrams in `docs/` and the check that every event is accepted by somebody derive from it.
Longer than other files, as it is read as one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from types import MappingProxyType
from typing import Any, Final

from schemas import messages as m
from topology.saga_steps import SagaStep

INTAKE: Final = "intake"
"""The room that checks what the outside asks of an order, and appends what is lawful to the orders' log. It decides nothing else."""

HAPPY_PATH: Final[Mapping[str, tuple[Any, ...]]] = MappingProxyType(
    {
        "place": ("client", m.PlaceOrderLine),
        "reserve": (m.PlaceOrderLine, "inventory", m.LineReserved, "orders", m.OrderReserved),
        "authorize": (m.OrderReserved, "payments", m.PaymentAuthorized),
        "commit": (m.PaymentAuthorized, "orders", m.CommitLine, "inventory", m.LineCommitted, "orders", m.OrderPlaced),
        "capture": (m.OrderPlaced, "payments", m.PaymentCaptured, "orders", m.OrderPaid),
        "ship": (m.ShipOrder, "fulfilment", m.ShipLine, "inventory", m.LineShipped, "fulfilment", m.OrderShipped),
        "deliver": (m.ConfirmDelivery, "fulfilment", m.OrderDelivered),
    }
)
"""An order to which nothing happens but what everybody wants: messages, and between two the room that answers the first
with the second. What payments asks of the processor re-enters the log as RecordPaymentResult in between."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """`room` answers the message `on` with one or more of `outputs`; `undone_by` is the command or event that takes it back.

    `step` is the picture that shows it, `also_in` a second one where two steps share the reaction.
    """

    room: str
    on: type[m.Message]
    outputs: tuple[type[m.Message], ...]
    _: KW_ONLY
    step: SagaStep
    also_in: SagaStep | None = None
    undone_by: type[m.Message] | None = None


NOTIFIED: Final[Mapping[type[m.Message], str]] = MappingProxyType(
    {
        m.OrderPlaced: "order.confirmed",  # under capture_at_shipping; else OrderPaid confirms it
        m.OrderPaid: "order.confirmed",
        m.OrderRejected: "order.rejected",
        m.OrderCancelled: "order.cancelled",
        m.OrderCommandRefused: "order.request_refused",
        m.PaymentRequiresAction: "payment.action_required",
        m.ShipmentShipped: "shipment.shipped",
        m.ShipmentDelivered: "shipment.delivered",
        m.ShipmentLost: "shipment.lost",
        m.LineWithdrawn: "line.withdrawn",
        m.ReturnApproved: "return.approved",
        m.ReturnRefused: "return.refused",
        m.ReturnReceived: "return.received",
        m.PaymentRefunded: "payment.refunded",
        m.PaymentResolved: "payment.refunded",  # of a void nobody is notified
        m.PaymentChangedExternally: "payment.changed_externally",
    }
)
"""What customers and other systems are notified of, and under which name."""

REACTIONS: Final[tuple[Reaction, ...]] = (
    # reserve
    Reaction(
        "inventory",
        m.PlaceOrderLine,
        (m.LineReserved, m.LineRejected, m.LineRepeated, m.LineReleased, m.LineCommandRefused),
        undone_by=m.ReleaseLine,
        step=SagaStep.RESERVE,
    ),
    Reaction("inventory", m.ReleaseLine, (m.LineReleased, m.LineCommandRefused), step=SagaStep.RESERVE),
    Reaction("inventory", m.ExpireHolds, (m.LineExpired,), step=SagaStep.RESERVE),
    # stock itself
    *(Reaction("inventory", command, (m.StockLevel,), step=SagaStep.STOCK) for command in m.SKU_COMMANDS),
    Reaction(
        "orders",
        m.LineReserved,
        (m.OrderReserved, m.OrderRejected, m.ReleaseLine),
        undone_by=m.ReleaseLine,
        step=SagaStep.RESERVE,
    ),
    Reaction("orders", m.LineRejected, (m.OrderReserved, m.OrderRejected, m.ReleaseLine), step=SagaStep.RESERVE),
    Reaction("orders", m.LineRepeated, (m.OrderCommandRefused,), step=SagaStep.RESERVE),
    Reaction("orders", m.LineReleased, (m.OrderRejected, m.ReleaseLine), step=SagaStep.RESERVE),
    Reaction("orders", m.LineExpired, (m.OrderRejected, m.ReleaseLine), step=SagaStep.RESERVE),
    # authorize
    Reaction(
        "payments",
        m.OrderReserved,
        (m.RecordPaymentResult, m.PaymentAuthorized),
        undone_by=m.PaymentVoided,
        step=SagaStep.AUTHORIZE,
    ),
    Reaction(
        "payments",
        m.RecordPaymentResult,
        (
            m.PaymentRequiresAction,
            m.PaymentAuthorized,
            m.PaymentDeclined,
            m.PaymentCaptured,
            m.PaymentCaptureFailed,
            m.PaymentVoided,
            m.PaymentVoidFailed,
            m.PaymentLapsed,
            m.PaymentRefunded,
            m.PaymentRefundFailed,
            m.RefundReduced,
            m.PaymentResolved,
            m.OrderCommandRefused,
            m.RecordPaymentResult,
        ),
        step=SagaStep.AUTHORIZE,
    ),
    # what happens at the processor without us
    Reaction("payments", m.InspectPayment, (m.RecordPaymentResult,), step=SagaStep.REFUND),
    Reaction(
        "payments",
        m.RecordPaymentInspection,
        (
            m.PaymentChangedExternally,
            m.PaymentLapsed,
            m.PaymentCaptured,
            m.PaymentCaptureFailed,
            m.PaymentVoidFailed,
            m.PaymentRefundFailed,
            m.PaymentResolved,
            m.RefundReduced,
            m.OrderCommandRefused,
            m.RecordPaymentResult,
        ),
        step=SagaStep.REFUND,
    ),
    Reaction("payments", m.EndWaits, (m.PaymentVoided, m.RecordPaymentResult), step=SagaStep.REFUND),
    # commit
    Reaction(
        "orders", m.PaymentAuthorized, (m.CommitLine, m.OrderPlaced), undone_by=m.ReturnLine, step=SagaStep.AUTHORIZE
    ),
    Reaction("orders", m.PaymentDeclined, (m.OrderRejected, m.ReleaseLine, m.ReturnLine), step=SagaStep.AUTHORIZE),
    Reaction(
        "inventory", m.CommitLine, (m.LineCommitted, m.LineCommitFailed), undone_by=m.ReturnLine, step=SagaStep.COMMIT
    ),
    Reaction(
        "inventory",
        m.ReturnLine,
        (m.LineReturned, m.LineCommandRefused),
        step=SagaStep.COMMIT,
        also_in=SagaStep.SEND_BACK,
    ),
    Reaction(
        "inventory", m.ShipLine, (m.LineShipped, m.LineCommandRefused), undone_by=m.ReturnLine, step=SagaStep.SHIP
    ),
    Reaction(
        "orders", m.LineCommitted, (m.OrderPlaced, m.OrderRejected, m.ReleaseLine, m.ReturnLine), step=SagaStep.COMMIT
    ),
    Reaction("orders", m.LineCommitFailed, (m.OrderRejected, m.ReturnLine), step=SagaStep.COMMIT),
    Reaction(
        "orders",
        m.LineReturned,
        (m.OrderRejected, m.OrderCancelled, m.ReleaseLine, m.ReturnLine),
        step=SagaStep.COMMIT,
        also_in=SagaStep.SEND_BACK,
    ),
    # capture
    Reaction(
        "payments",
        m.OrderPlaced,
        (m.RecordPaymentResult, m.PaymentCaptured, m.PaymentCaptureFailed),
        undone_by=m.PaymentRefunded,
        step=SagaStep.CAPTURE,
    ),
    Reaction("orders", m.PaymentCaptured, (m.OrderPaid,), step=SagaStep.CAPTURE),
    Reaction("orders", m.PaymentCaptureFailed, (m.OrderCancelled, m.ReturnLine), step=SagaStep.CAPTURE),
    # cancel
    Reaction(
        "orders",
        m.CancelOrder,
        (m.OrderCancelled, m.OrderCancelRequested, m.OrderCommandRefused, m.ReleaseLine, m.ReturnLine),
        step=SagaStep.CANCEL,
    ),
    Reaction(
        "fulfilment", m.OrderCancelRequested, (m.FulfilmentCancelled, m.OrderCommandRefused), step=SagaStep.CANCEL
    ),
    Reaction("orders", m.FulfilmentCancelled, (m.OrderCancelled, m.ReturnLine), step=SagaStep.CANCEL),
    # give the money back
    Reaction("payments", m.OrderRejected, (m.RecordPaymentResult,), step=SagaStep.AUTHORIZE),
    Reaction("payments", m.OrderCancelled, (m.RecordPaymentResult,), step=SagaStep.CANCEL),
    # fulfil
    Reaction("fulfilment", m.OrderPlaced, (), step=SagaStep.CAPTURE),
    Reaction("fulfilment", m.OrderPaid, (), step=SagaStep.CAPTURE),
    Reaction("fulfilment", m.OrderCancelled, (), step=SagaStep.CANCEL),
    Reaction(
        "fulfilment",
        m.ShipOrder,
        (m.ShipmentRequested, m.ShipLine, m.OrderCommandRefused, m.OrderCommandUnmatched),
        step=SagaStep.SHIP,
    ),
    Reaction(
        "payments",
        m.ShipmentRequested,
        (m.RecordPaymentResult, m.PaymentCaptured, m.PaymentCaptureFailed),
        step=SagaStep.CAPTURE,
    ),
    Reaction("fulfilment", m.PaymentCaptured, (m.ShipLine, m.RefundRequested, m.RefundReduced), step=SagaStep.CAPTURE),
    Reaction("fulfilment", m.PaymentCaptureFailed, (m.OrderCommandRefused, m.ShipmentShipped), step=SagaStep.CAPTURE),
    Reaction("fulfilment", m.PaymentLapsed, (), step=SagaStep.AUTHORIZE),
    Reaction("fulfilment", m.PaymentAuthorized, (), step=SagaStep.AUTHORIZE),
    Reaction("fulfilment", m.PaymentChangedExternally, (), step=SagaStep.REFUND),
    Reaction(
        "fulfilment",
        m.LineShipped,
        (m.ShipmentRequested, m.ShipmentShipped, m.OrderShipped, m.ReturnLine),
        step=SagaStep.SHIP,
    ),
    *(
        Reaction(
            "fulfilment",
            gone,
            (
                m.LineWithdrawn,
                m.RefundRequested,
                m.RefundReduced,
                m.ShipmentShipped,
                m.OrderShipped,
                m.OrderDelivered,
                m.OrderReturned,
                m.FulfilmentCancelled,
            ),
            step=step,
        )
        for gone, step in ((m.LineCommandRefused, SagaStep.SHIP), (m.LineReturned, SagaStep.SEND_BACK))
    ),
    Reaction("orders", m.OrderCommandUnmatched, (m.OrderCommandRefused,), step=SagaStep.SHIP, also_in=SagaStep.REFUND),
    Reaction("orders", m.OrderShipped, (), step=SagaStep.SHIP),
    Reaction("payments", m.OrderShipped, (m.RecordPaymentResult,), step=SagaStep.SHIP),
    Reaction(
        "fulfilment",
        m.ConfirmDelivery,
        (m.ShipmentDelivered, m.OrderDelivered, m.OrderCommandRefused, m.OrderCommandUnmatched),
        step=SagaStep.SHIP,
    ),
    Reaction(
        "fulfilment",
        m.ReportLostParcel,
        (
            m.ShipmentLost,
            m.RefundRequested,
            m.RefundReduced,
            m.OrderDelivered,
            m.OrderReturned,
            m.OrderCommandRefused,
            m.OrderCommandUnmatched,
        ),
        step=SagaStep.SHIP,
    ),
    Reaction("orders", m.OrderDelivered, (), step=SagaStep.SHIP),
    # send goods back
    Reaction(
        "fulfilment",
        m.RequestReturn,
        (m.ReturnRequested, m.OrderCommandRefused, m.OrderCommandUnmatched),
        step=SagaStep.SEND_BACK,
    ),
    Reaction(
        "fulfilment",
        m.ApproveReturn,
        (m.ReturnApproved, m.OrderCommandRefused, m.OrderCommandUnmatched),
        step=SagaStep.SEND_BACK,
    ),
    Reaction(
        "fulfilment",
        m.RefuseReturn,
        (m.ReturnRefused, m.OrderCommandRefused, m.OrderCommandUnmatched),
        step=SagaStep.SEND_BACK,
    ),
    Reaction(
        "fulfilment",
        m.ReceiveReturn,
        (m.ReturnReceived, m.ReturnLine, m.OrderCommandRefused, m.OrderCommandUnmatched),
        step=SagaStep.SEND_BACK,
    ),
    Reaction("orders", m.OrderReturned, (), step=SagaStep.SEND_BACK),
    # refund
    Reaction("payments", m.RefundRequested, (m.RecordPaymentResult, m.RefundReduced), step=SagaStep.REFUND),
    Reaction(
        "payments",
        m.RefundOrder,
        (m.RecordPaymentResult, m.OrderCommandRefused, m.OrderCommandUnmatched),
        step=SagaStep.REFUND,
    ),
    # when time is over, and when a person has to help
    Reaction("orders", m.EndWaits, (m.OrderRejected, m.ReleaseLine), step=SagaStep.RESERVE),
    Reaction(
        "fulfilment",
        m.EndWaits,
        (m.FulfilmentCancelled, m.ReturnLine, m.ShipmentDelivered, m.OrderDelivered, m.ReturnApproved, m.ReturnRefused),
        step=SagaStep.REFUND,
    ),
    Reaction(
        "payments",
        m.RetryOrder,
        (m.RecordPaymentResult, m.OrderCommandRefused, m.OrderCommandUnmatched),
        step=SagaStep.REFUND,
    ),
    Reaction(
        "payments",
        m.ResolveOrder,
        (
            m.PaymentResolved,
            m.PaymentDeclined,
            m.PaymentLapsed,
            m.PaymentCaptured,
            m.PaymentCaptureFailed,
            m.OrderCommandRefused,
            m.OrderCommandUnmatched,
            m.RecordPaymentResult,
        ),
        step=SagaStep.REFUND,
    ),
    # the catalogue, apart from all orders
    *(
        Reaction("catalogue", command, (event, m.Product, m.CatalogueCommandRefused), step=SagaStep.CATALOGUE)
        for command, event in zip(m.CATALOGUE_COMMANDS, m.CATALOGUE_EVENTS, strict=False)
    ),
    # notify
    *(Reaction("notifications", event, (m.OrderNotification,), step=SagaStep.NOTIFY) for event in NOTIFIED),
)

TERMINAL_FACTS: Final[Mapping[type[m.Message], SagaStep]] = MappingProxyType(
    {
        m.PaymentVoided: SagaStep.AUTHORIZE,
        m.PaymentVoidFailed: SagaStep.AUTHORIZE,
        m.PaymentRefundFailed: SagaStep.REFUND,
        m.RefundReduced: SagaStep.REFUND,
        m.RecordDeadLettered: SagaStep.REFUND,
        m.ReturnRequested: SagaStep.SEND_BACK,
        m.OrderNotification: SagaStep.NOTIFY,
        m.StockLevel: SagaStep.STOCK,
        **dict.fromkeys((*m.CATALOGUE_EVENTS, m.Product, m.ShopSignal), SagaStep.CATALOGUE),
    }
)
"""Facts that end a step: no room has to react, they stand on the timeline for people and views."""


OF_ANY_RECORD: Final = frozenset({m.RecordDeadLettered})
"""What a room publishes beside the dead letter of any record that names an order; so no reaction names it."""


def messages_accepted_by(room: str) -> frozenset[type[m.Message]]:
    """Return the messages that `room` reacts to; all others on its topics are skipped undecoded."""
    if room == INTAKE:
        return frozenset(m.ORDER_COMMANDS)
    return frozenset(reaction.on for reaction in REACTIONS if reaction.room == room)
