"""Which columns of a file mean what: the fields that the importer knows, and the exports whose columns it knows by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec


class Field(StrEnum):
    """What a column can hold. The first group belongs to a row, the second to the whole order.

    An order's own value may stand on any one of its rows or be repeated on all of them; two values are a fault.
    """

    ORDER = "order"
    SKU = "sku"
    QUANTITY = "quantity"
    PRICE = "price"
    ROW_DISCOUNT = "row_discount"
    ROW_DISCOUNT_SHARE = "row_discount_share"
    ROW_SHIPPING = "row_shipping"
    ROW_TAX = "row_tax"

    CUSTOMER = "customer"
    CURRENCY = "currency"
    DATE = "date"
    TOTAL = "total"
    DISCOUNT = "discount"
    SHIPPING = "shipping"
    TAX = "tax"
    FEE = "fee"
    REFUND = "refund"
    STATUS = "status"
    CANCELLED = "cancelled"
    CREDITS = "credits"


REQUIRED: Final = (Field.ORDER, Field.SKU, Field.QUANTITY, Field.PRICE)
OF_THE_ORDER: Final = tuple(Field)[tuple(Field).index(Field.CUSTOMER) :]
CHARGES: Final[Mapping[Field, str]] = MappingProxyType(
    {
        Field.ROW_DISCOUNT: "discount",
        Field.ROW_SHIPPING: "shipping",
        Field.ROW_TAX: "tax",
        Field.DISCOUNT: "discount",
        Field.SHIPPING: "shipping",
        Field.TAX: "tax",
        Field.FEE: "fee",
        Field.REFUND: "refund",
    }
)
"""The columns of money beside the goods, and the name by which each is waived, spread or placed as a line."""
REDUCTIONS: Final = frozenset({Field.ROW_DISCOUNT, Field.DISCOUNT, Field.REFUND})
"""Charges that exports write without their minus sign."""


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """A known export: the name of each field's column, or its possible names, and what holds for all of its files.

    `source` is the default name of the other system. `quantity` is the number of units of a row where no column holds it. With `price_is_total` the price column holds the
    total of a row's units. `by_uci_rules` marks the rules of one data set.
    """

    name: str
    source: str
    columns: Mapping[Field, str | tuple[str, ...]]
    optional: frozenset[Field] = frozenset()
    currency: str = ""
    quantity: int | None = None
    price_is_total: bool = False
    by_uci_rules: bool = False

    def names(self, field: Field) -> tuple[str, ...]:
        """Return the possible names of a field's column."""
        names = self.columns[field]
        return (names,) if isinstance(names, str) else names


_RETAIL: Final = {
    Field.ORDER: "InvoiceNo",
    Field.SKU: "StockCode",
    Field.QUANTITY: "Quantity",
    Field.PRICE: "UnitPrice",
    Field.CUSTOMER: "CustomerID",
    Field.DATE: "InvoiceDate",
}
_RETAIL_II: Final = {**_RETAIL, Field.ORDER: "Invoice", Field.PRICE: "Price", Field.CUSTOMER: "Customer ID"}
_EITHER_RETAIL: Final = {field: tuple(dict.fromkeys((name, _RETAIL_II[field]))) for field, name in _RETAIL.items()}

