"""The whole saga in memory: the real rooms on logs that are lists, scheduled by chance, with a processor at the end.

There is no database and no Kafka here: what is tested is what the rooms decide together when each reads at its own
pace, records come twice, holds expire at any moment and the processor says what it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, cast

from consumers.errors import RefusedError
from consumers.inventory.room import InventoryRoom
from consumers.orders.room import OrdersRoom
from consumers.payments.processor import Operation, OperationKind
from consumers.payments.room import PaymentsRoom
from consumers.runtime.room import Room
from schemas import messages as m
from tests.model.accounting import Books
from tests.model.dice import Pick
from tests.model.orders import ORDER_IDS, SKUS
from topology.topics import INVENTORY_COMMANDS, ORDER_COMMANDS

PARTITIONS: Final = 2
START_MS: Final = 1_790_000_000_000
FOREVER_MS: Final = 10_000_000

Log = list[tuple[m.Message, int]]
"""(message, append time in ms)"""

_HOME_OF_SKU: Final = {sku: n % PARTITIONS for n, sku in enumerate(SKUS)}
_HOME_OF_ORDER: Final = {order_id: n % PARTITIONS for n, order_id in enumerate(ORDER_IDS)}
_BY_SKU: Final = frozenset(INVENTORY_COMMANDS.carries)
_TO_PAYMENTS: Final = frozenset(ORDER_COMMANDS.carries)


class Rooms(NamedTuple):
    """The rooms under test; a planted fault takes the place of one of them."""

    inventory: Room[Any] = InventoryRoom()
    orders: Room[Any] = OrdersRoom()
    payments: Room[Any] = PaymentsRoom(cast("Any", None), cast("Any", None))  # nobody calls the processor here


class Reader:
    """One room on one partition of one topic; rooms with two sources share their state between two readers."""

    __slots__ = ("books", "log", "name", "next", "room", "state")

    def __init__(self, room: Room[Any], name: str, log: Log, state: Any, books: Books | None = None) -> None:
        self.room, self.name, self.log, self.state, self.books = room, name, log, state, books
        self.next = 0


class Shop:
    """One case: `unsent` is what the outside will send, `pick` decides the rest. `run` plays it to its end; then `tests.model.verdict` judges."""

    def __init__(
        self, pick: Pick, unsent: list[m.Message], rooms: Rooms, trace: Callable[[str], None] | None = None
    ) -> None:
        self.pick = pick
        self.trace = trace
        self.now_ms = START_MS
        self.commands: list[Log] = [[] for _ in range(PARTITIONS)]
        self.events: list[Log] = [[] for _ in range(PARTITIONS)]
        self.money: list[Log] = [[] for _ in range(PARTITIONS)]
        self.books = [Books() for _ in range(PARTITIONS)]
        self.ledgers = [rooms.inventory.new_state(p) for p in range(PARTITIONS)]
        self.orders = [rooms.orders.new_state(p) for p in range(PARTITIONS)]
        self.payments = [rooms.payments.new_state(p) for p in range(PARTITIONS)]
        self.readers = [
            reader
            for p in range(PARTITIONS)
            for reader in (
                Reader(rooms.inventory, f"inventory/{p}", self.commands[p], self.ledgers[p], self.books[p]),
                Reader(rooms.orders, f"orders/{p}", self.events[p], self.orders[p]),
                Reader(rooms.payments, f"payments/{p}", self.events[p], self.payments[p]),
                Reader(rooms.payments, f"payments/{p}", self.money[p], self.payments[p]),
            )
        ]
        self.unsent = unsent
        self.unanswered: list[Operation] = []
        self.done: list[tuple[Operation, bool]] = []
        self.dead: list[tuple[str, m.Message, RefusedError]] = []
        self.astray: list[Any] = []
        self.repeats_left = pick(6)
        self.detours_left = pick(4)
        self.ticks_left = pick(4)

    # --- what can happen --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Let chance act until nothing is left to do. Holds that nobody ended are still there then."""
        pick = self.pick
        while True:
            roll = pick(16)
            acts = (
                (self._read() if roll < 9 else self._send() if roll < 12 else self._answer() if roll < 14 else False)
                or (roll == 14 and self._repeat())
                or (roll == 15 and (self._send_on() or self._tick()))
            )
            if not (acts or self._read() or self._send() or self._answer() or self._send_on() or self._repeat()):
                return

    def expire_everything(self) -> None:
        """Let all time pass, and what follows from it."""
        self.ticks_left = self.repeats_left = 0
        self.now_ms += FOREVER_MS
        for log in self.commands:
            log.append((m.ExpireHolds(self.now_ms, 500), self.now_ms))
        self.run()

    def _read(self) -> bool:
        first = self.pick(len(self.readers))
        for n in range(first - len(self.readers), first):
            reader = self.readers[n]
            behind = len(reader.log) - reader.next
            if behind:
                for _ in range(1 + self.pick(min(4, behind))):
                    self._decide(reader)
                return True
        return False

    def _send(self) -> bool:
        if not self.unsent:
            return False
        self.append(self.unsent.pop(self.pick(len(self.unsent))))
        return True

    def _answer(self) -> bool:
        """Let the processor answer one operation: it is the last to be trusted, and says yes or no as it likes."""
        if not self.unanswered:
            return False
        operation = self.unanswered.pop(self.pick(len(self.unanswered)))
        refused = self.pick(20 if operation.kind is OperationKind.VOID else 4) == 1
        self.done.append((operation, not refused))
        no = "declined" if operation.kind is OperationKind.AUTHORIZE else "failed"
        self.append(
            m.RecordPaymentResult(
                operation.order_id,
                operation.operation_id,
                no if refused else "succeeded",
                "" if refused else f"auth {operation.order_id}",
                "no" if refused else "",
            )
        )
        return True

    def _repeat(self) -> bool:
        """Append some earlier record of any log once more, as a producer does that never saw its acknowledgement."""
        if not self.repeats_left:
            return False
        self.repeats_left -= 1
        family = (self.commands, self.events, self.money)[self.pick(3)]
        log = family[self.pick(PARTITIONS)]
        if log:
            message, _ = log[self.pick(len(log))]
            log.append((message, self.now_ms))
        return True

    def _send_on(self) -> bool:
        """Append a command that took a detour: it stood in a partition where its SKU no longer belongs."""
        if not self.astray:
            return False
        message = self.astray.pop(self.pick(len(self.astray)))
        self.commands[_HOME_OF_SKU[message.sku]].append((message, self.now_ms))
        return True

    def _tick(self) -> bool:
        if not self.ticks_left:
            return False
        self.ticks_left -= 1
        self.now_ms += (1 + self.pick(6)) * 1_000
        limit = 1 if self.pick(3) == 1 else 500
        self.commands[self.pick(PARTITIONS)].append((m.ExpireHolds(self.now_ms, limit), self.now_ms))
        return True

    # --- how it is carried out --------------------------------------------------------------------------------------------

    def append(self, message: Any) -> None:
        kind = type(message)
        if kind in _BY_SKU and self.detours_left and self.pick(3) == 1:
            self.detours_left -= 1
            self.astray.append(message)
        elif kind in _BY_SKU:
            self.commands[_HOME_OF_SKU[message.sku]].append((message, self.now_ms))
        elif kind in _TO_PAYMENTS:
            self.money[_HOME_OF_ORDER[message.order_id]].append((message, self.now_ms))
        else:
            self.events[_HOME_OF_ORDER[message.order_id]].append((message, self.now_ms))

    def _decide(self, reader: Reader) -> None:
        message, at_ms = reader.log[reader.next]
        reader.next += 1
        if type(message) not in reader.room.hears:
            return
        says: Sequence[m.Message | RefusedError] = ()
        try:
            says = list(reader.room.decide(reader.state, message, at_ms))
        except RefusedError as refusal:
            self.dead.append((reader.name, message, refusal))
        if self.trace is not None:
            self.trace(f"{reader.name} hears {message}" + "".join(f"\n    says {said}" for said in says))
        if reader.books is not None:
            reader.books.hear(message, says, at_ms)
        elif getattr(reader.state, "started", None):
            self.unanswered += reader.room.close_batch(reader.state, at_ms).effects
        for said in says:
            if isinstance(said, RefusedError):
                self.dead.append((reader.name, message, said))
            else:
                self.append(said)
