"""Loads what a step needs into the rooms' memories, each room's share at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumers.runtime.deciding.batch import messages_in, refused_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from consumers.runtime.claim import Claim
    from consumers.runtime.deciding.batch import DecodedSlice
    from consumers.runtime.room import Room


async def load(
    connection: asyncpg.Connection,
    room: Room[Any],
    shares: Sequence[tuple[Claim[Any], Sequence[DecodedSlice]]],
    *,
    thorough: bool,
) -> None:
    """Load what deciding these shares of a room needs. Records of which nothing but the key can be read are rare."""
    read = [(claim.state, slices, messages_in(slices)) for claim, slices in shares]
    for state, slices, messages in read:
        if len(messages) < sum(len(each.readings) for each in slices):
            await room.load_lettered(connection, state, refused_keys(slices))
    if loads := [(state, messages) for state, _, messages in read if messages]:
        await room.load(connection, loads, thorough=thorough)
