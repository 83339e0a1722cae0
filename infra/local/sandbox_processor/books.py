"""The processor's books: every executed operation under its key, and where each authorisation's money is.

What may happen is decided elsewhere (judge.py); `apply` writes down what did. Reloading applies the journal's entries
again. Everything stays in memory (about 0.7 kB an operation): this is a simulator for runs, not for years.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from infra.local.sandbox_processor.entries import OK, PAYMENT_REQUIRED, Entry


class Authorization(msgspec.Struct, gc=False):
    """The money of one authorisation, in minor units; `operation_id` is the key under which it was asked for.

    What the card network withdraws for disputes is `disputed_minor` while they are open (`open_disputes`, by their ids) and
    `lost_minor` once they are lost. It holds nothing before its customer has confirmed it, and nothing once it is `captured` (the last capture was taken),
    `voided`, `expired` or `declined`.
    """

    authorization_id: str
    order_id: str
    currency: str
    authorized_minor: int
    captured_minor: int = 0
    voided_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0
    lost_minor: int = 0
    open_disputes: dict[str, int] = {}
    fails: str = ""
    operation_id: str = ""
    state: Literal["requires_action", "open", "captured", "voided", "expired", "declined"] = "open"
    created_at_ms: int = 0
    expires_at_ms: int = 0

    @property
    def held_minor(self) -> int:
        """What the customer can neither spend nor has paid."""
        return self.authorized_minor - self.captured_minor - self.voided_minor

    @property
    def left_minor(self) -> int:
        """What is left of the captured money."""
        return self.captured_minor - self.refunded_minor - self.disputed_minor - self.lost_minor


class Totals(msgspec.Struct):
    """The sum over all authorisations in one currency."""

    authorizations: int = 0
    authorized_minor: int = 0
    captured_minor: int = 0
    voided_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0
    lost_minor: int = 0
    held_minor: int = 0


class Books:
    """All entries and authorisations. Not written down anywhere: see Journal."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._authorizations: dict[str, Authorization] = {}
        self._by_creation: list[Authorization] = []
        self._by_dispute: dict[str, Authorization] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: str) -> Entry | None:
        """Return what was executed under this key, as it stands now."""
        return self._entries.get(key)

    def authorization(self, authorization_id: str) -> Authorization | None:
        """Return an authorisation."""
        return self._authorizations.get(authorization_id)

    def disputed(self, dispute_id: str) -> Authorization | None:
        """Return the authorisation that a dispute is about, open or not."""
        return self._by_dispute.get(dispute_id)

    def apply(self, entry: Entry) -> None:
        """Write down what was decided; once per entry, in their order."""
        self._entries[entry.key] = entry
        authorization = self._authorizations.get(entry.authorization_id)
        if entry.kind == "authorize":
            self._authorize(entry, authorization)
        elif authorization is not None and entry.status == OK:
            self._apply(entry, authorization)

    def lines(self, order_id: str | None = None) -> Iterator[Authorization]:
        """Yield every authorisation, or those of one order."""
        for authorization in self._by_creation:
            if order_id is None or authorization.order_id == order_id:
                yield authorization

    def page(self, since_ms: int, start: int, limit: int) -> tuple[Sequence[Authorization], int | None]:
        """Return up to `limit` authorisations made at `since_ms` or later, and where the next page starts if one does.

        `start` is 0 or such a start. What is added meanwhile comes last, so who follows the pages misses nothing.
        """
        if not start:
            start = bisect_left(self._by_creation, since_ms, key=lambda line: line.created_at_ms)
        end = start + limit
        return self._by_creation[start:end], end if end < len(self._by_creation) else None

    def totals(self, order_id: str | None = None) -> dict[str, Totals]:
        """Return the sums by currency."""
        sums: dict[str, Totals] = {}
        for line in self.lines(order_id):
            total = sums.setdefault(line.currency, Totals())
            total.authorizations += 1
            total.authorized_minor += line.authorized_minor
            total.captured_minor += line.captured_minor
            total.voided_minor += line.voided_minor
            total.refunded_minor += line.refunded_minor
            total.disputed_minor += line.disputed_minor
            total.lost_minor += line.lost_minor
            total.held_minor += line.held_minor
        return sums

    def _authorize(self, entry: Entry, known: Authorization | None) -> None:
        """Open an authorisation, or write down what its customer said to one that waited for it."""
        if known is None and entry.status == OK:
            opened = Authorization(
                entry.authorization_id,
                entry.order_id,
                entry.currency,
                0 if entry.awaits_action else entry.amount_minor,
                fails=entry.fails,
                operation_id=entry.key,
                state="requires_action" if entry.awaits_action else "open",
                created_at_ms=entry.at_ms,
                expires_at_ms=entry.expires_at_ms,
            )
            self._authorizations[entry.authorization_id] = opened
            self._by_creation.append(opened)
        elif known is not None and entry.status == OK:
            known.authorized_minor, known.expires_at_ms, known.state = entry.amount_minor, entry.expires_at_ms, "open"
        elif known is not None:
            known.state = "declined"

    def _apply(self, entry: Entry, authorization: Authorization) -> None:
        if entry.kind == "refund":
            authorization.refunded_minor += entry.amount_minor
            return
        if entry.dispute_id:
            self._dispute(entry, authorization)
            return
        if entry.kind == "capture":
            authorization.captured_minor += entry.amount_minor
            if not entry.is_last and authorization.held_minor:
                return
            authorization.state = "captured"
        elif entry.kind == "lapse":
            authorization.state = "expired"
        else:
            self._void(authorization)
        authorization.voided_minor = authorization.authorized_minor - authorization.captured_minor

    def _dispute(self, entry: Entry, authorization: Authorization) -> None:
        """Withdraw money for a dispute, or end one: a won one brings the money back."""
        if entry.kind == "dispute":
            authorization.open_disputes[entry.dispute_id] = entry.amount_minor
            self._by_dispute[entry.dispute_id] = authorization
        else:
            del authorization.open_disputes[entry.dispute_id]
        authorization.disputed_minor = sum(authorization.open_disputes.values())
        authorization.lost_minor += entry.amount_minor if entry.kind == "dispute_lost" else 0

    def _void(self, authorization: Authorization) -> None:
        """Close it. What its customer has not confirmed by now can never succeed, whoever looks it up."""
        if authorization.state == "requires_action":
            asked = self._entries[authorization.operation_id]
            self._entries[asked.key] = msgspec.structs.replace(
                asked, status=PAYMENT_REQUIRED, code="already_voided", awaits_action=False
            )
        if authorization.state in {"requires_action", "open"}:
            authorization.state = "voided"
