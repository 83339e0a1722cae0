"""From a cart to a quote, and what is known of the orders that quotes became; how one becomes an order is in placing.py."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from consumers.pages.reader import PagesUnavailableError
from consumers.views.store import read_timeline, read_timelines
from infra.edge.shop.placing import Placing
from infra.edge.shop.valkey import asked
from producers.checkout.carts import CartLine
from producers.checkout.quotes import Offer, make_quote
from producers.clients.order_commands import OrderCommandClient
from producers.clients.orders import OrderClient
from schemas.ids import new_order_id
from schemas.messages import CancelOrder, RequestReturn
from schemas.products import price_at
from schemas.search import SearchQuery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from redis.asyncio import Redis

    from consumers.views.timeline import OrderView
    from infra.edge.shop.shop import Shop
    from infra.edge.shop.visitors import Visitor
    from producers.checkout.carts import Carts
    from producers.checkout.charges import ChargeRules
    from producers.checkout.quotes import Problem, Quote
    from producers.publisher import Publisher
    from schemas.messages import Product

LISTED: Final = 50
ALTERNATIVES: Final = 3


class HeldByCart(msgspec.Struct, frozen=True):
    """What the last order of a cart may still hold: that is no obstacle to the next one, which takes it over."""

    order_id: str
    units: dict[str, int]


class CheckoutOptions(NamedTuple):
    """What a checkout goes by: for how long an unpaid order's units are held (s), and what is charged beside the prices.

    `prices_age_ms` returns how long ago all changes of prices were known to have been read; None: never yet. `rules` returns what is
    charged now.
    """

    namespace: str
    hold_seconds: int
    prices_age_ms: Callable[[], int | None]
    rules: Callable[[], ChargeRules]


class Checkout:
    """Quotes carts and places quotes. Raises CartsUnavailableError, PagesUnavailableError where Valkey does not answer."""

    def __init__(
        self,
        shop: Shop,
        carts: Carts,
        publisher: Publisher,
        redis: Redis,
        options: CheckoutOptions,
    ) -> None:
        self._redis, self._namespace = redis, options.namespace
        self._shop, self._carts = shop, carts
        self._commands = OrderCommandClient(publisher)
        self.hold_seconds, self.prices_age_ms, self._rules = options.hold_seconds, options.prices_age_ms, options.rules
        self._placing = Placing(self, carts, OrderClient(publisher), self._commands, redis)

    @property
    def takes_codes(self) -> bool:
        """Whether there is any discount that a code gives."""
        return bool(self._rules().discounts)

    async def offers(self, skus: Sequence[str], cart_id: str = "") -> dict[str, Offer]:
        """Return the SKUs that there are as they can be bought now; what this cart's last order holds counts as there."""
        reader = self._shop.reader
        owners = await reader.owners(skus)
        products = await reader.products(list(dict.fromkeys(owners.values())))
        own = await self._held_by(cart_id) if cart_id else {}
        offers = {}
        for sku, product_id in owners.items():
            product = products.get(product_id)
            if product is not None and any(variant.sku == sku for variant in product.variants):
                available = reader.levels_of(product)[sku].available + own.get(sku, 0)
                offers[sku] = _offer(product, sku, available, self._shop.currency)
        return offers

    async def titles(self, skus: Sequence[str]) -> dict[str, str]:
        """Return what SKUs are called; nothing where that cannot be looked up now."""
        with contextlib.suppress(PagesUnavailableError):
            return {sku: offer.title for sku, offer in (await self.offers(skus)).items()}
        return {}

    async def quote(self, visitor: Visitor, code: str = "") -> Quote:
        """Quote a visitor's cart, with the discount of a code."""
        cart = await self._carts.read(visitor.cart_id)
        return await self._quoted(cart.lines, visitor.cart_id, visitor.buyer_id, code)

    async def _quoted(self, wanted: Sequence[CartLine], cart_id: str, buyer_id: str, code: str) -> Quote:
        offers = await self.offers([line.sku for line in wanted], cart_id)
        quote = make_quote(
            wanted,
            offers,
            order_id=new_order_id(),
            cart_id=cart_id,
            customer_id=buyer_id,
            currency=self._shop.currency,
            now_ms=time.time_ns() // 1_000_000,
            rules=self._rules(),
            code=code,
        )
        problems = tuple(self._with_alternatives(problem, offers) for problem in quote.problems)
        return msgspec.structs.replace(quote, problems=problems)

    def _with_alternatives(self, problem: Problem, offers: Mapping[str, Offer]) -> Problem:
        offer = offers.get(problem.sku)
        if not problem.is_blocking or offer is None:
            return problem
        near = SearchQuery(filters={"category": (offer.category,)}, in_stock=True, size=ALTERNATIVES + 1)
        hits = self._shop.search.search(near).hits if offer.category else ()
        others = [(hit.slug, hit.title) for hit in hits if hit.product_id != offer.product_id]
        return msgspec.structs.replace(problem, alternatives=tuple(others[:ALTERNATIVES]))

    async def place(self, quote: Quote, payment_token: str, store: Callable[[], Awaitable[None]]) -> Quote | None:
        """Place a quote; None where it is placed, else the quote that there is now, with what has changed.

        `store` keeps what the log does not have, before the order is on it. Raises what it does, InvalidOrderError for a payment that is
        none, and PublishError: the cart is as it was, and placing the quote again is the same order.
        """
        return await self._placing.place(quote, payment_token, store)

    async def requote(self, quote: Quote) -> Quote:
        """Return what a quote is now: another order, with everything that has changed."""
        wanted = [CartLine(line.sku, line.quantity, line.unit_price_minor) for line in quote.lines]
        return await self._quoted(wanted, quote.cart_id, quote.customer_id, quote.code)

    async def remember(self, quote: Quote) -> None:
        """Note an order that is on the log: in its buyer's history, and what of it may be held for the cart."""
        units = {line.sku: line.quantity for line in quote.lines}
        held = msgspec.json.encode(HeldByCart(quote.order_id, units))
        history = self.key("orders", quote.customer_id)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.set(self.key("held", quote.cart_id), held, ex=self.hold_seconds)
        pipeline.zadd(history, {quote.order_id: time.time()})
        pipeline.zremrangebyrank(history, 0, -1 - LISTED)
        await asked(pipeline.execute())

    async def _held_by(self, cart_id: str) -> dict[str, int]:
        value = await asked(self._redis.get(self.key("held", cart_id)))
        if value is None:
            return {}
        held = msgspec.json.decode(value, type=HeldByCart)
        view = await self.order(held.order_id)
        return {} if view is not None and view.is_decided else held.units

    async def order(self, order_id: str) -> OrderView | None:
        """Return an order as the views have it; None where nothing of it is known yet."""
        view: OrderView | None = await asked(read_timeline(self._redis, self._namespace, order_id))
        return view

    async def history(self, buyer_id: str) -> list[tuple[str, OrderView | None]]:
        """Return a buyer's latest orders, newest first, each as far as it is known."""
        ids = await asked(self._redis.zrevrange(self.key("orders", buyer_id), 0, LISTED - 1))
        order_ids = [order_id.decode() for order_id in ids]
        return await self.orders(order_ids)

    async def orders(self, order_ids: Sequence[str]) -> list[tuple[str, OrderView | None]]:
        """Return orders, each as far as it is known."""
        views = await asked(read_timelines(self._redis, self._namespace, order_ids))
        return [(order_id, views.get(order_id)) for order_id in order_ids]

    async def is_buyer(self, buyer_id: str, order_id: str) -> bool:
        """Return whether an order was placed here by this buyer."""
        score = await asked(self._redis.zscore(self.key("orders", buyer_id), order_id))
        return score is not None

    async def cancel(self, order_id: str) -> None:
        """Ask for a cancellation on the customer's behalf. Raises PublishError."""
        await self._commands.send([CancelOrder(order_id, "customer", "cancelled in the shop")])

    async def send_back(self, order_id: str, return_id: str, lines: tuple[int, ...], reason: str) -> None:
        """Ask for a return on the customer's behalf. Raises PublishError, InvalidOrderCommandError."""
        await self._commands.send([RequestReturn(order_id, return_id, lines, reason)])

    def key(self, kind: str, name: str) -> str:
        """Return the key in Valkey of what is kept under a name; all kinds of one name are in one slot."""
        return f"{self._namespace}shop:{kind}:{{{name}}}"


def _offer(product: Product, sku: str, available: int, currency: str) -> Offer:
    now_ms = time.time_ns() // 1_000_000
    price = price_at(product, sku, now_ms)
    is_sold = product.state == "published" and product.currency == currency
    variant = next(variant for variant in product.variants if variant.sku == sku)
    own = variant.title or ", ".join(option.value for option in product.options if option.sku == sku)
    return Offer(
        sku=sku,
        product_id=product.product_id,
        slug=product.slug,
        title=f"{product.title}, {own}" if own else product.title,
        price_minor=price.amount_minor if price is not None and is_sold else None,
        available=available,
        category=product.category,
    )


async def nothing() -> None:
    """Store nothing: an order without anything that the log does not have."""
