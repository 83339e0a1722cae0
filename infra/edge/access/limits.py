"""How many requests each client has in a window of time, counted for all processes together in Valkey.

A process takes requests from the count in lots, a thousandth of the quota each and one at least, so that most requests ask nobody.
All processes together never serve more than the quota; what one has taken and not used when the window ends was not
served, a thousandth at most. A client whose quota is used up costs no further question until its window is over.

While Valkey does not answer every request passes: a limit protects from load, and is not worth an outage.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import structlog
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from redis.asyncio import Redis

    Header = tuple[bytes, bytes]

log = structlog.get_logger()

ANSWER_SECONDS: Final = 0.25
"""How long requests wait for Valkey at most."""
AWAY_SECONDS: Final = 1.0
"""How long nobody asks Valkey after it did not answer."""
LOTS: Final = 1_000
MAX_LOTS_HELD: Final = 10_000
"""Clients that a process remembers; more are strangers, each with an address of its own."""
POLICY: Final = b"requests"


class Allowance(msgspec.Struct, frozen=True):
    """What a client has left: requests, and seconds until its quota is whole again. Exceeded: this request is not served."""

    remaining: int
    reset_s: int
    is_exceeded: bool


class _Lot(msgspec.Struct):
    """Requests taken from a client's count. `beyond` are those left in the count; `until` is when the window ends."""

    left: int
    beyond: int
    until: float


class _Question(NamedTuple):
    """A question for so many requests of a client, and who waits for its answer."""

    requests: int
    answer: asyncio.Future[bool]


class RateLimits:
    """Counts the requests of clients, at most `quota` of each in `window_seconds`; a quota of 0 counts nothing."""

    def __init__(self, redis: Redis, namespace: str, *, quota: int, window_seconds: int) -> None:
        self._policy = (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (POLICY, quota, window_seconds))
        self._redis = redis
        self._prefix = f"{namespace}rate:"
        self.quota = quota
        self._window_ms = window_seconds * 1000
        self._lot_size = max(1, quota // LOTS)
        self._lots: dict[str, _Lot] = {}
        self._waiting: dict[str, list[_Question]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._away_until = -math.inf
        self._is_away = False

    async def take(self, client: str, requests: int = 1) -> Allowance | None:
        """Count requests of a client, all of them or none; None where nothing is counted."""
        if not self.quota:
            return None
        while (allowance := self.take_at_hand(client, requests)) is None:
            if time.monotonic() < self._away_until or not await self._taken(client, requests):
                return None
        return allowance

    def take_at_hand(self, client: str, requests: int = 1) -> Allowance | None:
        """Count requests of a client about whom nobody need be asked; None where somebody must."""
        lot = self._lots.get(client)
        if lot is None or (left_s := lot.until - time.monotonic()) <= 0 or (lot.beyond and lot.left < requests):
            return None
        is_exceeded = lot.left < requests
        lot.left -= 0 if is_exceeded else requests
        return Allowance(lot.left + lot.beyond, math.ceil(left_s), is_exceeded)

    def headers(self, allowance: Allowance) -> tuple[Header, Header]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers-11: the quota in a window, and what is left of it."""
        return self._policy, (b"ratelimit", b'"%b";r=%d;t=%d' % (POLICY, allowance.remaining, allowance.reset_s))

    async def close(self) -> None:
        """End a question that is under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    def _taken(self, client: str, requests: int) -> asyncio.Future[bool]:
        """Return whether Valkey answered the question for a lot, which all that ask meanwhile share."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, []).append(_Question(requests, answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="rate limits")
        return answer

    async def _ask(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            is_taken = False
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._take_lots(
                        {client: sum(question.requests for question in asked) for client, asked in waiting.items()}
                    )
                is_taken = True
                self._note_back()
            except (RedisError, OSError, TimeoutError) as error:
                self._note_away(error)
            finally:
                for question in (each for asked in waiting.values() for each in asked):
                    if not question.answer.done():
                        question.answer.set_result(is_taken)

    async def _take_lots(self, wanted: dict[str, int]) -> None:
        sizes = {client: max(self._lot_size, number) for client, number in wanted.items()}
        async with self._redis.pipeline(transaction=True) as pipeline:
            for client, size in sizes.items():
                key = self._prefix + client
                pipeline.incrby(key, size)
                pipeline.pexpire(key, self._window_ms, nx=True)
                pipeline.pttl(key)
            replies = await pipeline.execute()
        now = time.monotonic()
        self._forget(now)
        for (client, size), used, left_ms in zip(sizes.items(), replies[::3], replies[2::3], strict=True):
            before = max(0, self.quota - (used - size))
            granted = min(size, before)
            lot = self._lots.get(client)
            kept = lot.left if lot is not None and now < lot.until else 0
            self._lots[client] = _Lot(kept + granted, before - granted, now + left_ms / 1000)

    def _forget(self, now: float) -> None:
        if len(self._lots) >= MAX_LOTS_HELD:
            self._lots = {client: lot for client, lot in self._lots.items() if now < lot.until}
            if len(self._lots) >= MAX_LOTS_HELD:
                self._lots.clear()  # what they had taken is lost to them, which strangers bear

    def _note_away(self, error: Exception) -> None:
        self._away_until = time.monotonic() + AWAY_SECONDS
        if not self._is_away:
            log.warning("rate_limits_suspended", error=repr(error), effect="every request passes until Valkey answers")
        self._is_away = True

    def _note_back(self) -> None:
        if self._is_away:
            log.info("rate_limits_resumed")
        self._is_away = False
