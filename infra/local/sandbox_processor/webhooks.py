"""Sends each executed operation to a receiver, at least once: signed events by Standard Webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md. An event that was not answered
2xx is sent again after a backoff until it is. Which events were taken stands in a file, so a killed processor sends the
others when it is back. A journal's line is one event, so an event's number is its line's.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp
import msgspec
from standardwebhooks import Webhook

from infra.local.sandbox_processor.answers import event_document
from infra.local.sandbox_processor.entries import Entry
from infra.local.sandbox_processor.faults import FaultPlan

_SENDERS: Final = 16
_TIMEOUT_SECONDS: Final = 5.0
_TAKEN: Final = range(200, 300)
_READABLE_BY_OWNER: Final = 0o600
_ID_BYTES: Final = 16

_encode = msgspec.json.Encoder().encode


class _Event:
    """One event on its way."""

    __slots__ = ("copies", "entry", "failures", "id", "number")

    def __init__(self, number: int, entry: Entry) -> None:
        self.number = number
        self.entry = entry
        text = f"{number}\n{entry.at_ms}\n{entry.key}".encode()
        self.id = "evt_" + hashlib.blake2b(text, digest_size=_ID_BYTES).hexdigest()
        self.failures = 0
        self.copies = 0


class Webhooks:
    """Sends events to `url`, signed with `secret` (base64, `whsec_` before it or not). Needs `start` and `close`."""

    def __init__(self, url: str, secret: str, taken_file: Path, plan: FaultPlan) -> None:
        self._url = url
        self._signer = Webhook(secret)
        self._plan = plan
        self._base_url = ""
        self._taken_file = os.open(taken_file, os.O_RDWR | os.O_CREAT | os.O_APPEND, _READABLE_BY_OWNER)
        self._taken = _read_numbers(taken_file)
        self._ready: asyncio.Queue[_Event] = asyncio.Queue()
        self._senders: list[asyncio.Task[None]] = []
        self._held_back: list[_Event] = []
        self._session: aiohttp.ClientSession | None = None

    def queue(self, number: int, entry: Entry) -> None:
        """Send this event, once the senders have started, unless it was taken before."""
        if number in self._taken:
            return
        event = _Event(number, entry)
        event.copies = self._plan.webhook_copies(event.id)
        if self._session is None:
            self._held_back.append(event)
        else:
            self._send_later(self._plan.webhook_held_back_seconds(event.id), event)

    def start(self, base_url: str) -> None:
        """Begin to send; `base_url` is where a customer's confirmation is taken."""
        self._base_url = base_url
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        connector = aiohttp.TCPConnector(limit=_SENDERS)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        for event in self._held_back:
            self._ready.put_nowait(event)
        self._held_back.clear()
        self._senders = [asyncio.create_task(self._send_events(self._session)) for _ in range(_SENDERS)]

    async def close(self) -> None:
        """Stop at once; what was not taken is sent by the next one."""
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        os.close(self._taken_file)

    async def _send_events(self, session: aiohttp.ClientSession) -> None:
        while True:
            event = await self._ready.get()
            if await self._send(session, event):
                event.copies -= 1
                if event.number not in self._taken:
                    self._taken.add(event.number)
                    os.write(self._taken_file, b"%d\n" % event.number)
            else:
                event.failures += 1
            if event.copies:
                self._send_later(self._plan.webhook_backoff_seconds(event.id, event.failures), event)

    async def _send(self, session: aiohttp.ClientSession, event: _Event) -> bool:
        """Send it once; return whether it was taken."""
        body = _encode(event_document(event.entry, self._base_url)).decode()
        now = datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(event.id, now, body),
        }
        try:
            async with session.post(self._url, data=body.encode(), headers=headers, allow_redirects=False) as answer:
                return answer.status in _TAKEN
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    def _send_later(self, seconds: float, event: _Event) -> None:
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self._ready.put_nowait, event)
        else:
            self._ready.put_nowait(event)


def _read_numbers(path: Path) -> set[int]:
    """Return the numbers in the file; a last one that was cut short is sent again."""
    lines = path.read_bytes().split(b"\n")
    if lines[-1]:
        os.truncate(path, path.stat().st_size - len(lines[-1]))
    return {int(line) for line in lines[:-1]}
