"""Writes down what the processor did, sends webhooks about it, and does what falls due: lapses, and customers who decide by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import time

from infra.local.sandbox_processor.books import Books
from infra.local.sandbox_processor.entries import OK, Entry, Request
from infra.local.sandbox_processor.journal import Journal
from infra.local.sandbox_processor.judge import Judge, lapse
from infra.local.sandbox_processor.webhooks import Webhooks


class Ledger:
    """The one way into the books: an operation is in the journal before anything is sent about it."""

    def __init__(self, journal: Journal, judge: Judge, webhooks: Webhooks | None) -> None:
        self.books = Books()
        self._journal = journal
        self._judge = judge
        self._webhooks = webhooks
        self._lines = 0
        self._latest_ms = 0
        self._due: list[tuple[int, str]] = []
        self._due_changed = asyncio.Event()

    def load(self) -> None:
        """Take up the journal: the books, what was not sent yet, and what falls due."""
        for entry in self._journal.load():
            self._take(entry)

    def execute(self, request: Request) -> Entry:
        """Decide an operation that was not executed yet, and write down what was decided."""
        about = self.books.disputed if request.dispute_id else self.books.authorization
        authorization = about(request.dispute_id or request.authorization_id)
        entry = self._judge.decide(request, authorization, self._now_ms())
        self._write(entry)
        return entry

    def confirm(self, authorization_id: str, *, confirmed: bool) -> Entry | None:
        """Take a customer's answer to an authorisation that waits for it; return how it stands, None for no such one."""
        if (authorization := self.books.authorization(authorization_id)) is None:
            return None
        asked = self.books.find(authorization.operation_id)
        if asked is not None and asked.awaits_action:
            asked = self._judge.confirm(asked, self._now_ms(), confirmed=confirmed)
            self._write(asked)
        return asked

    async def do_what_falls_due(self) -> None:
        """Let authorisations lapse, and customers decide, when their time has come; until cancelled."""
        while True:
            self._due_changed.clear()
            while self._due and self._due[0][0] <= self._now_ms():
                self._fall_due(heapq.heappop(self._due)[1])
            wait_seconds = (self._due[0][0] - self._now_ms()) / 1000.0 if self._due else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_seconds):
                    await self._due_changed.wait()

    def _write(self, entry: Entry) -> None:
        self._journal.append(entry)
        self._take(entry)

    def _take(self, entry: Entry) -> None:
        self.books.apply(entry)
        self._latest_ms = max(self._latest_ms, entry.at_ms)
        self._lines += 1
        if self._webhooks is not None:
            self._webhooks.queue(self._lines, entry)
        if entry.kind == "authorize" and entry.status == OK:
            self._expect(entry)

    def _expect(self, entry: Entry) -> None:
        due_ms = entry.expires_at_ms
        if entry.awaits_action:
            action_ms = round(self._judge.terms.action_seconds * 1000)
            due_ms = entry.at_ms + action_ms if action_ms else 0
        if due_ms:
            heapq.heappush(self._due, due := (due_ms, entry.authorization_id))
            if self._due[0] is due:
                self._due_changed.set()

    def _fall_due(self, authorization_id: str) -> None:
        authorization = self.books.authorization(authorization_id)
        if authorization is None:
            return
        if authorization.state == "requires_action":
            declined = self._judge.plan.declines_action(authorization.operation_id)
            self.confirm(authorization_id, confirmed=not declined)
        elif authorization.state == "open" and authorization.expires_at_ms <= self._now_ms():
            self._write(lapse(authorization, self._now_ms()))

    def _now_ms(self) -> int:
        """Never before what is written down already, so that the books are in the order of their times."""
        return max(self._latest_ms, time.time_ns() // 1_000_000)
