"""The card network, faked at the boundary that we do not run, and time that passes when a test says so."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable
from enum import Enum, auto

from consumers.payments.errors import NotSentError, OutcomeUnknownError
from consumers.payments.processor import Operation, OperationKind, ProcessorPayment, ProcessorResult
from tests.harness.waiting import one_turn

GRANTED = ProcessorResult("succeeded", "auth_1", "")
ASKS_FOR_ACTION = ProcessorResult("requires_action", "auth_1", "", "https://bank.example/confirm")
ANSWERS = {"tok_3ds": ASKS_FOR_ACTION}


class Fate(Enum):
    """What becomes of one call."""

    ANSWERED = auto()
    ANSWER_LOST = auto()
    REQUEST_LOST = auto()
    BUSY = auto()


class FakeNetwork:
    """Executes each operation at most once per id; `fates[operation_id]` is what its next performs meet."""

    def __init__(self) -> None:
        self.fates: defaultdict[str, deque[Fate | Exception]] = defaultdict(deque)
        self.look_up_fates: defaultdict[str, deque[Exception]] = defaultdict(deque)
        self.books: dict[str, ProcessorResult] = {}
        self.payments_by_id: dict[str, ProcessorPayment] = {}
        self.inspection_fates: deque[Exception] = deque()
        self.executed: Counter[str] = Counter()
        self.calls: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_down = False
        self.in_flight = 0
        self.most_in_flight = 0

    async def perform(self, operation: Operation) -> ProcessorResult:
        self.calls.append(f"perform {operation.operation_id}")
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        try:
            await self.gate.wait()
            await one_turn()
            return self._meet_fate(operation)
        finally:
            self.in_flight -= 1

    def _meet_fate(self, operation: Operation) -> ProcessorResult:
        if self.is_down:
            raise NotSentError("nobody is there")
        fates = self.fates[operation.operation_id]
        fate = fates.popleft() if fates else Fate.ANSWERED
        if isinstance(fate, Exception):
            raise fate
        if fate is Fate.BUSY:
            raise NotSentError("busy", retry_after_seconds=7.0)
        if fate is Fate.REQUEST_LOST:
            raise OutcomeUnknownError("nobody knows")
        answer = self.books.get(operation.operation_id)
        if answer is None:
            answer = self.books[operation.operation_id] = ANSWERS.get(operation.payment_token, GRANTED)
            self.executed[operation.operation_id] += 1
        if fate is Fate.ANSWER_LOST:
            raise OutcomeUnknownError("nobody knows")
        return answer

    async def look_up(self, operation: Operation) -> ProcessorResult | None:
        self.calls.append(f"look up {operation.operation_id}")
        if self.is_down:
            raise NotSentError("nobody is there")
        if fates := self.look_up_fates[operation.operation_id]:
            raise fates.popleft()
        return self.books.get(operation.operation_id)

    async def payment(self, authorization_id: str) -> ProcessorPayment | None:
        self.calls.append(f"inspect {authorization_id}")
        if self.inspection_fates:
            raise self.inspection_fates.popleft()
        return self.payments_by_id.get(authorization_id)

    async def payments(self, since_ms: int) -> AsyncIterator[ProcessorPayment]:
        for order_id, result in self.books.items():
            yield ProcessorPayment(result.authorization_id, order_id, "EUR", 1999, 0, 0, 0, since_ms)

    async def close(self) -> None:
        pass


class FakeTime:
    """Remembers what was to be called later; calls it at once, or when `pass_` is called where `by_hand` is set."""

    def __init__(self, *, by_hand: bool = False) -> None:
        self.now_seconds = 1000.0
        self.waits_seconds: list[float] = []
        self.by_hand = by_hand
        self._due: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        return self.now_seconds

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        self.waits_seconds.append(seconds)
        if self.by_hand:
            self._due.append((self.now_seconds + seconds, callback))
            return
        self.now_seconds += seconds
        asyncio.get_running_loop().call_soon(callback)

    def pass_(self, seconds: float = 1000.0) -> None:
        self.now_seconds += seconds
        due = [callback for at_seconds, callback in self._due if at_seconds <= self.now_seconds]
        self._due = [later for later in self._due if later[0] > self.now_seconds]
        for callback in due:
            callback()


def operation(operation_id: str, kind: OperationKind = OperationKind.AUTHORIZE, **changed: str) -> Operation:
    return Operation(
        operation_id=operation_id,
        order_id=changed.get("order_id", f"order of {operation_id}"),
        kind=kind,
        amount_minor=1999,
        currency="EUR",
        payment_token=changed.get("payment_token", "tok_visa"),
        customer_id="customer-1",
        authorization_id=changed.get("authorization_id", ""),
    )
