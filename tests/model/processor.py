"""The card network of one case: it executes what it is asked, once per id, says yes or no as it likes, and keeps books.

These books are the oracle of money: where the payments room asks for what nobody may ask (an id again with other content,
more than is held, more than was captured) that is an AccountingError, whatever the network would have answered.
"""

from __future__ import annotations

from typing import Final

import msgspec

from consumers.payments.processor import Operation, OperationKind
from schemas import messages as m
from tests.model.accounting import AccountingError
from tests.model.dice import Pick

LASTS_MS: Final = (0, 0, 3_000, 8_000)
"""How long an authorisation is held; 0 is longer than any case takes, and is not said."""


class Account(msgspec.Struct):
    """One authorisation's money, in minor units. `ends_at_ms` is 0 where it does not lapse."""

    order_id: str
    authorized: int
    captured: int = 0
    voided: int = 0
    refunded: int = 0
    ends_at_ms: int = 0
    has_lapsed: bool = False

    @property
    def held(self) -> int:
        """What the customer can neither spend nor has paid."""
        return self.authorized - self.captured - self.voided


class Processor:
    """Answers operations. A `patient` one refuses nothing that it may be asked."""

    def __init__(self, pick: Pick) -> None:
        self._pick = pick
        self.patient = False
        self.accounts: dict[str, Account] = {}
        self.asked: dict[str, Operation] = {}
        self.granted: list[Operation] = []
        self._answers: dict[str, m.RecordPaymentResult] = {}
        self._unconfirmed: dict[str, Operation] = {}
        self._refused: set[str] = set()

    def perform(self, operation: Operation, now_ms: int) -> m.RecordPaymentResult:
        """Execute an operation, or answer again what was answered to its id. Raises AccountingError for an impossible one."""
        name = operation.operation_id
        known = self.asked.setdefault(name, operation)
        if known != operation:
            raise AccountingError(f"{name} was asked with other content: {known} {operation}")
        if name not in self._answers:
            asks_anew = operation.kind is OperationKind.AUTHORIZE
            self._answers[name] = self._authorize(operation, now_ms) if asks_anew else self._move(operation)
            if self._answers[name].result == "succeeded":
                self.granted.append(operation)
        return self._answers[name]

    def confirmation_of(self, operation: Operation) -> m.RecordPaymentResult | None:
        """Return what the runner finds who looks up what it is to cancel: that it is confirmed, None where it is not."""
        asked = self.asked.get(operation.unconfirmed_id)
        if asked is None or _id_of(asked) not in self.accounts:
            return None
        return self._answers[asked.operation_id]

    def confirm(self) -> m.RecordPaymentResult | None:
        """Let a customer confirm a payment, or say no; None where nobody has to."""
        if not self._unconfirmed:
            return None
        name = list(self._unconfirmed)[self._pick(len(self._unconfirmed))]
        operation = self._unconfirmed.pop(name)
        before = self._answers[name]
        if self._pick(4) == 1:
            self._refused.add(before.authorization_id)
            self._answers[name] = _answer(operation, "declined", before.authorization_id, "not confirmed")
        else:
            self._open(operation, before.authorization_id, 0)
            self._answers[name] = _answer(operation, "succeeded", before.authorization_id)
            self.granted.append(operation)
        return self._answers[name]

    def lapse(self, now_ms: int) -> list[m.RecordPaymentResult]:
        """Give back what was held for too long; return what the network tells of its own accord."""
        told = []
        for authorization_id, account in self.accounts.items():
            if account.has_lapsed or not account.ends_at_ms or now_ms < account.ends_at_ms or not account.held:
                continue
            account.has_lapsed = True
            account.voided += account.held
            if self._pick(2):
                operation = next(it for it in self.asked.values() if _id_of(it) == authorization_id)
                told.append(_answer(operation, "lapsed", authorization_id, "expired"))
        return told

    def _authorize(self, operation: Operation, now_ms: int) -> m.RecordPaymentResult:
        roll = self._pick(16)
        if not self.patient and roll in (1, 2):
            return _answer(operation, "declined", "", "no")
        if not self.patient and roll in (3, 4):
            self._unconfirmed[operation.operation_id] = operation
            asked = _answer(operation, "requires_action", _id_of(operation))
            return msgspec.structs.replace(asked, action_url="confirm")
        lasts_ms = LASTS_MS[self._pick(len(LASTS_MS))]
        ends_at_ms = now_ms + lasts_ms if lasts_ms else 0
        self._open(operation, _id_of(operation), ends_at_ms)
        return msgspec.structs.replace(_answer(operation, "succeeded", _id_of(operation)), expires_at_ms=ends_at_ms)

    def _open(self, operation: Operation, authorization_id: str, ends_at_ms: int) -> None:
        self.accounts[authorization_id] = Account(operation.order_id, operation.amount_minor, ends_at_ms=ends_at_ms)

    def _move(self, operation: Operation) -> m.RecordPaymentResult:
        """Capture, void or refund. Raises AccountingError for what is not there."""
        authorization_id = operation.authorization_id
        account = self.accounts.get(authorization_id)
        if account is None:
            return self._give_up_unconfirmed(operation)
        if account.order_id != operation.order_id:
            raise AccountingError(f"{operation} is about the money of {account.order_id}")
        kind = operation.kind
        if operation.unconfirmed_id and self._pick(3):
            return _answer(operation, "failed", authorization_id, "confirmed_meanwhile")
        if account.has_lapsed and kind is OperationKind.CAPTURE:
            return _answer(operation, "failed", authorization_id, "authorization_expired")
        if account.has_lapsed and kind is OperationKind.VOID:
            return _answer(operation, "succeeded", authorization_id)
        most = account.captured - account.refunded if kind is OperationKind.REFUND else account.held
        amount = most if kind is OperationKind.VOID else operation.amount_minor
        if not 0 < amount <= most:
            raise AccountingError(f"{kind} of {amount} was asked, {most} is there: {operation} {account}")
        if not self.patient and self._pick(8) == 1:
            return _answer(operation, "failed", authorization_id, "no")
        _book(account, operation)
        return _answer(operation, "succeeded", authorization_id)

    def _give_up_unconfirmed(self, operation: Operation) -> m.RecordPaymentResult:
        """Void what the customer has not confirmed: then they no longer can."""
        for name, asked in self._unconfirmed.items():
            if _id_of(asked) == operation.authorization_id and operation.kind is OperationKind.VOID:
                del self._unconfirmed[name]
                self._answers[name] = _answer(asked, "declined", operation.authorization_id, "given up")
                return _answer(operation, "succeeded", operation.authorization_id)
        if operation.authorization_id in self._refused and operation.kind is OperationKind.VOID:
            return _answer(operation, "succeeded", operation.authorization_id)
        raise AccountingError(f"{operation} is about {operation.authorization_id}, which holds nothing")


def _book(account: Account, operation: Operation) -> None:
    if operation.kind is OperationKind.REFUND:
        account.refunded += operation.amount_minor
        return
    if operation.kind is OperationKind.CAPTURE:
        account.captured += operation.amount_minor
    if operation.kind is OperationKind.VOID or operation.is_last:
        account.voided += account.held


def _id_of(authorize: Operation) -> str:
    return f"auth {authorize.operation_id}"


def _answer(operation: Operation, result: str, authorization_id: str, reason: str = "") -> m.RecordPaymentResult:
    return m.RecordPaymentResult(operation.order_id, operation.operation_id, result, authorization_id, reason)
