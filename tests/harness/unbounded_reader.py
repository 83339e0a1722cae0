"""An inventory that reads ahead without a bound: `python -m tests.harness.unbounded_reader`, the negative control of its memory.

The settings come from the environment, as for any room.
"""

from __future__ import annotations

import asyncio

from consumers.inventory.room import InventoryRoom
from consumers.runtime.kafka import consumer
from consumers.runtime.owner import PartitionOwner
from infra.base.settings import load_settings
from producers.publisher import Publisher
from tests.harness.owner_options import options_of

UNBOUNDED_BYTES = 2**30


async def main() -> None:
    settings = load_settings()
    consumer.FETCH_BYTES = UNBOUNDED_BYTES  # type: ignore[misc]  # the protection that is taken away
    async with Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace) as publisher:
        await PartitionOwner(InventoryRoom(), options_of(settings), publisher).run()


if __name__ == "__main__":
    asyncio.run(main())