FORMATS: Final = (
    # Chen, D. (2015), Online Retail, UCI Machine Learning Repository, doi:10.24432/C5BW33, and its second edition.
    Format(name="online-retail", source="online-retail", columns=_RETAIL, currency="GBP"),
    Format(name="online-retail-ii", source="online-retail", columns=_RETAIL_II, currency="GBP"),
    Format(name="uci", source="online-retail", columns=_EITHER_RETAIL, currency="GBP", by_uci_rules=True),
    # Tableau's sample; `Sales` is a row's total, its discount taken off.
    Format(
        name="superstore",
        source="superstore",
        columns={
            Field.ORDER: "Order ID",
            Field.SKU: "Product ID",
            Field.QUANTITY: "Quantity",
            Field.PRICE: "Sales",
            Field.CUSTOMER: "Customer ID",
            Field.DATE: "Order Date",
        },
        currency="USD",
        price_is_total=True,
    ),
    # Microsoft's sample, the table Order Details; `Discount` is a share of the row's total.
    Format(
        name="northwind",
        source="northwind",
        columns={
            Field.ORDER: "OrderID",
            Field.SKU: "ProductID",
            Field.QUANTITY: "Quantity",
            Field.PRICE: "UnitPrice",
            Field.ROW_DISCOUNT_SHARE: "Discount",
        },
        currency="USD",
    ),
    # Brazilian E-Commerce Public Dataset by Olist, olist_order_items_dataset: one unit a row.
    Format(
        name="olist",
        source="olist",
        columns={
            Field.ORDER: "order_id",
            Field.SKU: "product_id",
            Field.PRICE: "price",
            Field.ROW_SHIPPING: "freight_value",
            Field.DATE: "shipping_limit_date",
        },
        currency="BRL",
        quantity=1,
    ),
    # Shopify's order export: the order's own values stand on its first row.
    Format(
        name="shopify",
        source="shopify",
        columns={
            Field.ORDER: "Name",
            Field.SKU: "Lineitem sku",
            Field.QUANTITY: "Lineitem quantity",
            Field.PRICE: "Lineitem price",
            Field.CUSTOMER: "Email",
            Field.CURRENCY: "Currency",
            Field.DATE: "Created at",
            Field.TOTAL: "Total",
            Field.DISCOUNT: "Discount Amount",
            Field.SHIPPING: "Shipping",
            Field.TAX: "Taxes",
            Field.REFUND: "Refunded Amount",
            Field.STATUS: "Financial Status",
            Field.CANCELLED: "Cancelled at",
        },
        optional=frozenset({Field.CUSTOMER, Field.DATE, Field.REFUND, Field.STATUS, Field.CANCELLED}),
    ),
    # WooCommerce's "Customer/Order/Coupon Export", one row per item; `item_total` has the row's discount taken off.
    Format(
        name="woocommerce",
        source="woocommerce",
        columns={
            Field.ORDER: "order_number",
            Field.SKU: "item_sku",
            Field.QUANTITY: "item_quantity",
            Field.PRICE: "item_total",
            Field.CUSTOMER: "customer_id",
            Field.CURRENCY: "order_currency",
            Field.DATE: "date",
            Field.TOTAL: "order_total",
            Field.SHIPPING: "shipping_total",
            Field.TAX: "tax_total",
            Field.FEE: "fee_total",
            Field.REFUND: "refunded_total",
            Field.STATUS: "status",
        },
        optional=frozenset({Field.CUSTOMER, Field.DATE, Field.FEE, Field.REFUND, Field.STATUS}),
        price_is_total=True,
    ),
    # WooCommerce's "Advanced Order Export".
    Format(
        name="woocommerce-advanced",
        source="woocommerce",
        columns={
            Field.ORDER: "Order Number",
            Field.SKU: "SKU",
            Field.QUANTITY: ("Quantity", "Quantity (- Refund)"),
            Field.PRICE: "Item Cost",
            Field.CUSTOMER: "Email (Billing)",
            Field.CURRENCY: ("Order Currency", "Currency"),
            Field.DATE: "Order Date",
            Field.TOTAL: "Order Total Amount",
            Field.DISCOUNT: "Cart Discount Amount",
            Field.SHIPPING: "Order Shipping Amount",
            Field.TAX: "Order Total Tax Amount",
            Field.REFUND: "Order Refund Amount",
            Field.STATUS: "Order Status",
        },
        optional=frozenset({Field.CUSTOMER, Field.CURRENCY, Field.DATE, Field.REFUND, Field.STATUS}),
    ),
)
BY_NAME: Final = MappingProxyType({known.name: known for known in FORMATS})
GUESSED: Final = tuple(known for known in FORMATS if not known.by_uci_rules)
"""What a header may mean without `--format`: nobody's house rules."""

ENDED: Final = frozenset({"cancelled", "canceled", "failed", "refunded", "trash", "voided"})
"""Values of a status column that mean: no order any more."""

# --- the house rules of the UCI data sets -----------------------------------------------------------------------------

_GOODS: Final = re.compile(r"\d{5}|DCGS", re.IGNORECASE)
"""What a stock code of goods begins with: five digits, or the Dotcomgiftshop range. The rest is money, not goods:
POST, DOT, C2 and CARRIAGE (delivery), D (discount), M, S, B, BANK CHARGES, AMAZONFEE, CRUK, PADS, gift_... (vouchers)."""


def is_goods(sku: str) -> bool:
    """Return whether a stock code of the UCI data sets is one of goods."""
    return _GOODS.match(sku) is not None


def is_credit(order: str) -> bool:
    """Return whether an invoice of the UCI data sets is a credit note: C536379."""
    return order[:1] in "cC"


def is_adjustment(order: str) -> bool:
    """Return whether an invoice of the UCI data sets is a booking without goods: A563185, "adjust bad debt"."""
    return order[:1] in "aA"


def normalised(column: str) -> str:
    """Return a column's name as it is compared: Order ID, OrderID and order_id are one."""
    return "".join(character for character in column.casefold() if character.isalnum())
