"""The records that stand in lists within messages: the Avro record of each struct, where both must agree."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from schemas.codec.lock import NAMESPACE, Schema
from schemas.messages import Attribute, OrderedLine, Price, Variant, VariantOption

if TYPE_CHECKING:
    from collections.abc import Mapping

_SKU: Final = {"name": "sku", "type": "string", "doc": "Stock keeping unit."}


def _record(struct: type[msgspec.Struct], doc: str, *fields: dict[str, Any]) -> Schema:
    return {
        "type": "record",
        "name": struct.__name__,
        "namespace": NAMESPACE,
        "doc": doc,
        "fields": list(fields),
    }


ITEM_RECORDS: Final[Mapping[type[msgspec.Struct], Schema]] = MappingProxyType(
    {
        OrderedLine: _record(
            OrderedLine,
            "One line of an order as others need it.",
            {"name": "line", "type": "int", "doc": "Number of the line within its order, from 1."},
            _SKU,
            {"name": "quantity", "type": "int", "doc": "Whole units of the SKU."},
            {
                "name": "unit_price_minor",
                "type": "long",
                "doc": "Price of one unit, in minor units of the order's currency.",
            },
            {
                "name": "discount_minor",
                "type": "long",
                "doc": "What the whole line costs less, in minor units of the order's currency.",
                "default": 0,
            },
            {
                "name": "tax_minor",
                "type": "long",
                "doc": "Tax that is added to the line, in minor units of the order's currency.",
                "default": 0,
            },
        ),
        Attribute: _record(
            Attribute,
            "A property of all variants of a product.",
            {"name": "name", "type": "string", "doc": "What is described, such as material."},
            {"name": "value", "type": "string", "doc": "The description, such as cotton."},
        ),
        Variant: _record(
            Variant,
            "What can be bought of a product.",
            _SKU,
            {"name": "title", "type": "string", "doc": "Tells the variant from the others; empty for the only one."},
        ),
        VariantOption: _record(
            VariantOption,
            "How one variant differs from the others.",
            _SKU,
            {"name": "name", "type": "string", "doc": "What differs, such as size."},
            {"name": "value", "type": "string", "doc": "The variant's value, such as XL."},
        ),
        Price: _record(
            Price,
            "The price of a SKU from a moment on.",
            _SKU,
            {
                "name": "amount_minor",
                "type": "long",
                "doc": "Price of one unit, in minor units of the product's currency.",
            },
            {
                "name": "from_ms",
                "type": "long",
                "doc": "When the price begins; milliseconds since the Unix epoch, UTC.",
            },
        ),
    }
)
