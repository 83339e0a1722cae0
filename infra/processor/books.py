"""The processor's books: every executed operation under its key, and where each authorisation's money is.

`judge` decides what an operation's answer is; `apply` writes it down. Reloading applies the journal's entries again.
Everything stays in memory (about 0.5 kB an operation): this is a simulator for runs, not for years.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import msgspec

from infra.processor.faults import FaultPlan

Kind: TypeAlias = Literal["authorize", "capture", "void"]

OK: Final = 200
PAYMENT_REQUIRED: Final = 402
NOT_FOUND: Final = 404
CONFLICT: Final = 409

_DECLINING_TOKENS: Final = {"tok_declined": "card_declined", "tok_insufficient_funds": "insufficient_funds"}
_FATEFUL_TOKENS: Final = {"tok_capture_fails": "capture", "tok_void_fails": "void"}


class Request(msgspec.Struct, frozen=True, gc=False):
    """A well-formed request. Its payment token goes no further than `Books.judge`."""

    key: str
    fingerprint: str
    kind: Kind
    authorization_id: str = ""
    order_id: str = ""
    amount_minor: int = 0
    currency: str = ""
    payment_token: str = ""


class Entry(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An executed operation, and one line of the journal. `code` says why it was refused; `fails` what will be."""

    key: str
    fingerprint: str
    kind: Kind
    status: int
    code: str = ""
    authorization_id: str = ""
    order_id: str = ""
    amount_minor: int = 0
    currency: str = ""
    fails: str = ""


class Authorization(msgspec.Struct, gc=False):
    """The money of one authorisation; whatever is neither captured nor voided is still held from the customer."""

    authorization_id: str
    order_id: str
    currency: str
    authorized_minor: int
    captured_minor: int = 0
    voided_minor: int = 0
    fails: str = ""

    @property
    def held_minor(self) -> int:
        """What the customer can neither spend nor has paid."""
        return self.authorized_minor - self.captured_minor - self.voided_minor


class Totals(msgspec.Struct):
    """The sum over all authorisations in one currency."""

    authorizations: int = 0
    authorized_minor: int = 0
    captured_minor: int = 0
    voided_minor: int = 0
    held_minor: int = 0


class Books:
    """All entries and authorisations. Not written down anywhere: see Journal."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._authorizations: dict[str, Authorization] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: str) -> Entry | None:
        """Return what was executed under this key."""
        return self._entries.get(key)

    def judge(self, request: Request, plan: FaultPlan) -> Entry:
        """Decide an operation that has not been executed yet. Changes nothing."""
        if request.kind == "authorize":
            return _judge_authorize(request, plan)
        if (authorization := self._authorizations.get(request.authorization_id)) is None:
            return _entry(request, NOT_FOUND, "authorization_unknown")
        if request.kind == "capture":
            return _judge_capture(request, authorization, plan)
        return _judge_void(request, authorization)

    def apply(self, entry: Entry) -> None:
        """Write down what was decided; once per entry, in their order."""
        self._entries[entry.key] = entry
        if entry.status != OK:
            return
        if entry.kind == "authorize":
            self._authorizations[entry.authorization_id] = Authorization(
                entry.authorization_id, entry.order_id, entry.currency, entry.amount_minor, fails=entry.fails
            )
            return
        authorization = self._authorizations[entry.authorization_id]
        if entry.kind == "capture":
            authorization.captured_minor = entry.amount_minor
        authorization.voided_minor = authorization.authorized_minor - authorization.captured_minor

    def lines(self, order_id: str | None = None) -> Iterator[Authorization]:
        """Yield every authorisation, or those of one order."""
        for authorization in self._authorizations.values():
            if order_id is None or authorization.order_id == order_id:
                yield authorization

    def totals(self, order_id: str | None = None) -> dict[str, Totals]:
        """Return the sums by currency."""
        sums: dict[str, Totals] = {}
        for line in self.lines(order_id):
            total = sums.setdefault(line.currency, Totals())
            total.authorizations += 1
            total.authorized_minor += line.authorized_minor
            total.captured_minor += line.captured_minor
            total.voided_minor += line.voided_minor
            total.held_minor += line.held_minor
        return sums


def _judge_authorize(request: Request, plan: FaultPlan) -> Entry:
    if (code := _DECLINING_TOKENS.get(request.payment_token)) is not None:
        return _entry(request, PAYMENT_REQUIRED, code)
    if plan.declines(request.key):
        return _entry(request, PAYMENT_REQUIRED, "card_declined")
    return Entry(
        key=request.key,
        fingerprint=request.fingerprint,
        kind=request.kind,
        status=OK,
        authorization_id="auth_" + hashlib.blake2b(request.key.encode(), digest_size=12).hexdigest(),
        order_id=request.order_id,
        amount_minor=request.amount_minor,
        currency=request.currency,
        fails=_FATEFUL_TOKENS.get(request.payment_token, ""),
    )


def _judge_capture(request: Request, authorization: Authorization, plan: FaultPlan) -> Entry:
    if authorization.captured_minor:
        return _entry(request, CONFLICT, "already_captured", authorization)
    if authorization.voided_minor:
        return _entry(request, CONFLICT, "already_voided", authorization)
    if request.currency != authorization.currency:
        return _entry(request, CONFLICT, "currency_mismatch", authorization)
    if request.amount_minor > authorization.authorized_minor:
        return _entry(request, CONFLICT, "amount_exceeds_authorization", authorization)
    if authorization.fails == "capture" or plan.fails_capture(request.key):
        return _entry(request, PAYMENT_REQUIRED, "capture_failed", authorization)
    return _entry(request, OK, "", authorization)


def _judge_void(request: Request, authorization: Authorization) -> Entry:
    if authorization.captured_minor:
        return _entry(request, CONFLICT, "already_captured", authorization)
    if authorization.voided_minor:
        return _entry(request, CONFLICT, "already_voided", authorization)
    if authorization.fails == "void":
        return _entry(request, PAYMENT_REQUIRED, "void_failed", authorization)
    return _entry(request, OK, "", authorization)


def _entry(request: Request, status: int, code: str, authorization: Authorization | None = None) -> Entry:
    return Entry(
        key=request.key,
        fingerprint=request.fingerprint,
        kind=request.kind,
        status=status,
        code=code,
        authorization_id=request.authorization_id,
        order_id=authorization.order_id if authorization else request.order_id,
        amount_minor=request.amount_minor,
        currency=authorization.currency if authorization else request.currency,
    )
