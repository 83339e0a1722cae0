"""One SKU's whole ledger, read from the log: what changed its level, in order, with the level after each change.

Movements and holds stand in tables by what they are now; the log knows when each came and went. So a history as of any
moment is a replay up to it, and levels, ledger and log can be laid side by side.

Decision: docs/decisions, 028.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from consumers.inventory.room import InventoryRoom
from consumers.runtime.deciding.partitioning import in_force
from infra.base.connections import address_of
from infra.ops.audit.generations import replay_stages
from infra.ops.audit.inputs import AuditInputs
from infra.ops.audit.snapshot import snapshot
from infra.ops.errors import UnreadableError
from infra.ops.log import Log
from schemas.codec.wire import decode
from topology.partitioner import partition_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from consumers.inventory.state import Ledger, Stock
    from infra.base.settings import Settings
    from infra.ops.audit.generations import ReplayStage
    from infra.ops.audit.replay import Decision


class Units(msgspec.Struct, frozen=True):
    """A SKU's units by where they are; as a change, each may be negative."""

    on_hand: int = 0
    reserved: int = 0
    allocated: int = 0
    quarantined: int = 0

    @property
    def available(self) -> int:
        """Units that can still be reserved."""
        return self.on_hand - self.reserved - self.allocated - self.quarantined

    def minus(self, other: Units) -> Units:
        """Return the change from `other` to this."""
        return Units(*(a - b for a, b in zip(*map(msgspec.structs.astuple, (self, other)), strict=True)))


class Entry(msgspec.Struct, frozen=True):
    """One change of a SKU: a movement, or holds that came or went. `level` is what it led to.

    `kind` is a movement's kind, or the names of the facts; `cause` a command id, or an order and its line.
    """

    at_ms: int
    position: str
    kind: str
    cause: str
    note: str
    change: Units
    level: Units


class Sides(msgspec.Struct, frozen=True):
    """What is believed of one SKU: by its stock row, by the sums of movements and holds, and by the log."""

    sku: str
    level: Units
    ledger: Units
    log: Units

    @property
    def agree(self) -> bool:
        """Return whether all three are one."""
        return self.level == self.ledger == self.log


async def ledger_of(settings: Settings, sku: str, until_ms: int | None = None) -> list[Entry]:
    """Return what changed a SKU, up to an append time (ms since the epoch, UTC). Raises InfraError."""
    async with _inputs(settings) as inputs:
        room = InventoryRoom()
        entries: list[Entry] = []
        level = Units()
        async for stage in _stages(inputs, room, [_home(inputs, room, sku)]):
            ledger: Ledger = stage.replay.state
            moved = len(ledger.movements)
            async for decision in inputs.decisions(stage.replay, stage.replay.partition, stage.ranges):
                if until_ms is not None and decision.at_ms > until_ms and stage.is_last:
                    break
                after = _units(ledger.stock(sku)) if sku in ledger.stocks else level
                movements = [movement for movement in ledger.movements[moved:] if movement.sku == sku]
                moved = len(ledger.movements)
                if after != level or movements:
                    entries.append(_entry(decision, sku, movements, level, after))
                level = after
        return [entry for entry in entries if until_ms is None or entry.at_ms <= until_ms]


async def sides_of(settings: Settings, skus: Collection[str] | None = None) -> list[Sides]:
    """Lay levels, ledger and log of these SKUs (or all) side by side, as of one snapshot. Raises InfraError."""
    async with _inputs(settings) as inputs:
        rows = await inputs.database.sides(list(skus) if skus is not None else None)
        room = InventoryRoom()
        homes: dict[int, list[Any]] = {}
        for row in rows:
            homes.setdefault(_home(inputs, room, row[0]), []).append(row)
        compared: list[Sides] = []
        async for stage in _stages(inputs, room, homes):
            async for _ in inputs.decisions(stage.replay, stage.replay.partition, stage.ranges):
                pass
            stock_of = stage.replay.state.stock
            compared += [
                Sides(row[0], Units(*row[1:5]), Units(*row[5:9]), _units(stock_of(row[0])))
                for row in (homes[stage.replay.partition] if stage.is_last else ())
            ]
        return sorted(compared, key=lambda sides: sides.sku)


@asynccontextmanager
async def _inputs(settings: Settings) -> AsyncIterator[AuditInputs]:
    """Hold one snapshot with the log that led to it."""
    bootstrap = address_of("kafka_bootstrap", settings)
    async with snapshot(settings) as database, Log(bootstrap, settings.namespace) as log:
        inputs = AuditInputs(database, log)
        await inputs.gather()
        yield inputs


def _home(inputs: AuditInputs, room: InventoryRoom, sku: str) -> int:
    return partition_of(sku.encode(), in_force(inputs.generations(room))[-1].partitions)


async def _stages(inputs: AuditInputs, room: InventoryRoom, asked: Collection[int]) -> AsyncIterator[ReplayStage]:
    async for stage in replay_stages(inputs, room, asked):
        if (gone := inputs.first_kept(room, stage.replay.partition)) is not None:
            raise UnreadableError(
                f"{gone[0]}/{stage.replay.partition} begins at {gone[1]}: retention removed what a replay needs."
            )
        yield stage


def _entry(decision: Decision, sku: str, movements: list[Any], before: Units, after: Units) -> Entry:
    facts: list[Any] = [
        fact for output in decision.outputs if getattr(fact := decode(output.value), "sku", None) == sku
    ]
    lines = [f"{fact.order_id}/{fact.line}" for fact in facts if hasattr(fact, "order_id")]
    if movements:
        kind, cause, note = movements[0].kind, movements[0].command_id, movements[0].note
    else:
        kind, cause = ", ".join(type(fact).__name__ for fact in facts), ", ".join(lines)
        note = ", ".join(dict.fromkeys(fact.reason for fact in facts if getattr(fact, "reason", "")))
    return Entry(decision.at_ms, decision.position, kind, cause, note, after.minus(before), after)


def _units(stock: Stock) -> Units:
    return Units(stock.on_hand, stock.reserved, stock.allocated, stock.quarantined)
