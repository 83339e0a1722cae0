"""Every command that a client can send, one struct each; what it means and how it is refused: docs/guides/orders.md.

Each takes effect once for the ids that it names, however often it is sent.
"""

from producers.clients.catalogue import archive_product, commands_for, publish_product, put_product, set_price
from producers.clients.stock import new_command_id
from schemas.messages import (
    AdjustStock,
    ApproveReturn,
    ArchiveProduct,
    CancelOrder,
    ClearQuarantine,
    ConfirmDelivery,
    PublishProduct,
    PutProduct,
    ReceiveReturn,
    ReceiveStock,
    RefundOrder,
    RefuseReturn,
    ReportLostParcel,
    RequestReturn,
    ResolveOrder,
    ResumeSale,
    RetireSku,
    RetryOrder,
    SetPrice,
    SetPurchaseLimit,
    ShipOrder,
    SuspendSale,
)

__all__ = [
    "AdjustStock",
    "ApproveReturn",
    "ArchiveProduct",
    "CancelOrder",
    "ClearQuarantine",
    "ConfirmDelivery",
    "PublishProduct",
    "PutProduct",
    "ReceiveReturn",
    "ReceiveStock",
    "RefundOrder",
    "RefuseReturn",
    "ReportLostParcel",
    "RequestReturn",
    "ResolveOrder",
    "ResumeSale",
    "RetireSku",
    "RetryOrder",
    "SetPrice",
    "SetPurchaseLimit",
    "ShipOrder",
    "SuspendSale",
    "archive_product",
    "commands_for",
    "new_command_id",
    "publish_product",
    "put_product",
    "set_price",
]
