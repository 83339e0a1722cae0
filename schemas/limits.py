"""What a field may hold beyond its Avro type, so that what was decoded can be stored wherever it has to go.

Decision: docs/decisions, 023.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

MAX_TEXT_BYTES: Final = 1000
"""No text is longer in UTF-8: every text may become a key, and a PostgreSQL btree entry ends at 2704 bytes."""

MAX_ADDRESS_BYTES: Final = 8192
"""Of an address that a customer confirms a payment at: return addresses and tokens stand in it, and it is nobody's key."""
LONG_TEXTS: Final = frozenset(
    {"RecordPaymentResult.action_url", "PaymentRequiresAction.action_url", "OrderNotification.detail"}
)
"""The fields, as record.field, that hold such an address."""
MAX_TIME_MS: Final = 253_402_300_799_999
"""The end of the year 9999 in ms since the epoch, the latest moment that calendars know."""

# What orders and receipts may ask for. Producers refuse beyond it before they publish, inventory when it decides.
MAX_LINES: Final = 2_000
"""Lines of one order."""
MAX_QUANTITY: Final = 1_000_000
"""Units of one line, of all lines of one order that name one SKU, and of one receipt."""
MAX_UNIT_PRICE_MINOR: Final = 10**9
MAX_HOLD_SECONDS: Final = 3600
"""Stock is held no longer than this for an unpaid order, whatever the command asks for."""
GATHER_MS: Final = (MAX_HOLD_SECONDS + 5 * 60) * 1000
"""From the last word about an order whose lines are not all answered until it is given up. What is held for it usually
ends it earlier: no hold lasts so long, and there are five minutes for its end to be read."""
ORDER_ID_WINDOW_MS: Final = 120 * 24 * 60 * 60 * 1000
"""How far back an order id may lie: as long as its holds are kept to recognise a duplicate by, and to take a return."""
ORDER_ID_AHEAD_MS: Final = 24 * 60 * 60 * 1000
"""How far a client's clock may be ahead."""
SETTLING_MS: Final = 7 * 24 * 60 * 60 * 1000
"""How much longer orders and payments take in what is said about an order that they do not know or that is over: so
late may they be behind inventory."""
ACTION_SECONDS: Final = 15 * 60
"""How long a customer has to confirm a payment, as 3-D Secure asks for; then it is cancelled."""
MAX_TEXT: Final = 200
"""Characters of a SKU, a customer id, a payment token, a command id; all of them printable."""

MAX_ITEMS: Final = MappingProxyType(
    {
        f"{record}.{field}": items
        for record in ("PutProduct", "ProductPut", "Product")
        for field, items in (
            ("description", 50),
            ("attributes", 100),
            ("variants", 100),
            ("options", 300),
            ("prices", 500),
        )
    }
)
"""Items of the lists, as record.field, that hold fewer than MAX_LINES: a whole product is one record."""


# How long fulfilment waits for what it cannot know. Together they fit into the window of an order id, and leave a month.
SHIP_WITHIN_MS: Final = 30 * 24 * 60 * 60 * 1000
"""From the beginning of a fulfilment until what is still in the house is given back."""
DELIVERY_PRESUMED_MS: Final = 21 * 24 * 60 * 60 * 1000
"""From the shipping of a parcel until it counts as delivered, if nobody says otherwise."""
RETURN_WINDOW_MS: Final = 30 * 24 * 60 * 60 * 1000
"""From the delivery of a parcel until its lines can no longer be sent back."""
RETURN_ANSWER_MS: Final = 7 * 24 * 60 * 60 * 1000
"""From the request for a return until it counts as approved."""
RETURN_ARRIVAL_MS: Final = 30 * 24 * 60 * 60 * 1000
"""From the approval of a return until its goods must be here."""
MAX_FAILED_SHIPMENTS: Final = 100
"""Parcels of one order whose money could not be captured, beyond which no more are tried."""
MAX_RETURNS: Final = 200
"""Returns of one order, refused ones among them: all of them are one row."""
