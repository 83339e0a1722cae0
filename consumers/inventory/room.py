"""Binds inventory to the runtime: it owns inventory.commands and is the only writer of stock.

Decision: docs/decisions, 029.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from consumers.inventory import evolve, saving, store
from consumers.inventory.parking import sku_in
from consumers.inventory.runs import reserve_run
from consumers.inventory.state import Ledger
from consumers.inventory.transitions import ROOM, decide
from consumers.runtime.deciding.now import Now
from consumers.runtime.room import Changes, Room, Routing, Tombstone
from schemas import messages as m
from topology.saga import messages_accepted_by
from topology.topics import INVENTORY_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from consumers.inventory.state import Outcome
    from schemas.messages import Message

EXPIRIES_A_COMMAND: Final = 500


class InventoryRoom(Room[Ledger]):
    """Decides every command about stock, one partition of SKUs at a time."""

    name = ROOM
    source = INVENTORY_COMMANDS
    accepts = messages_accepted_by(ROOM)
    save = store.QUERIES["save"]
    looks_up = (19,)
    cache_limit = 60_000
    fetch_min_bytes = 32_768  # some 200 commands, which at ten thousand a second are there before the wait is over
    may_be_repartitioned = True
    routing = Routing.FORWARDS
    run_type = m.PlaceOrderLine

    @override
    def new_state(self, partition: int) -> Ledger:
        return Ledger(partition)

    @override
    async def load(
        self, connection: asyncpg.Connection, loads: Sequence[tuple[Ledger, Sequence[Message]]], *, thorough: bool
    ) -> None:
        await store.load(connection, loads, thorough=thorough)

    @override
    async def load_lettered(self, connection: asyncpg.Connection, state: Ledger, keys: Sequence[bytes]) -> None:
        await store.load_parked(connection, state, keys)

    @override
    def lettered(self, state: Ledger, key: bytes | None) -> None:
        evolve.park_behind_letter(state, sku_in(key))

    @override
    def outcomes(self, state: Ledger, message: Message, at_ms: int) -> Sequence[Outcome]:
        return decide(state, message, Now(at_ms))

    @override
    def evolve(self, state: Ledger, message: Message, outcomes: Sequence[Outcome], at_ms: int) -> None:
        evolve.evolve(state, message, outcomes, Now(at_ms))

    @override
    def decide_run(self, state: Ledger, messages: Sequence[Any], times_ms: Sequence[int]) -> Sequence[Message] | None:
        return reserve_run(state, messages, times_ms)

    @override
    def evolve_run(self, state: Ledger, outcomes: Sequence[Any]) -> None:
        evolve.reserve_run(state, outcomes)

    @override
    def close_batch(self, state: Ledger, at_ms: int) -> Changes:
        return saving.changes(state, at_ms)

    @override
    def is_barrier(self, message: type[Message]) -> bool:
        return message is m.ExpireHolds

    @override
    def size(self, state: Ledger) -> int:
        return state.size()

    @override
    def forget(self, state: Ledger) -> None:
        state.forget()

    @override
    def reminder(self, state: Ledger, now_ms: int) -> Message | None:
        """Ask for an expiry once the earliest hold is over; the command in the log decides, not this clock."""
        return m.ExpireHolds(now_ms, EXPIRIES_A_COMMAND) if state.alarm.due(now_ms) else None

    @override
    def next_reminder_ms(self, state: Ledger) -> int | None:
        return state.alarm.next_ms()

    @override
    async def levels(
        self, connection: asyncpg.Connection, partition: int, at_ms: int, keys: Sequence[bytes] | None
    ) -> Sequence[m.StockLevel | Tombstone]:
        return await store.levels(connection, partition, at_ms, keys)

    @override
    async def claimed(self, connection: asyncpg.Connection, partition: int, state: Ledger) -> None:
        del partition
        await store.load_earliest_expiry(connection, state)
