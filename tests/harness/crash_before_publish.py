"""An inventory whose process ends exactly between a commit and its publication: `python -m tests.harness.crash_before_publish`.

With `--without-outbox` the commit also leaves out what is to be said, as a system without an outbox would: the negative
control. The settings come from the environment, as for any room.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Final

from typing_extensions import override

from consumers.inventory.room import InventoryRoom
from consumers.runtime.owner import PartitionOwner
from consumers.runtime.postgres.commit import commit_statement
from infra.base.settings import load_settings
from producers.publisher import Outgoing, Publisher
from tests.harness.owner_options import options_of

DIED: Final = 77
WITHOUT_OUTBOX: Final = "--without-outbox"


class Dying(Publisher):
    """Ends the process where the first word would be said; what is to be said was committed just before."""

    @override
    async def publish(self, records: Sequence[Outgoing]) -> None:
        if records:
            os._exit(DIED)


async def main() -> None:
    settings = load_settings()
    async with Dying(settings.kafka_bootstrap or "", namespace=settings.namespace) as publisher:
        soon = options_of(settings, session_timeout_ms=1_000)  # so that the next owner need not wait for long
        owner = PartitionOwner(InventoryRoom(), soon, publisher)
        if WITHOUT_OUTBOX in sys.argv:
            kept = "WHERE u.records IS NOT NULL"
            assert kept in commit_statement(())
            owner._statement = lambda saves: commit_statement(saves).replace(kept, "WHERE false")
        await owner.run()


if __name__ == "__main__":
    asyncio.run(main())
