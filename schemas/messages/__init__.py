"""Every message that travels on Kafka, as a typed struct.

One struct here is one Avro file in `schemas/avro/` with the same name, fields and types; a test holds the two equal.
Units stand last in the names: `_ms` is milliseconds since the Unix epoch (UTC), `_minor` is integer minor units of the
ISO 4217 currency beside it, `_seconds` is a duration. Quantities are whole units of one SKU.
A new struct stands in its topic's file here, in the tuple at the end of that file too.
"""

from schemas.messages.base import *
from schemas.messages.catalogue import *
from schemas.messages.dead_letter import *
from schemas.messages.fulfilment_events import *
from schemas.messages.line_events import *
from schemas.messages.notifications import *
from schemas.messages.operator_actions import *
from schemas.messages.order_commands import *
from schemas.messages.order_events import *
from schemas.messages.payment_events import *
from schemas.messages.rules import *
from schemas.messages.stock_commands import *
from schemas.messages.stock_level import *

MESSAGES: tuple[type[Message], ...] = (
    *STOCK_COMMANDS,
    *LINE_EVENTS,
    *ORDER_EVENTS,
    *PAYMENT_EVENTS,
    *FULFILMENT_EVENTS,
    *NOTIFICATIONS,
    *ORDER_COMMANDS,
    StockLevel,
    DeadLetter,
    *CATALOGUE,
    *OPERATOR_ACTIONS,
    AdoptRules,
)
