"""A runner over the fake network, by hand of a fake time, and what it reported."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from consumers.payments.backoff import Backoff
from consumers.payments.effects import EffectRunner
from consumers.payments.processor import Operation, ProcessorPayment, ProcessorResult
from tests.unit.payments_processor.fakes import FakeNetwork, FakeTime

PARTITION = 3


class Log:
    """Where results are published; refuses the first few."""

    def __init__(self, refusals: int = 0) -> None:
        self.results: list[tuple[str, ProcessorResult]] = []
        self.inspections: list[tuple[str, ProcessorPayment, ProcessorResult | None]] = []
        self._refusals = refusals

    async def publish(self, done: Operation, result: ProcessorResult) -> None:
        if self._refusals:
            self._refusals -= 1
            raise ConnectionError("the broker is away")
        self.results.append((done.operation_id, result))

    async def inspected(self, done: Operation, payment: ProcessorPayment, refused: ProcessorResult | None) -> None:
        self.inspections.append((done.operation_id, payment, refused))


class Bench:
    """A runner with everything around it fake or fixed."""

    def __init__(
        self,
        *,
        workers: int = 8,
        by_hand: bool = False,
        refusals: int = 0,
        random_fraction: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self.network = FakeNetwork()
        self.time = FakeTime(by_hand=by_hand)
        self.log = Log(refusals)
        self.runner = EffectRunner(
            self.network,
            self.log.publish,
            self.log.inspected,
            workers=workers,
            backoff=Backoff(base_seconds=1.0, cap_seconds=20.0),
            random_fraction=random_fraction,
            clock=self.time.now,
            call_later=self.time.call_later,
        )

    async def run(self, *operations: Operation) -> None:
        async with asyncio.timeout(10), self.runner:
            self.runner.submit(PARTITION, operations)
            await self.runner.drain()


async def nothing_failed(operation: Operation, payment: ProcessorPayment, refused: ProcessorResult | None) -> None:
    raise AssertionError((operation, payment, refused))
