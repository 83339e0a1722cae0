"""Lets through what waits for a parked SKU: in the order in which it came, in record batches that nothing else comes into.

Decision: docs/decisions, 051.
"""

from __future__ import annotations

import asyncio
import time
from itertools import count, takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from consumers.inventory.parking import PARKED, Parking, read_place, read_stored
from consumers.inventory.state import REFUSAL
from infra.base.errors import InfraError
from infra.ops.letters import redriving
from infra.ops.letters.reading import Filter, Letter, LetterBook, LetterState
from producers.clients.stock import new_command_id
from producers.publisher import BY_KEY, MAX_BATCH_BYTES, Outgoing
from schemas.codec.wire import encode
from schemas.messages import EndRelease, Message, ReleaseParked
from topology.topics import INVENTORY_COMMANDS, key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from infra.ops.log import Log
    from producers.publisher import Publisher

POLL_SECONDS: Final = 0.05
BATCH_BYTES: Final = MAX_BATCH_BYTES // 2
"""Bytes of records that are let through at once: one record batch has them all, with what Kafka adds to each."""
RECORD_BYTES: Final = 64
"""What a record batch adds to a record's key, value and headers, at most."""
_PARKING: Final = "SELECT parking FROM stock WHERE sku = $1"
_REFUSED: Final = "SELECT note FROM movements WHERE command_id = $1 AND sku = $2 AND kind = $3"


class Actor(NamedTuple):
    """Who lets through what waits, and why; it is noted on operator.actions."""

    by: str
    why: str


class Unparking:
    """Frees one SKU: `log`, `publisher` and `connection` are its owner's to open and close."""

    def __init__(
        self, log: Log, publisher: Publisher, connection: asyncpg.Connection, sku: str, timeout_seconds: float
    ) -> None:
        self._log = log
        self._publisher = publisher
        self._connection = connection
        self._sku = sku
        self._book = LetterBook()
        self._deadline = time.monotonic() + timeout_seconds

    async def run(self, mended: Sequence[redriving.Redrive], actor: Actor) -> int:
        """Let the mended records through, then all that waits, until the SKU is free; return how many waited.

        What comes meanwhile waits behind, and is let through in the next round. It may be ended and run again at any moment.
        Raises UnparkingError, PublishError, UnreadableError.
        """
        released = 0
        first = mended
        while (parking := await self._parking()) is not None:
            waiting = await self._waiting(parking)
            chunk = _first_that_fit(waiting, BATCH_BYTES - sum(map(_bytes_of, first)))
            if parking.waiting and not chunk and not first:
                await self._pause("the dead letters of what waits were not all found on dead.letters")
                continue
            await self._release(parking, [*first, *chunk], len(chunk))
            await redriving.note(self._publisher, [*first, *chunk], by=actor.by, why=actor.why)
            released, first = released + len(chunk), ()
        await self._note_the_rest(actor)
        return released

    async def _release(self, parking: Parking, records: Sequence[redriving.Redrive], released: int) -> None:
        """Publish a round in one record batch, and wait until it is decided."""
        begin = ReleaseParked(new_command_id("release"), self._sku, parking.by, parking.released, released)
        end = EndRelease(new_command_id("end"), self._sku, parking.by)
        await self._publisher.publish([_command(begin), *(each.record for each in records), _command(end)])
        until = parking.released + released
        while (now := await self._parking()) is not None and now.by == parking.by:
            if now.released >= until and not now.is_open and await self._is_decided(end):
                return
            await self._refuse_if_refused(begin)
            await self._pause("inventory has not decided what was let through")

    async def _is_decided(self, command: EndRelease) -> bool:
        movement = await self._connection.fetchval(
            "SELECT 1 FROM movements WHERE command_id = $1 AND sku = $2", command.command_id, self._sku
        )
        return movement is not None

    async def _refuse_if_refused(self, command: ReleaseParked) -> None:
        why = await self._connection.fetchval(_REFUSED, command.command_id, self._sku, REFUSAL)
        if why is not None:
            raise UnparkingError(self._sku, f"{why}; somebody else lets it through")

    async def _parking(self) -> Parking | None:
        return read_stored(await self._connection.fetchval(_PARKING, self._sku) or "")

    async def _waiting(self, parking: Parking) -> list[redriving.Redrive]:
        """Return what waits and was found so far, in its order and without a gap from the first one on."""
        by_number = {}
        for letter in await self._parked_letters():
            number, by = read_place(letter.source.detail) or (0, "")
            if by == parking.by and number > parking.released:
                by_number[number] = letter
        numbers = takewhile(by_number.__contains__, count(parking.released + 1))
        return [redriving.plan([by_number[number]])[0] for number in numbers]

    async def _parked_letters(self) -> list[Letter]:
        wanted = Filter(topic=INVENTORY_COMMANDS.name, reason=PARKED, key=self._sku, states=())
        return [letter for letter in await self._book.refresh(self._log) if wanted.takes(letter)]

    async def _note_the_rest(self, actor: Actor) -> None:
        """Note letters that were let through and not noted, as a run that was ended leaves them: of a free SKU none waits."""
        letters = [letter for letter in await self._parked_letters() if letter.state is LetterState.OPEN]
        if letters and await self._parking() is None:
            await redriving.note(self._publisher, redriving.plan(letters), by=actor.by, why=actor.why)

    async def _pause(self, waits_for: str) -> None:
        if time.monotonic() >= self._deadline:
            raise UnparkingError(self._sku, f"{waits_for} in time; see that inventory runs, then run this again")
        await asyncio.sleep(POLL_SECONDS)


def _first_that_fit(records: Sequence[redriving.Redrive], most_bytes: int) -> list[redriving.Redrive]:
    fitting: list[redriving.Redrive] = []
    for each in records:
        most_bytes -= _bytes_of(each)
        if most_bytes < 0:
            break
        fitting.append(each)
    return fitting


def _bytes_of(each: redriving.Redrive) -> int:
    headers = sum(len(name.encode()) + len(value or b"") + 10 for name, value in each.record.headers or ())
    return len(each.record.key or b"") + len(each.record.value or b"") + headers + RECORD_BYTES


def _command(command: Message) -> Outgoing:
    return Outgoing(INVENTORY_COMMANDS.name, BY_KEY, key_of(command), encode(command))


class UnparkingError(InfraError):
    """What waits for a SKU could not be let through."""

    def __init__(self, sku: str, why: str) -> None:
        super().__init__(f"{sku} stays parked: {why}.")
