"""An example of each message, made of the message itself: fields that are not named here get a value of their type."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, get_origin

import msgspec

from schemas import messages as m

ORDER_ID: Final = "01a22a1e-7b17-70a3-9409-503539cd8586"
COMMAND_ID: Final = "01a22a1e-9c40-7d11-8a2b-6f5e4d3c2b1a"
_AT_MS: Final = 1_795_000_000_000
_DAY_MS: Final = 24 * 60 * 60 * 1000

_USUAL: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "order_id": ORDER_ID,
        "command_id": COMMAND_ID,
        "line": 1,
        "line_count": 1,
        "sku": "MUG",
        "quantity": 2,
        "demand": 2,
        "unit_price_minor": 1_295,
        "discount_minor": 259,
        "tax_minor": 466,
        "shipping_minor": 495,
        "amount_minor": 3_292,
        "currency": "GBP",
        "customer_id": "c-7",
        "payment_token": "tok_ok",
        "hold_seconds": 900,
        "cart_id": "",
        "terms": "",
        "reference": "INV-2041",
        "reason": "customer_request",
        "detail": "",
        "disposition": "available",
        "available": 3,
        "on_hand": 5,
        "reserved": 2,
        "even_if_unknown": 0,
        "expires_at_ms": _AT_MS + 900_000,
        "until_ms": _AT_MS + 7 * _DAY_MS,
        "as_of_ms": _AT_MS,
        "at_ms": _AT_MS,
        "from_ms": _AT_MS,
        "published_at_ms": _AT_MS,
        "updated_at_ms": _AT_MS,
        "limit": 2,
        "requested_by": "customer",
        "note": "paid back by bank transfer",
        "shipment_id": "parcel-1",
        "carrier": "DHL",
        "tracking": "JJD0099",
        "return_id": "return-1",
        "refund_id": "goodwill-1",
        "authorization_id": "auth_42",
        "operation_id": f"{ORDER_ID}/authorize/1",
        "action_url": "",
        "result": "succeeded",
        "room": "orders",
        "event_id": "order.events/3/12/0",
        "product_id": "mug",
        "title": "Mug",
        "description": ("Holds a third of a litre.",),
        "product_type": "mugs",
        "category": "Kitchen/Mugs",
        "brand": "Potter",
        "slug": "mug",
        "expected_version": 0,
        "state": "published",
        "attributes": (m.Attribute("material", "stoneware"),),
        "variants": (m.Variant("MUG", "Blue"), m.Variant("MUG-RED", "Red")),
        "options": (m.VariantOption("MUG", "colour", "blue"), m.VariantOption("MUG-RED", "colour", "red")),
        "prices": (m.Price("MUG", 1_295, _AT_MS),),
        "version": 1,
        "subject": "dead.letters/0/17",
        "visitor": "v-1",
    }
)
_SPECIAL: Final[Mapping[type[m.Message], Mapping[str, Any]]] = MappingProxyType(
    {
        **{
            message: {"lines": (1,)}
            for message in (m.ShipmentRequested, m.ShipmentShipped, m.ShipmentLost, m.ReturnRequested, m.ReturnReceived)
        },
        m.AdjustStock: {"change": -1, "reason": "broken"},
        m.SuspendSale: {"reason": "recall"},
        m.ParkSku: {"reason": "a poisoned delivery"},
        m.ReleaseParked: {"parked_by": "park/4711", "count": 12},
        m.EndRelease: {"parked_by": "park/4711"},
        m.ArchiveProduct: {"reason": "no longer made"},
        m.LineRejected: {"reason": "insufficient_stock", "available": 0},
        m.LineCommitFailed: {"reason": "insufficient_stock", "available": 0},
        m.OrderRejected: {"reason": "insufficient_stock"},
        m.PaymentDeclined: {"reason": "insufficient_funds"},
        m.OrderPlaced: {"lines": (m.OrderedLine(1, "MUG", 2, 1_295),)},
        m.OrderPaid: {"lines": (m.OrderedLine(1, "MUG", 2, 1_295),)},
        m.OrderCommandRefused: {"command": "ShipOrder", "reference": "parcel-1", "reason": "not_paid"},
        m.LineCommandRefused: {"command": "ShipLine", "reason": "not_committed"},
        m.CatalogueCommandRefused: {"command": "PutProduct", "reason": "version_conflict"},
        m.ReportLostParcel: {"reason": "not delivered for two weeks"},
        m.RequestReturn: {"lines": (1,), "reason": "does not fit"},
        m.RefuseReturn: {"reason": "worn"},
        m.RefundReduced: {"asked_minor": 3_000, "reason": "exceeds_captured"},
        m.RecordPaymentResult: {"reason": ""},
        m.PaymentCaptured: {"reference": ""},
        m.InspectPayment: {"cause": "reconcile"},
        m.OrderCommandUnmatched: {"command": "ShipOrder", "reference": "parcel-1"},
        m.RefundOrder: {"amount_minor": 500, "reason": "goodwill"},
        m.RetryOrder: {"requested_by": "operator"},
        m.ResolveOrder: {"requested_by": "operator"},
        m.OrderNotification: {"kind": "order.confirmed"},
        m.ShopSignal: {"kind": "seen"},
        m.OperatorAction: {"action": "redrive", "by": "ada", "why": "the key was wrong"},
    }
)


def example_of(kind: type[m.Message]) -> m.Message | None:
    """Return an example of this message; None for one that holds bytes, which JSON cannot show."""
    fields = msgspec.structs.fields(kind)
    if any("bytes" in str(field.type) for field in fields):
        return None
    special = _SPECIAL.get(kind, {})
    return kind(**{field.name: special.get(field.name, _usual(field)) for field in fields})


def _usual(field: msgspec.structs.FieldInfo) -> Any:
    value = _USUAL.get(field.name)
    wanted = get_origin(field.type) or field.type
    return value if isinstance(value, wanted) else wanted()
