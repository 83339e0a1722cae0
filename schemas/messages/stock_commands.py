"""Commands on inventory.commands, keyed by sku."""

from __future__ import annotations

from schemas.messages.base import Message


class PlaceOrderLine(Message, frozen=True):
    """Asks to reserve one line of an order.

    An order of n lines is n of these, each with the order's header, so that a lost line shows (`line` of `line_count`).
    `demand` counts the units of this SKU that this line and the later lines of the same order want together, so that
    two lines naming one SKU are judged on their sum (under ship_available each is judged alone); it is never below
    `quantity`. A `cart_id` names what the customer checks out: a later order (by its id) of the same customer and cart
    takes over what an earlier one holds of the SKU.
    `terms` are the order's, the same in each of its lines: words of schemas.terms with a space between, none for the
    usual ones (all lines or none, captured at placing). A `reference` is what the client calls the order, such as an
    invoice number, the same in each of its lines: it is for finding the order, and decides nothing.
    `discount_minor` is what the whole line costs less and `tax_minor` the tax that is added to it, each at most the price of
    its units; `shipping_minor` is the order's charge for shipping, the same in each of its lines.
    """

    order_id: str
    line: int
    line_count: int
    sku: str
    quantity: int
    demand: int
    unit_price_minor: int
    currency: str
    customer_id: str
    payment_token: str
    hold_seconds: int
    cart_id: str = ""
    terms: str = ""
    reference: str = ""
    discount_minor: int = 0
    tax_minor: int = 0
    shipping_minor: int = 0


class ReleaseLine(Message, frozen=True):
    """Gives a held line's units back. Undoes PlaceOrderLine."""

    order_id: str
    line: int
    sku: str
    reason: str


class CommitLine(Message, frozen=True):
    """Turns a hold into an allocation; takes the stock again where the hold has expired and the stock is there."""

    order_id: str
    line: int
    sku: str


class ReturnLine(Message, frozen=True):
    """Gives an allocated or shipped line's units back. Undoes CommitLine and ShipLine.

    `disposition` is `available` (they can be sold again) or `quarantine` (they are here, but must not be sold).
    """

    order_id: str
    line: int
    sku: str
    reason: str
    disposition: str = "available"


class ShipLine(Message, frozen=True):
    """Sends an allocated line's units out of the house."""

    order_id: str
    line: int
    sku: str


class SkuCommand(Message, frozen=True):
    """A command about a SKU itself, without any order; it takes effect once per `command_id` and SKU."""

    command_id: str
    sku: str


class ReceiveStock(SkuCommand, frozen=True):
    """Adds received units of a SKU, once per `command_id`."""

    quantity: int


class AdjustStock(SkuCommand, frozen=True):
    """Corrects a count by `change` units (negative: fewer are here than believed), once per `command_id`."""

    change: int
    reason: str


class ClearQuarantine(SkuCommand, frozen=True):
    """Ends the quarantine of `quantity` units: `available` makes them sellable, `scrap` writes them off."""

    quantity: int
    disposition: str


class SetPurchaseLimit(SkuCommand, frozen=True):
    """Limits what one customer may hold and buy of a SKU to `limit` units; 0 lifts the limit.

    Units count from the moment a limit is in force, and are given back with the line. A SKU that never had stock is
    limited only if `even_if_unknown` is 1.
    """

    limit: int
    even_if_unknown: int = 0


class SuspendSale(SkuCommand, frozen=True):
    """Takes a SKU off sale; what is held or allocated goes on. One that never had stock only if `even_if_unknown` is 1."""

    reason: str
    even_if_unknown: int = 0


class ResumeSale(SkuCommand, frozen=True):
    """Puts a suspended SKU on sale again."""


class RetireSku(SkuCommand, frozen=True):
    """Ends a SKU of which nothing is left; its level disappears from stock.levels until units come in again."""


class ParkSku(SkuCommand, frozen=True):
    """Has what comes for a SKU wait as dead letters, in order, until ReleaseParked lets it through.

    That is what the outside asks: PlaceOrderLine, ReceiveStock, AdjustStock, ClearQuarantine, SetPurchaseLimit, RetireSku. What
    belongs to orders that were decided goes on, and so do SuspendSale and ResumeSale. With `on_dead_letter` 1 it begins behind
    the SKU's next dead letter.
    """

    reason: str
    on_dead_letter: int = 0


class ReleaseParked(SkuCommand, frozen=True):
    """Begins to let through what waits for a SKU that was parked by the command `parked_by`: all up to EndRelease is decided.

    `count` records follow, those that come after the first `released` ones; mended ones may stand before them. It is refused
    where another number was let through before. All up to EndRelease belongs into one record batch, so that nothing else
    comes between.
    """

    parked_by: str
    released: int
    count: int


class EndRelease(SkuCommand, frozen=True):
    """Ends what ReleaseParked began: the SKU is free where nothing waits for it any more, else parked as before."""

    parked_by: str


class ExpireHolds(Message, frozen=True):
    """Ends at most `limit` holds whose time was over at `as_of_ms`; the partition's owner appends it to its own log."""

    as_of_ms: int
    limit: int


SKU_COMMANDS: tuple[type[SkuCommand], ...] = tuple(SkuCommand.__subclasses__())
STOCK_COMMANDS: tuple[type[Message], ...] = (
    PlaceOrderLine,
    ReleaseLine,
    CommitLine,
    ReturnLine,
    ShipLine,
    *SKU_COMMANDS,
    ExpireHolds,
)
