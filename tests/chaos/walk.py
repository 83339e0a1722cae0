"""A shopper's walk over HTTP: search, product, cart, checkout, one or two clicks, the order's page; through every outage."""

from __future__ import annotations

import asyncio
import random
import re
import time
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec

from tests.harness.buying import Answer, Shopper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PATIENCE_SECONDS: Final = 300.0
"""How long a shopper tries again while nobody gets any further."""
PAUSE_SECONDS: Final = 0.4
LOOK_SECONDS: Final = 1.0
HOME: Final = {"name": "Ann Lee", "street": "1 High St", "postcode": "N1 1AA", "city": "London", "country": "GB"}
_PLACE: Final = re.compile(r'action="/checkouts/([^/]+)/orders"')
_QUOTE: Final = re.compile(r'name="quote" value="([^"]+)"')
_TOTAL: Final = re.compile(r"Order and pay GBP (\d+)\.(\d\d)")
_STATE: Final = re.compile(r'class="state (\w+)"')
_OVER: Final = frozenset({"paid", "rejected", "cancelled"})


class Click(msgspec.Struct, frozen=True):
    """A quote that a shopper accepted: the order that it is to be, the total that was on the button (minor units), the answers."""

    order_id: str
    shown_minor: int
    statuses: tuple[int, ...]
    locations: tuple[str, ...]


class Walked(msgspec.Struct):
    """What came of a walk: its clicks, and what the order's page showed in the end; `sold_out`: nothing could be bought.

    Of all `tries` some were `unanswered`, some `refused` with 503.
    """

    clicks: list[Click] = []
    end: str = ""
    cancelled: bool = False
    tries: int = 0
    unanswered: int = 0
    refused: int = 0
    seconds: float = 0.0


class Patience:
    """Shared by all shoppers: it ends when none of them has got any further for so long, however slow the machine is."""

    def __init__(self, seconds: float = PATIENCE_SECONDS) -> None:
        self._seconds, self._moved_at = seconds, time.monotonic()
        self.moves = 0

    def moved(self) -> None:
        """Note that somebody got further."""
        self._moved_at = time.monotonic()
        self.moves += 1

    def check(self, what: str) -> None:
        """Raise TimeoutError where it is over."""
        if (still := time.monotonic() - self._moved_at) > self._seconds:
            raise TimeoutError(f"nobody got further for {still:.0f} s; waiting for {what}")


class Walk:
    """One shopper, whose choices come from a seed."""

    def __init__(
        self, shopper: Shopper, seed: str, slugs: Sequence[str], skus: Sequence[str], patience: Patience
    ) -> None:
        self._shopper, self._draw, self._patience = shopper, random.Random(seed), patience
        self._slugs, self._skus = slugs, skus
        self.walked = Walked()

    async def run(self) -> Walked:
        """Walk to the end. Raises TimeoutError where patience is over."""
        draw, began = self._draw, time.monotonic()
        await self._asked(lambda: self._shopper.get("/search?q=mug"))
        await self._asked(lambda: self._shopper.get(f"/p/{draw.choice(self._slugs)}"))
        for sku in draw.sample(self._skus, draw.choice((1, 1, 2, 3))):
            line = {"sku": sku, "quantity": str(draw.choice((1, 1, 2)))}
            await self._asked(lambda line=line: self._shopper.post("/cart/lines", line))  # type: ignore[misc]
        code = draw.choice(("", "?code=TEN", "?code=FIVE"))
        page = await self._asked(lambda: self._shopper.get(f"/checkout{code}"))
        location = await self._bought(page)
        self.walked.end = await self._followed(location) if location else "sold_out"
        self.walked.seconds = time.monotonic() - began
        return self.walked

    async def _bought(self, page: Answer) -> str:
        """Accept quotes until one is an order; return where it is, nothing where there is nothing to accept."""
        token = self._draw.choice(("tok_ok",) * 8 + ("tok_declined",))
        while (place := _PLACE.search(page.text)) is not None:
            order_id = place[1]
            quote, total = _QUOTE.search(page.text), _TOTAL.search(page.text)
            assert quote is not None, page.text
            assert total is not None, page.text
            form = HOME | {"quote": quote[1], "payment_token": token}
            answers = await self._clicked(f"/checkouts/{order_id}/orders", form)
            locations = tuple(sorted({answer.headers.get("location", "") for answer in answers} - {""}))
            statuses = tuple(answer.status for answer in answers)
            self._patience.moved()
            self.walked.clicks.append(Click(order_id, int(total[1]) * 100 + int(total[2]), statuses, locations))
            if locations:
                return locations[0]
            page = answers[0]  # the price or the level is another one by now: the answer is the new quote
        return ""

    async def _clicked(self, action: str, form: dict[str, str]) -> list[Answer]:
        """Click once or twice; return each answer."""
        times = self._draw.choice((1, 1, 2))
        return await asyncio.gather(*(self._asked(lambda: self._shopper.post(action, form)) for _ in range(times)))

    async def _followed(self, location: str) -> str:
        """Look at the order until it is over; some change their minds."""
        wants_out = self._draw.random() < 0.1
        while True:
            page = await self._asked(lambda: self._shopper.get(location))
            state = _STATE.search(page.text)
            if wants_out and "Cancel the order" in page.text and not self.walked.cancelled:
                self.walked.cancelled = True
                await self._asked(lambda: self._shopper.post(location.replace("?", "/cancel?")))
            elif state is not None and state[1] in _OVER and not (self.walked.cancelled and state[1] == "paid"):
                self._patience.moved()
                return state[1]
            self._patience.check(f"{location.split('?', maxsplit=1)[0]}, {state[1] if state else page.status}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _asked(self, ask: Callable[[], Any]) -> Answer:
        """Return an answer; what got none, or 503, is tried again, as people do."""
        while True:
            self.walked.tries += 1
            try:
                answer: Answer = await ask()
            except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
                self.walked.unanswered += 1
                self._patience.check(f"an answer: {error!r}")
            else:
                if answer.status < 500:
                    return answer
                self.walked.refused += 1
                self._patience.check(f"an answer other than {answer.status}")
            await asyncio.sleep(PAUSE_SECONDS)
