"""What an order may cost beside its units: discounts and tax of each line, shipping of the whole.

Decision: docs/decisions, 047.
"""

from __future__ import annotations

from schemas.limits import MAX_UNIT_PRICE_MINOR
from schemas.terms import CAPTURE_AT_SHIPPING


def find_charge_fault(
    price_minor: int, discount_minor: int, tax_minor: int, shipping_minor: int, terms: str
) -> str | None:
    """Return in words what is wrong with the charges of a line whose units cost `price_minor`, all in minor units."""
    return (
        find_line_charge_fault("discount_minor", discount_minor, price_minor)
        or find_line_charge_fault("tax_minor", tax_minor, price_minor)
        or find_shipping_fault(shipping_minor, terms)
    )


def find_line_charge_fault(name: str, minor: int, price_minor: int) -> str | None:
    """Return in words why a discount, or a tax, does not fit a line whose units cost `price_minor`."""
    if 0 <= minor <= price_minor:
        return None
    return f"{name} is {minor}; give 0 to the {price_minor} that the units cost"


def find_shipping_fault(shipping_minor: int, terms: str) -> str | None:
    """Return in words what is wrong with an order's charge for shipping.

    It is captured with the order, at placing: where each parcel is captured for itself, no parcel has it.
    """
    if not 0 <= shipping_minor <= MAX_UNIT_PRICE_MINOR:
        return f"shipping_minor is {shipping_minor}; give 0 to {MAX_UNIT_PRICE_MINOR:,}"
    if shipping_minor and CAPTURE_AT_SHIPPING in terms.split():
        return (
            f"shipping_minor is {shipping_minor} under {CAPTURE_AT_SHIPPING}, where each parcel pays for its own lines; "
            "put the charge into the prices of the lines, or place the order without these terms"
        )
    return None
