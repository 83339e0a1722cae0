"""What an order may cost beside its units: discounts and tax of each line, shipping of the whole.

Decision: docs/decisions, 047.
"""

from __future__ import annotations

from schemas.limits import MAX_UNIT_PRICE_MINOR
from schemas.terms import CAPTURE_AT_SHIPPING


def find_charge_fault(
    price_minor: int, discount_minor: int, tax_minor: int, shipping_minor: int, terms: str
) -> str | None:
    """Return in words what is wrong with the charges of a line whose units cost `price_minor`, all in minor units.

    Shipping is captured at placing, with the order: where each parcel is captured for itself, no parcel has it.
    """
    if not 0 <= discount_minor <= price_minor:
        return f"the discount is {discount_minor}; give 0 to the {price_minor} that the units cost"
    if not 0 <= tax_minor <= price_minor:
        return f"the tax is {tax_minor}; give 0 to the {price_minor} that the units cost"
    if not 0 <= shipping_minor <= MAX_UNIT_PRICE_MINOR:
        return f"the shipping is {shipping_minor}; give 0 to {MAX_UNIT_PRICE_MINOR:,} minor units"
    if shipping_minor and CAPTURE_AT_SHIPPING in terms.split():
        return f"there is a charge for shipping under {CAPTURE_AT_SHIPPING}; put it into the prices"
    return None
