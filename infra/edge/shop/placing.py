"""From a quote to one order at a price that holds, however often it is placed and wherever a process dies.

Two keys in Valkey stand for an order that is being placed. The claim is set before anything is published: with which
payment. The verdict is set once, by whoever comes first: `published` after Kafka has acknowledged the order, `withdrawn` where
a click finds that the quote holds no longer and the order is not to be seen on the log. A withdrawn order that was claimed is
cancelled on the log: whatever of it is there, or comes late, is undone. Whoever claims looks for a verdict afterwards, and
whoever withdraws for a claim: of two at the same time one at least sees the other.

Decision: docs/decisions, 050.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from consumers.pages.reader import PagesUnavailableError
from infra.edge.shop.valkey import asked
from producers.checkout.carts import CartLine
from producers.checkout.quotes import LEVELS, differences, order_of
from producers.clients.orders import check_order
from schemas.messages import CancelOrder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio import Redis

    from consumers.views.timeline import OrderView
    from producers.checkout.carts import Carts
    from producers.checkout.quotes import Offer, Quote
    from producers.clients.order_commands import OrderCommandClient
    from producers.clients.orders import OrderClient

KEPT_SECONDS: Final = 24 * 3600
PRICE_AGE_MS: Final = 2_000
"""A price is compared only while all changes of prices are known to have been read so long ago or later."""
CURRENT_SECONDS: Final = 5.0
"""How long a click waits for prices to be that young, before it is asked to come again."""
CHECKED_SECONDS: Final = 1.0
"""For how long a comparison counts: whoever was held up for longer compares again, before publishing and after."""
SEEN_SECONDS: Final = 2.0
"""How long an order whose publication is not known of may take to be seen on the log, before it is withdrawn."""
POLL_SECONDS: Final = 0.05
Verdict: TypeAlias = Literal["published", "withdrawn"]
PUBLISHED: Final[Verdict] = "published"
WITHDRAWN: Final[Verdict] = "withdrawn"


class Claim(msgspec.Struct, frozen=True):
    """What is known of a quote that was placed: with which payment, and whether all of it is done."""

    payment_token: str
    is_published: bool = False


class Progress(NamedTuple):
    """How far the placing of an order is."""

    claim: Claim | None
    verdict: Verdict | None


class Quoting(Protocol):
    """What placing needs of a checkout."""

    hold_seconds: int
    prices_age_ms: Callable[[], int | None]

    async def offers(self, skus: Sequence[str], cart_id: str = "") -> dict[str, Offer]:
        """Return the SKUs that there are as they can be bought now."""

    async def order(self, order_id: str) -> OrderView | None:
        """Return an order as the views have it."""

    async def requote(self, quote: Quote) -> Quote:
        """Return what a quote is now."""

    async def remember(self, quote: Quote) -> None:
        """Note an order that is on the log."""

    def key(self, kind: str, name: str) -> str:
        """Return the key in Valkey of what is kept under a name."""


class Placing:
    """Places quotes for a checkout."""

    def __init__(
        self, checkout: Quoting, carts: Carts, orders: OrderClient, commands: OrderCommandClient, redis: Redis
    ) -> None:
        self._checkout, self._carts, self._redis = checkout, carts, redis
        self._orders, self._commands = orders, commands

    async def place(self, quote: Quote, payment_token: str, store: Callable[[], Awaitable[None]]) -> Quote | None:
        """Place a quote, as Checkout.place says."""
        check_order(order_of(quote, payment_token, self._checkout.hold_seconds))
        while True:
            progress = await self._progress(quote.order_id)
            if progress.verdict == WITHDRAWN:
                return await self._withdrawn(quote)
            if progress.verdict == PUBLISHED or (progress.claim is not None and progress.claim.is_published):
                await self._note(quote, progress.claim)
                return None
            await self._until_current()
            checked_at = time.monotonic()
            if not await self._holds(quote, is_claimed=progress.claim is not None):
                if progress.claim is not None:
                    return await self._settled(quote, progress.claim)
                if await self._checkout.order(quote.order_id) is not None:
                    return None
                if (await self._progress(quote.order_id)).claim is None:
                    return await self._judged(quote, None, WITHDRAWN)
                continue  # another click was faster, and its hold may be what stands in the way
            if progress.claim is None:
                await store()
                progress = await self._claimed(quote.order_id, Claim(payment_token))
            if progress.verdict is None and time.monotonic() - checked_at < CHECKED_SECONDS:
                return await self._published(quote, progress.claim or Claim(payment_token), checked_at)

    async def _holds(self, quote: Quote, *, is_claimed: bool) -> bool:
        """Return whether a quote can be placed as it was shown; of one that is claimed its own units may be held already."""
        if quote.expires_ms <= time.time_ns() // 1_000_000:
            return False
        offers = await self._checkout.offers([line.sku for line in quote.lines], quote.cart_id)
        problems = differences(quote, offers)
        return all(is_claimed and problem.kind in LEVELS for problem in problems)

    async def _until_current(self) -> None:
        """Wait until the prices at hand are young enough. Raises PagesUnavailableError where they stay old."""
        deadline = time.monotonic() + CURRENT_SECONDS
        while (age_ms := self._checkout.prices_age_ms()) is None or age_ms > PRICE_AGE_MS:
            if time.monotonic() > deadline:
                raise PagesUnavailableError(f"prices were current {age_ms} ms ago")
            await asyncio.sleep(POLL_SECONDS)

    async def _published(self, quote: Quote, claim: Claim, checked_at: float) -> Quote | None:
        """Publish an order; one that Kafka took so long to take that its price is over by now is withdrawn."""
        await self._orders.place([order_of(quote, claim.payment_token, self._checkout.hold_seconds)])
        is_late = time.monotonic() - checked_at > CHECKED_SECONDS
        verdict = PUBLISHED if not is_late or await self._holds(quote, is_claimed=True) else WITHDRAWN
        return await self._judged(quote, claim, verdict)

    async def _settled(self, quote: Quote, claim: Claim) -> Quote | None:
        """Settle an order that may be on the log, at a price that holds no longer: seen there it stands, else it is withdrawn."""
        return await self._judged(quote, claim, PUBLISHED if await self._is_seen(quote) else WITHDRAWN)

    async def _judged(self, quote: Quote, claim: Claim | None, verdict: Verdict) -> Quote | None:
        """Do what the verdict means, or that of whoever came first."""
        if await self._decided(quote.order_id, verdict) == WITHDRAWN:
            return await self._withdrawn(quote)
        await self._note(quote, claim)
        return None

    async def _is_seen(self, quote: Quote) -> bool:
        deadline = time.monotonic() + SEEN_SECONDS
        while True:
            view = await self._checkout.order(quote.order_id)
            if view is not None and (view.is_final or len(view.lines) >= len(quote.lines)):
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)

    async def _withdrawn(self, quote: Quote) -> Quote:
        """Cancel what may be on the log, and quote anew; whoever dies in between is made up for by the next click."""
        if (await self._progress(quote.order_id)).claim is not None:
            await self._commands.send([CancelOrder(quote.order_id, "merchant", "quote_withdrawn")])
        return await self._checkout.requote(quote)

    async def _note(self, quote: Quote, claim: Claim | None) -> None:
        """Note what was published, once; whatever is not noted now is noted when it is placed again."""
        if claim is None or claim.is_published:
            return
        await self._checkout.remember(quote)
        await self._carts.take(quote.cart_id, lines_of(quote), quote.order_id)
        done = msgspec.json.encode(msgspec.structs.replace(claim, is_published=True))
        await asked(self._redis.set(self._key("checkout", quote.order_id), done, ex=KEPT_SECONDS))

    async def _progress(self, order_id: str) -> Progress:
        keys = self._key("checkout", order_id), self._key("verdict", order_id)
        return _progress_in(*await asked(self._redis.mget(keys)))

    async def _claimed(self, order_id: str, claim: Claim) -> Progress:
        """Claim an order for a payment, and return how far it is then; whoever comes second finds the claim of the first."""
        key = self._key("checkout", order_id)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.set(key, msgspec.json.encode(claim), nx=True, ex=KEPT_SECONDS)
        pipeline.mget(key, self._key("verdict", order_id))
        _, values = await asked(pipeline.execute())
        return _progress_in(*values)

    async def _decided(self, order_id: str, verdict: Verdict) -> Verdict:
        """Give an order its verdict; whoever comes second gets that of the first."""
        if await asked(self._redis.set(self._key("verdict", order_id), verdict, nx=True, ex=KEPT_SECONDS)):
            return verdict
        return (await self._progress(order_id)).verdict or verdict

    def _key(self, kind: str, name: str) -> str:
        return self._checkout.key(kind, name)


def _progress_in(claim: bytes | None, verdict: bytes | None) -> Progress:
    return Progress(
        None if claim is None else msgspec.json.decode(claim, type=Claim),
        None if verdict is None else msgspec.convert(verdict.decode(), Verdict),
    )


def lines_of(quote: Quote) -> list[CartLine]:
    """Return what a quote wants of a cart."""
    return [CartLine(line.sku, line.quantity) for line in quote.lines]
