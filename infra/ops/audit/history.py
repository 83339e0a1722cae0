"""The log as an auditor reads it: each decision with its input, its outcome, and where the thing stood before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.runtime.deciding.record import Forward, ReadAs
from infra.base.connections import address_of
from infra.base.rooms import BOOKKEEPERS, replayed_rooms
from infra.ops.audit.generations import replay_stages
from infra.ops.audit.inputs import AuditInputs
from infra.ops.audit.redaction import public_fields
from infra.ops.audit.replay import match
from infra.ops.audit.report import Tallies
from infra.ops.audit.snapshot import snapshot
from infra.ops.log import Log
from schemas.codec.wire import decode
from schemas.messages import Message
from topology.partitioner import partition_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from consumers.runtime.room import Room
    from infra.base.settings import Settings
    from infra.ops.audit.generations import ReplayStage
    from infra.ops.audit.outputs import Published
    from infra.ops.audit.replay import Decision


class DecisionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which decisions to audited_decisions. `room` None is every room; `until_ms` is an append time (ms since the epoch, UTC)."""

    room: str | None = None
    partition: int | None = None
    sku: str | None = None
    order_id: str | None = None
    until_ms: int | None = None


class Outcome(msgspec.Struct, frozen=True):
    """One outcome: its name, why, and what it is about."""

    type: str
    facts: dict[str, Any]

    @property
    def reason(self) -> str:
        """Return why, where the outcome says so."""
        return str(self.facts.get("reason", ""))


class AuditedDecision(msgspec.Struct, frozen=True):
    """One decision. `before` and `after` are what it touched; `difference` is None where these events are published."""

    position: str
    room: str
    at_ms: int
    input: str
    facts: dict[str, Any]
    outcomes: list[Outcome]
    before: dict[str, str]
    after: dict[str, str]
    difference: str | None
    rules_version: int
    is_fact: bool
    """Whether the outcomes are what was published, and are not held against a decision (facts.py)."""


async def history(settings: Settings, wanted: DecisionFilter) -> AsyncIterator[AuditedDecision]:
    """Decide the log again and yield what is wanted of it, room by room and partition by partition.

    Raises InfraError when it cannot be read.
    """
    bootstrap = address_of("kafka_bootstrap", settings)
    async with snapshot(settings) as database, Log(bootstrap, settings.namespace) as log:
        inputs = AuditInputs(database, log)
        await inputs.gather()
        async for step in audited_decisions(inputs, wanted):
            yield step


async def audited_decisions(inputs: AuditInputs, wanted: DecisionFilter) -> AsyncIterator[AuditedDecision]:
    """Yield what is wanted of the inputs."""
    chosen = [room for room in replayed_rooms() if wanted.room in (None, room.name)]
    asked = sorted({partition for room in chosen for partition in _partitions(inputs, room, wanted)})
    published = await inputs.published(asked, Tallies())
    for room in chosen:
        partitions = _partitions(inputs, room, wanted)
        states = _States(room)
        async for stage in replay_stages(inputs, room, partitions):
            async for step in _stage_decisions(inputs, stage, published, states, wanted):
                if stage.replay.partition in partitions and _matches(step, wanted):
                    yield step


def _partitions(inputs: AuditInputs, room: Room[Any], wanted: DecisionFilter) -> list[int]:
    """Return the partitions where the wanted decisions can be."""
    count = inputs.partitions(room)
    if wanted.partition is not None:
        return [wanted.partition] if wanted.partition < count else []
    key = wanted.sku if room.name == "inventory" else wanted.order_id
    if not key:
        return list(range(count))
    return sorted({partition_of(key.encode(), generation.partitions) for generation in inputs.generations(room)})


async def _stage_decisions(
    inputs: AuditInputs, stage: ReplayStage, published: Published, states: _States, wanted: DecisionFilter
) -> AsyncIterator[AuditedDecision]:
    """Yield the stage's steps by then; where other stages follow, it is decided to its end nevertheless."""
    async for decision in inputs.decisions(stage.replay, stage.replay.partition, stage.ranges, published):
        if wanted.until_ms is None or decision.record.timestamp <= wanted.until_ms:
            yield _audited(decision, published, states, stage.replay.state)
        elif stage.is_last:
            return


class _States:
    """Where each thing that a room decides about stands, by name."""

    def __init__(self, room: Room[Any]) -> None:
        self.room = room.name
        self._initial = room.new_state(0)
        self._known: dict[str, str] = {}

    def change(self, names: Iterable[str], state: Any) -> tuple[dict[str, str], dict[str, str]]:
        """Return where these things stood before, and where they stand by `state`."""
        after = {name: _state_of(state, self.room, name) for name in names}
        before = {name: self._known.get(name) or _state_of(self._initial, self.room, name) for name in after}
        self._known.update(after)
        return before, after


def _audited(decision: Decision, published: Published, states: _States, state: Any) -> AuditedDecision:
    tallies, room = Tallies(), states.room
    outputs = match(decision, published.answers(decision.source, decision.record.partition), room, tallies)
    examples = tallies["replay_gives_the_same_decisions"].examples + tallies["no_position_decided_twice"].examples
    outcomes = [decode(output.value) for output in (decision.outputs if decision.by_facts is None else outputs)]
    message = decision.message
    messages = [*outcomes, message] if isinstance(message, Message) else outcomes
    before, after = states.change((name for each in messages for name in _things(room, each)), state)
    return AuditedDecision(
        decision.position,
        room,
        decision.record.timestamp,
        _input_name(message),
        {"detail": str(message)} if not isinstance(message, Message) else public_fields(message),
        [Outcome(type(outcome).__name__, public_fields(outcome)) for outcome in outcomes],
        before,
        after,
        examples[0] if examples else None,
        decision.rules_version,
        decision.by_facts is not None,
    )


def _input_name(read_as: ReadAs) -> str:
    if isinstance(read_as, Forward):
        return "sent on"
    return type(read_as).__name__ if isinstance(read_as, Message) else "unusable"


def _things(room: str, message: Message) -> Iterator[str]:
    """Yield what a room keeps a state of, as far as the message names it."""
    thing = getattr(message, "sku" if room == "inventory" else "order_id", None)
    if thing is not None and room in BOOKKEEPERS:
        yield thing


_ABSENT: Final = frozenset({"none", "unknown"})
"""The states of what has not begun."""


def _state_of(state: Any, room: str, name: str) -> str:
    """Return where a SKU, an order, a payment or a fulfilment stands now."""
    if room == "inventory":
        stock = state.stock(name)
        quarantined = f", {stock.quarantined} quarantined" if stock.quarantined else ""
        return f"{stock.available} available, {stock.reserved} reserved, {stock.allocated} allocated{quarantined}"
    record = state.by_order.get(name)
    value = "none" if record is None else str(record.state.value)
    return f"no {room.removesuffix('s')}" if value in _ABSENT else value


def _matches(step: AuditedDecision, wanted: DecisionFilter) -> bool:
    facts = [step.facts, *(outcome.facts for outcome in step.outcomes)]
    if wanted.sku is not None and all(fact.get("sku") != wanted.sku for fact in facts):
        return False
    return wanted.order_id is None or any(fact.get("order_id") == wanted.order_id for fact in facts)
