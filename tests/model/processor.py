"""The card network of one case: it executes what it is asked, once per id, says yes or no as it likes, and keeps books.

These books are the oracle of money: where the payments room asks for what nobody may ask (an id again with other content,
more than is held, more than was captured) that is an AccountingError, whatever the network would have answered.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from consumers.payments.processor import Operation, OperationKind
from schemas import messages as m
from tests.model.dice import Pick
from tests.model.sense import AccountingError

Answer: TypeAlias = m.RecordPaymentResult | m.RecordPaymentInspection

LASTS_MS: Final = (0, 0, 3_000, 8_000)
"""How long an authorisation is held; 0 is longer than any case takes, and is not said."""


class Account(msgspec.Struct):
    """One authorisation's money, in minor units. `ends_at_ms` is 0 where it does not lapse.

    `strangers_refunded` is what others than we gave back of it; `is_touched` is whether they did anything to it.
    """

    order_id: str
    authorized: int
    captured: int = 0
    voided: int = 0
    refunded: int = 0
    ends_at_ms: int = 0
    has_lapsed: bool = False
    disputed: int = 0
    lost: int = 0
    strangers_refunded: int = 0
    is_touched: bool = False

    @property
    def left(self) -> int:
        """What was captured and neither went back nor was withdrawn."""
        return self.captured - self.refunded - self.disputed - self.lost

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

    def perform(self, operation: Operation, now_ms: int) -> Answer:
        """Execute an operation and return what the effect runner puts on the log.

        That is what was answered to its id before, if anything; a refusal comes with where the money is, and so does an
        inspection. Raises AccountingError for an operation that nobody may ask for.
        """
        name = operation.operation_id
        known = self.asked.setdefault(name, operation)
        if known != operation:
            raise AccountingError(f"{name} was asked with other content: {known} {operation}")
        if operation.kind is OperationKind.INSPECT:
            return self._inspection(operation, "")
        answer = self._answer_once(operation, now_ms)
        is_explained = answer.result == "failed" and not operation.unconfirmed_id
        return self._inspection(operation, answer.reason) if is_explained else answer

    def _inspection(self, operation: Operation, refusal: str) -> m.RecordPaymentInspection:
        """Return where an authorisation's money is. Raises AccountingError for one that does not exist."""
        account = self.accounts.get(operation.authorization_id)
        if account is None:
            raise AccountingError(f"{operation} is about {operation.authorization_id}, which holds nothing")
        return m.RecordPaymentInspection(
            operation.order_id,
            operation.operation_id,
            operation.authorization_id,
            operation.currency,
            account.authorized,
            account.captured,
            account.voided,
            account.refunded,
            account.disputed,
            account.lost,
            refusal,
        )

    def _answer_once(self, operation: Operation, now_ms: int) -> m.RecordPaymentResult:
        name = operation.operation_id
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
        answers = []
        for authorization_id, account in self.accounts.items():
            if account.has_lapsed or not account.ends_at_ms or now_ms < account.ends_at_ms or not account.held:
                continue
            account.has_lapsed = True
            account.voided += account.held
            if self._pick(2):
                operation = next(
                    candidate for candidate in self.asked.values() if _id_of(candidate) == authorization_id
                )
                answers.append(_answer(operation, "lapsed", authorization_id, "expired"))
        return answers

    def meddle(self) -> m.InspectPayment | None:
        """Let a person at the dashboard or the card network move money without us; return what a webhook tells of it."""
        if not self.accounts:
            return None
        name = list(self.accounts)[self._pick(len(self.accounts))]
        account = self.accounts[name]
        what = _MEDDLINGS[self._pick(len(_MEDDLINGS))]
        if not what(account, self._pick):
            return None
        account.is_touched = True
        return m.InspectPayment(account.order_id, name, what.__name__)

    def end_disputes(self) -> None:
        """Let the card network decide every dispute."""
        for account in self.accounts.values():
            _end_dispute(account, self._pick)

    def touched(self) -> list[m.Message]:
        """Return what `payments reconcile` asks about, when it compares both books."""
        touched = [(name, account.order_id) for name, account in self.accounts.items() if account.is_touched]
        return [m.InspectPayment(order_id, name, "reconcile") for name, order_id in touched]

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
        if account.has_lapsed and kind is not OperationKind.REFUND:
            is_void = kind is OperationKind.VOID
            return _answer(operation, "succeeded" if is_void else "failed", authorization_id, "authorization_expired")
        if (reason := self._refusal(operation, account)) is not None:
            return _answer(operation, "failed", authorization_id, reason)
        _book(account, operation)
        return _answer(operation, "succeeded", authorization_id)

    def _refusal(self, operation: Operation, account: Account) -> str | None:
        """Return why an operation is refused, None where it is not. Raises AccountingError for what nobody may ask."""
        most = account.left if operation.kind is OperationKind.REFUND else account.held
        amount = most if operation.kind is OperationKind.VOID else operation.amount_minor
        if account.is_touched and not 0 < amount <= most:
            return "moved_by_others"
        if not 0 < amount <= most:
            raise AccountingError(f"{operation.kind} of {amount} was asked, {most} is there: {operation} {account}")
        return "no" if not self.patient and self._pick(8) == 1 else None

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


def _refund(account: Account, pick: Pick) -> bool:
    if (left := account.left) <= 0:
        return False
    amount = left if pick(2) else 1 + pick(left)
    account.refunded += amount
    account.strangers_refunded += amount
    return True


def _capture(account: Account, pick: Pick) -> bool:
    """Take all or a part; what is left untaken is given back."""
    if (held := account.held) <= 0:
        return False
    account.captured += held if pick(2) else 1 + pick(held)
    account.voided += account.held
    return True


def _void(account: Account, pick: Pick) -> bool:
    del pick
    if account.held <= 0:
        return False
    account.voided += account.held
    return True


def _dispute(account: Account, pick: Pick) -> bool:
    """Withdraw what was captured, which may have been refunded in part."""
    most = account.captured - account.disputed - account.lost
    if most <= 0:
        return False
    account.disputed += most if pick(2) else 1 + pick(most)
    return True


def _end_dispute(account: Account, pick: Pick) -> bool:
    if not account.disputed:
        return False
    account.lost += account.disputed if pick(2) else 0
    account.disputed = 0
    return True


_MEDDLINGS: Final = (_refund, _capture, _void, _dispute, _end_dispute)


def _id_of(authorize: Operation) -> str:
    return f"auth {authorize.operation_id}"


def _answer(operation: Operation, result: str, authorization_id: str, reason: str = "") -> m.RecordPaymentResult:
    return m.RecordPaymentResult(operation.order_id, operation.operation_id, result, authorization_id, reason)
