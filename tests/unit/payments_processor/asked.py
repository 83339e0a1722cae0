"""An operation as the payments room asks for it."""

from __future__ import annotations

from typing import Any

import msgspec

from consumers.payments.processor import Operation, OperationKind
from schemas.ids import new_order_id

ORDER_ID = new_order_id()


def asked(kind: OperationKind, **changes: Any) -> Operation:
    """Return an operation of the one order that these tests are about."""
    usual = Operation(
        operation_id=f"{ORDER_ID}:{kind.value}",
        order_id=ORDER_ID,
        kind=kind,
        amount_minor=500,
        currency="GBP",
        payment_token="pm_card_visa",
        customer_id="customer-1",
        authorization_id="",
    )
    return msgspec.structs.replace(usual, **changes)
