"""What waits for parked SKUs, kept a second time from what was published: who parked which, what came, what was let through.

Decision: docs/decisions, 051.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.inventory.parking import PARKED, Parking, read_place, read_stored
from schemas import messages as m

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.ops.audit.report import Tallies
    from infra.ops.audit.rows import StockRow

_WAITS: Final = (m.PlaceOrderLine, m.ReceiveStock, m.AdjustStock, m.ClearQuarantine, m.SetPurchaseLimit, m.RetireSku)


class Queue(msgspec.Struct):
    """What waits for one SKU; `partition` is that of the log where it was parked.

    `armed` is None where it cannot be known here: after a dead letter in another partition, be it misrouted or of a later
    number of partitions.
    """

    by: str
    partition: int
    armed: bool | None
    came: int = 0
    released: int = 0
    open: bool = False

    @property
    def closed(self) -> bool:
        """Whether what comes has to wait."""
        return self.armed is False and not self.open


class ParkedSkus:
    """The SKUs of some partitions of inventory.commands that are parked, or are to be behind their next dead letter."""

    def __init__(self, tallies: Tallies) -> None:
        self._queues: dict[str, Queue] = {}
        self._tallies = tallies

    def is_let_through(self, sku: str) -> bool:
        """Tell whether what comes for the SKU had waited before."""
        queue = self._queues.get(sku)
        return queue is not None and queue.open

    def obey(self, command: Any, position: str) -> None:
        """Follow an accepted command about a SKU."""
        queue = self._queues.get(command.sku)
        if isinstance(command, m.ParkSku):
            partition = int(position.rsplit("/", 2)[1])
            self._queues[command.sku] = Queue(command.command_id, partition, bool(command.on_dead_letter))
        elif queue is not None and isinstance(command, m.ReleaseParked):
            queue.open, queue.released = True, queue.released + command.count
        elif queue is not None and isinstance(command, m.EndRelease):
            queue.open = False
            if queue.released == queue.came:
                del self._queues[command.sku]
        else:
            self.check(command, command.sku, position)

    def check(self, command: object, sku: str, position: str) -> None:
        """Check that what was carried out had not to wait."""
        queue = self._queues.get(sku)
        if queue is not None and queue.closed and isinstance(command, _WAITS):
            words = f"{position}: {type(command).__name__} of {sku} was carried out although it is parked by {queue.by}"
            self._tallies["stock_within_bounds"].breach(words)

    def wait(self, letter: m.DeadLetter, position: str) -> None:
        """Follow a dead letter: it waits for its SKU, or is what the SKU's parking waited for."""
        sku = (letter.key or b"").decode(errors="replace")
        queue = self._queues.get(sku)
        if letter.reason == PARKED:
            tally = self._tallies["every_refusal_was_justified"]
            tally.count(parked=1)
            if queue is not None and queue.armed is None:
                queue.armed = False
            if queue is None or not queue.closed:
                tally.breach(f"{position}: a record of {sku} has to wait, which was not parked")
                return
            queue.came += 1
            if read_place(letter.detail) != (queue.came, queue.by):
                tally.breach(f"{position}: a record is {letter.detail}; it is number {queue.came} behind {queue.by}")
        elif queue is not None and queue.armed and not queue.open:
            queue.armed = False if letter.partition == queue.partition else None

    def compare(self, rows: Iterable[StockRow]) -> None:
        """Hold the rows against what the log says of each SKU."""
        stored = {row.sku: parking for row in rows if (parking := read_stored(row.parking)) is not None}
        tally = self._tallies["every_refusal_was_justified"]
        for sku in stored.keys() | self._queues.keys():
            queue = self._queues.get(sku)
            by_log = queue and Parking(queue.by, bool(queue.armed), queue.came, queue.released, queue.open)
            is_known = queue is None or queue.armed is not None
            if is_known and stored.get(sku) != by_log:
                tally.breach(f"{sku}: its row has {stored.get(sku)}, by the log it should be {by_log}")
