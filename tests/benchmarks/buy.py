"""`make bench-buy`: carts beside the same by WATCH and MULTI, sixteen writers on one hot cart; quotes and their signatures; buying.

Both lanes use the same server, connections and client. A writer of the other lane that was overtaken tries again, as it must.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from redis.asyncio import Redis
from redis.exceptions import WatchError

from producers.checkout.carts import CartLine, Carts
from producers.checkout.quotes import Offer, make_quote, opened_quote, order_of, sign_quote
from producers.checkout.signing import Signer
from schemas.ids import new_order_id
from tests.benchmarks.cart_losses import measure_losses
from tests.benchmarks.checkouts import check_out
from tests.benchmarks.harness.options import Options
from tests.benchmarks.harness.program import run_benchmark
from tests.benchmarks.harness.report import Report, at_most
from tests.benchmarks.harness.spread import paired, spread
from tests.benchmarks.reading.servers import valkey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WRITERS = 16
LINES = 10


def client_of(address: str) -> Redis:
    """Return a client that waits: a busy machine is no failure."""
    return Redis.from_url(address, socket_timeout=30, socket_connect_timeout=30)


async def with_function(redis: Redis, cart_id: str) -> None:
    await Carts(redis).add(cart_id, [CartLine("MUG", 1)])


async def with_watch(redis: Redis, cart_id: str) -> None:
    """Add a unit by optimistic locking: read, compute, write if nobody was there meanwhile, else again."""
    key = f"watched:{cart_id}"
    is_written = False
    while not is_written:
        async with redis.pipeline(transaction=True) as pipeline:
            with contextlib.suppress(WatchError):
                await pipeline.watch(key)
                fields: Any = await pipeline.hgetall(key)
                pipeline.multi()  # type: ignore[no-untyped-call]  # redis-py's
                quantity = int(fields.get(b"q:MUG", 0)) + 1
                pipeline.hset(key, mapping={"q:MUG": quantity, "_v": int(fields.get(b"_v", 0)) + 1})
                await pipeline.execute()
                is_written = True


async def write_at_once(address: str, add: Callable[[Redis, str], Awaitable[None]], cart_id: str, each: int) -> float:
    """Return how many units a second sixteen writers add to one cart."""

    async def writer() -> None:
        redis = client_of(address)
        for _ in range(each):
            await add(redis, cart_id)
        await redis.aclose()

    began = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(WRITERS)))
    return WRITERS * each / (time.perf_counter() - began)


async def hot_cart(options: Options, report: Report, address: str) -> None:
    each = 10 if options.quick else 200
    function_rates, watch_rates = [], []
    redis = client_of(address)
    for number in range(options.rounds):
        function_rates.append(await write_at_once(address, with_function, f"hot-{number}", each))
        cart = await Carts(redis).read(f"hot-{number}")
        if cart.units != min(999, WRITERS * each):
            report.breaches.append(f"{cart.units} units are in the cart, {WRITERS * each} were added")
        watch_rates.append(await write_at_once(address, with_watch, f"hot-{number}", max(1, each // 10)))
    report.spreads["additions a second, function"] = spread(function_rates)
    report.spreads["additions a second, WATCH and MULTI"] = spread(watch_rates)
    report.ratio("cart_vs_watch", paired(function_rates, watch_rates), 10)
    taken = []
    for number in range(100 if options.quick else 2_000):
        began = time.perf_counter()
        await Carts(redis).add(f"cool-{number % 50}", [CartLine(f"S{number % 20}", 1)])
        taken.append((time.perf_counter() - began) * 1000)
    report.figure("cart_add_p99_ms", float(np.percentile(taken, 99)))
    report.bars["cart_add_p99_ms"] = at_most(float(np.percentile(taken, 99)), 2)
    await redis.aclose()


def quotes(options: Options, report: Report) -> None:
    """Measure quoting ten lines, signing, opening and turning a quote into an order: all that is no server's work."""
    signer = Signer("of a benchmark")
    offers = {
        f"S{n}": Offer(sku=f"S{n}", product_id=f"P{n}", slug=f"p_{n}", title="A mug", price_minor=350, available=9)
        for n in range(LINES)
    }
    wanted = [CartLine(sku, 1, 350) for sku in offers]
    rates, taken = [], []
    for _ in range(options.rounds):
        number = 100 if options.quick else 5_000
        spent = time.process_time()
        for _ in range(number):
            began = time.perf_counter()
            quote = make_quote(
                wanted, offers, order_id=new_order_id(), cart_id="c", customer_id="b", currency="GBP", now_ms=0
            )
            opened = opened_quote(signer, sign_quote(signer, quote))
            assert opened is not None
            order_of(opened, "tok_ok", 900)
            taken.append((time.perf_counter() - began) * 1000)
        rates.append(number / (time.process_time() - spent))
    report.spreads["quotes of ten lines, made, signed, opened and ordered, per CPU second"] = spread(rates)
    report.figure("quotes_per_cpu_s", spread(rates).median)
    p99_ms = float(np.percentile(taken, 99))
    report.figure("quote_of_ten_lines_p99_ms", p99_ms)
    report.bars["quote_of_ten_lines_p99_ms"] = at_most(p99_ms, 20)


async def run(options: Options, report: Report) -> None:
    """Measure carts, what crashes take of them, then quotes, then the same through a whole system."""
    if options.wants("carts"):
        async with valkey() as address:
            await hot_cart(options, report, address)
    if options.wants("losses"):
        await measure_losses(options, report)
    if options.wants("quotes"):
        quotes(options, report)
    if options.wants("system"):
        await check_out(options, report)


def main() -> int:
    """Be the program."""
    return run_benchmark(run, name="buy", title="Carts and quotes", unit="operations a second", orders=1)


if __name__ == "__main__":
    raise SystemExit(main())
