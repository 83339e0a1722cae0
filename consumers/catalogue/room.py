"""Binds the catalogue to the runtime: it owns catalogue.commands and is the only writer of products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from consumers.catalogue import store
from consumers.catalogue.evolve import evolve
from consumers.catalogue.state import CatalogueState
from consumers.catalogue.transitions import ROOM, decide
from consumers.runtime.deciding.now import Now
from consumers.runtime.room import Changes, Room, Routing
from topology.saga import messages_accepted_by
from topology.topics import CATALOGUE_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from schemas.messages import Message


class CatalogueRoom(Room[CatalogueState]):
    """Decides every command about products, one partition of products at a time."""

    name = ROOM
    source = CATALOGUE_COMMANDS
    accepts = messages_accepted_by(ROOM)
    save = store.QUERIES["save"]
    routing = Routing.FORWARDS
    cache_limit = 20_000  # whole products, of a few kilobytes each

    @override
    def new_state(self, partition: int) -> CatalogueState:
        return CatalogueState(partition)

    @override
    async def load(
        self,
        connection: asyncpg.Connection,
        loads: Sequence[tuple[CatalogueState, Sequence[Message]]],
        *,
        thorough: bool,
    ) -> None:
        del thorough
        await store.load(connection, loads)

    @override
    def outcomes(self, state: CatalogueState, message: Message, at_ms: int) -> Sequence[Any]:
        return decide(state, message, Now(at_ms))

    @override
    def evolve(self, state: CatalogueState, message: Message, outcomes: Sequence[Any], at_ms: int) -> None:
        evolve(state, message, outcomes, Now(at_ms))

    @override
    def close_batch(self, state: CatalogueState, at_ms: int) -> Changes:
        del at_ms
        return store.changes(state)

    @override
    def size(self, state: CatalogueState) -> int:
        return len(state.records)

    @override
    def forget(self, state: CatalogueState) -> None:
        state.records.clear()
