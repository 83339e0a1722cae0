"""The whole saga in memory: the real rooms on logs that are lists, scheduled by chance, with people and a card network.

There is no database and no Kafka here: what is tested is what the rooms decide together when each reads at its own
pace, records come twice, rooms lose their memory, time passes at any moment and everybody says what they like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from consumers.errors import RefusedError
from consumers.payments.processor import Operation
from schemas import messages as m
from tests.model.accounting import Books
from tests.model.dice import Pick
from tests.model.end import End
from tests.model.orders import ORDER_IDS, SKUS
from tests.model.people import People
from tests.model.processor import Answer, Processor
from tests.model.rooms import Rooms
from tests.model.sense import AccountingError
from tests.model.simulated_owner import Entry, SimulatedOwner
from topology.saga import INTAKE
from topology.topics import INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS, Topic, log_of

PARTITIONS: Final = 2
START_MS: Final = 1_790_000_000_000
LONG_MS: Final = 100_000
"""Longer than any hold, authorisation or deadline here."""
MOST_ROUNDS: Final = 16
"""How often time may pass until nothing waits any more: one deadline leads to the next one."""

_HOME_OF_SKU: Final = {sku: n % PARTITIONS for n, sku in enumerate(SKUS)}
_HOME_OF_ORDER: Final = {order_id: n % PARTITIONS for n, order_id in enumerate(ORDER_IDS)}
_TOPICS: Final = (INVENTORY_COMMANDS, ORDER_EVENTS, ORDER_COMMANDS)
_TOPIC_OF: Final = {kind: n for n, topic in enumerate(_TOPICS) for kind in topic.carries}
"""Where the outside sends a message; what rooms publish of it goes to the log where it is decided, `_LOG_OF`."""
_LOG_OF: Final = {kind: _TOPICS.index(log_of(kind)) for kind in _TOPIC_OF}
_BY_SKU: Final = 0
_LINE_COMMANDS: Final = frozenset({m.ReleaseLine, m.CommitLine, m.ShipLine, m.ReturnLine})
"""What only rooms should say about lines; from anybody else it is meddling."""
_WAITING: Final = ("orders", "payments", "fulfilment")
"""The rooms whose waits have deadlines."""


def _readers_by_message(topic: Topic) -> dict[type[m.Message], tuple[int, ...]]:
    """Return which readers of a partition accept each message of a topic, by their place."""
    return {
        kind: tuple(n for n, room in enumerate(Rooms()) if room.source is topic and kind in room.accepts)
        for kind in (*topic.carries, *topic.also_carries)
    }


_READERS: Final = [_readers_by_message(topic) for topic in _TOPICS]


class Shop:
    """One case: `unsent` is what the outside will send, `pick` decides the rest. `run` plays it to its end; then `tests.model.verdict` judges."""

    def __init__(
        self, pick: Pick, unsent: list[m.Message], rooms: Rooms, trace: Callable[[str], None] | None = None
    ) -> None:
        self.pick = pick
        self.trace = trace
        self.now_ms = START_MS
        self.logs: list[list[list[Entry]]] = [[[] for _ in range(PARTITIONS)] for _ in _TOPICS]
        self.books = [Books() for _ in range(PARTITIONS)]
        self.owners = {
            (room.name, p): SimulatedOwner(room, p, self.books[p] if room is rooms.inventory else None)
            for p in range(PARTITIONS)
            for room in rooms
        }
        self._readers = list(self.owners.values())
        width = len(self._readers) // PARTITIONS
        self._inboxes = [[each.inbox for each in self._readers[p * width : (p + 1) * width]] for p in range(PARTITIONS)]
        self.people = People(pick)
        self.processor = Processor(pick)
        self.unsent = unsent
        self.unanswered: list[Operation] = []
        self.under_way: list[Answer] = []
        self.astray: list[Any] = []
        self.meddled: set[Any] = set()
        self.published = 0
        self._first_owners: dict[int, SimulatedOwner] = {}
        self.repeats_left = pick(6)
        self.detours_left = pick(4)
        self.ticks_left = pick(6)
        self.crashes_left = 1 if pick(10) == 1 else 0
        self.meddlings_left = pick(5) if pick(6) == 1 else 0

    @property
    def end(self) -> End:
        """What the case has left behind so far."""
        return End(self.owners, self.books, self.processor.accounts.values(), self.meddled)

    # --- what can happen --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Let chance act until nothing is left to do. What waits for time or for people who do nothing still waits then."""
        pick = self.pick
        while True:
            roll = pick(20)
            acts = (
                (self._read() if roll < 12 else self._send() if roll < 15 else self._answer() if roll < 17 else False)
                or (roll == 17 and self._repeat())
                or (roll == 18 and (self._send_on() or self._tick()))
                or (roll == 19 and (self._crash() or self._meddle() or self._confirm()))
            )
            if not (acts or self._read() or self._send() or self._answer() or self._send_on() or self._repeat()):
                return

    def let_all_time_pass(self) -> None:
        """Let time pass, and what follows from it, until nothing happens any more. Raises AccountingError if it always does."""
        self.ticks_left = self.repeats_left = self.crashes_left = self.meddlings_left = 0
        self.processor.patient = True
        self.processor.end_disputes()
        for _ in range(MOST_ROUNDS):
            self.now_ms += LONG_MS
            published = self.published
            for owner in self.owners.values():
                if (reminder := owner.room.reminder(owner.state, self.now_ms)) is not None:
                    self._put(_LOG_OF[type(reminder)], owner.partition, reminder)
            self._lapse()
            self.unsent += self.people.help_all() + self.processor.touched()
            self.run()
            if self.published == published:
                return
        raise AccountingError("time passes, and it never comes to rest")

    def _read(self) -> bool:
        readers = self._readers
        first = self.pick(len(readers))
        for n in range(first - len(readers), first):
            if (owner := readers[n]).inbox:
                for _ in range(1 + self.pick(min(4, len(owner.inbox)))):
                    self._decide(owner)
                return True
        return False

    def _send(self) -> bool:
        if not self.unsent:
            return False
        message: Any = self.unsent.pop(self.pick(len(self.unsent)))
        if type(message) in _LINE_COMMANDS:
            self.meddled.add((message.order_id, message.line, message.sku))
        self.append(message)
        return True

    def _answer(self) -> bool:
        """Let the card network execute an operation, or let one of its answers arrive."""
        if self.under_way and (not self.unanswered or self.pick(2)):
            answer = self.under_way.pop(self.pick(len(self.under_way)))
            self.append(answer, partition=_HOME_OF_ORDER[answer.order_id])
        elif self.unanswered:
            operation = self.unanswered.pop(self.pick(len(self.unanswered)))
            answer = self.processor.perform(operation, self.now_ms)
            if (confirmed := self.processor.confirmation_of(operation)) is not None:
                self.append(confirmed, partition=_HOME_OF_ORDER[confirmed.order_id])
            if self.trace is not None:
                self._note_step(f"the network hears {operation.operation_id} of {operation.amount_minor}", [answer])
            self.under_way.append(answer)
        else:
            return False
        return True

    def _confirm(self) -> bool:
        """Let a customer confirm, or say no; the word of it may be lost."""
        answer = self.processor.confirm()
        self.under_way += [answer] if answer is not None and self.pick(3) else []
        return answer is not None

    def _meddle(self) -> bool:
        """Let somebody move money at the network without us; the word of it may be late, come twice or be lost."""
        if not self.meddlings_left:
            return False
        self.meddlings_left -= 1
        notice = self.processor.meddle()
        self.unsent += [notice] * self.pick(3) if notice is not None else []
        if notice is not None and self.trace is not None:
            self._note_step(
                f"somebody moves money at the network: {notice} {self.processor.accounts[notice.authorization_id]}", ()
            )
        return notice is not None

    def _lapse(self) -> None:
        """Let authorisations end; days lie between the first word of one and the last, so they never change places."""
        awaited = {answer.operation_id for answer in self.under_way} | {
            answer.operation_id for answer in self.unanswered
        }
        self.under_way += [answer for answer in self.processor.lapse(self.now_ms) if answer.operation_id not in awaited]

    def _repeat(self) -> bool:
        """Append some earlier record of any log once more, as a producer does that never saw its acknowledgement."""
        if not self.repeats_left:
            return False
        self.repeats_left -= 1
        topic, p = self.pick(len(_TOPICS)), self.pick(PARTITIONS)
        if log := self.logs[topic][p]:
            self._put(topic, p, log[self.pick(len(log))][0])
        return True

    def _send_on(self) -> bool:
        """Append a command that took a detour: it stood in a partition where its SKU no longer belongs."""
        if not self.astray:
            return False
        message = self.astray.pop(self.pick(len(self.astray)))
        self._put(_BY_SKU, _HOME_OF_SKU[message.sku.strip()], message)
        return True

    def _tick(self) -> bool:
        """Let seconds pass, and one owner or another notice it."""
        if not self.ticks_left:
            return False
        self.ticks_left -= 1
        self.now_ms += (1 + self.pick(6)) * 1_000
        self._lapse()
        limit = 1 if self.pick(3) == 1 else 500
        p, who = self.pick(PARTITIONS), self.pick(1 + len(_WAITING))
        if who:
            self._put(self.pick(2) + 1, p, m.EndWaits(_WAITING[who - 1], self.now_ms, limit))
        else:
            self._put(0, p, m.ExpireHolds(self.now_ms, limit))
        return True

    def _crash(self) -> bool:
        """Let a room lose its memory, and payments the answers that it had not written down yet."""
        if not self.crashes_left:
            return False
        self.crashes_left -= 1
        owners = list(self.owners.values())
        owner = owners[self.pick(len(owners))]
        if self.trace is not None:
            self._note_step(f"{owner.name} crashes", ())
        owner.crash()
        if owner.room.name == "payments":
            asked = self.processor.asked
            lost = [answer for answer in self.under_way if _HOME_OF_ORDER[answer.order_id] == owner.partition]
            self.under_way = [answer for answer in self.under_way if answer not in lost]
            self.unanswered += [asked[answer.operation_id] for answer in lost if answer.operation_id in asked]
        return True

    # --- how it is carried out --------------------------------------------------------------------------------------------

    def append(self, message: Any, *, partition: int | None = None) -> None:
        """Append what the outside sends, or what a room publishes that decides this `partition`."""
        topic = (_TOPIC_OF if partition is None else _LOG_OF)[type(message)]
        if type(message) is m.EndWaits:
            self._put(topic, partition or 0, message)
        elif topic is not _BY_SKU:
            self._put(topic, _HOME_OF_ORDER[message.order_id], message)
        elif self.detours_left and self.pick(3) == 1:
            self.detours_left -= 1
            self.astray.append(message)
        else:
            self._put(_BY_SKU, _HOME_OF_SKU[message.sku.strip()], message)

    def _put(self, topic: int, partition: int, message: m.Message) -> None:
        entry = (message, self.now_ms)
        self.logs[topic][partition].append(entry)
        for place in _READERS[topic].get(type(message), ()):
            self._inboxes[partition][place].append(entry)

    def _decide(self, owner: SimulatedOwner) -> None:
        entry = owner.inbox[0]
        message, at_ms, outcomes = owner.decide()
        if any(not isinstance(outcome, RefusedError) for outcome in outcomes):
            first = self._first_owners.setdefault(id(entry), owner)
            if first is not owner:  # what is said is named by what it answers: two who answer would give one name twice
                raise AccountingError(f"{owner.name} answers {message}, as {first.name} does: {outcomes}")
        if self.trace is not None:
            self._note_step(f"{owner.name} hears {message}", outcomes)
        if getattr(owner.state, "operations", None):
            self.unanswered += owner.room.close_batch(owner.state, at_ms).effects
        self.published += (
            len(outcomes) if owner.room.name != INTAKE else 0
        )  # passing a command on is no consequence of it
        for outcome in outcomes:
            if not isinstance(outcome, RefusedError):
                self.append(outcome, partition=owner.partition)
                self.unsent += self.people.apply(outcome)

    def _note_step(self, what: str, outcomes: Iterable[Any]) -> None:
        if self.trace is not None:
            self.trace(what + "".join(f"\n    says {outcome}" for outcome in outcomes))
