"""What is asked of the processor, and what it writes down about it."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["authorize", "capture", "void", "refund", "lapse", "dispute", "dispute_won", "dispute_lost"]
Outcome: TypeAlias = Literal["succeeded", "refused", "requires_action", "lapsed", "opened", "won", "lost"]

LAPSE_SUFFIX: Final = ":lapse"

OK: Final = 200
PAYMENT_REQUIRED: Final = 402
NOT_FOUND: Final = 404
CONFLICT: Final = 409


class Request(msgspec.Struct, frozen=True, gc=False):
    """A well-formed request. Its payment token goes no further than the judge."""

    key: str
    fingerprint: str
    kind: Kind
    authorization_id: str = ""
    order_id: str = ""
    amount_minor: int = 0
    currency: str = ""
    payment_token: str = ""
    is_last: bool = True
    dispute_id: str = ""


class Entry(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An executed operation, and one line of the journal. `code` says why it was refused; `fails` what will be.

    An authorisation that its customer has to confirm `awaits_action`; what came of that is a further entry under its
    key. Times are in ms since the epoch, UTC; `expires_at_ms` 0 is never. A void's `amount_minor` is what it gave back.
    """

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
    at_ms: int = 0
    expires_at_ms: int = 0
    is_last: bool = True
    awaits_action: bool = False
    dispute_id: str = ""

    @property
    def operation_id(self) -> str:
        """The key of the operation that this is about: a lapse is about the authorisation."""
        return self.key.removesuffix(LAPSE_SUFFIX) if self.kind == "lapse" else self.key

    @property
    def outcome(self) -> Outcome:
        """How it ended, in the API's word."""
        if self.status != OK:
            return "refused"
        if self.awaits_action:
            return "requires_action"
        return _OUTCOMES.get(self.kind, "succeeded")


_OUTCOMES: Final[dict[Kind, Outcome]] = {
    "lapse": "lapsed",
    "dispute": "opened",
    "dispute_won": "won",
    "dispute_lost": "lost",
}
