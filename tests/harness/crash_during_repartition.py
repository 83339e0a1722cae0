"""A change of the number of partitions whose process ends right after a step: `python -m tests.harness.crash_during_repartition`.

Its arguments are the number of partitions and the step's name. The settings come from the environment, as for the command.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

from infra.base import connections
from infra.base.settings import load_settings
from infra.ops.log import Log
from infra.ops.repartition.change import Progress, Repartition, Target

DIED: Final = 77


async def main(partitions: int, last_step: str) -> None:
    def report(step: Progress) -> None:
        if step.name == last_step:
            os._exit(DIED)

    settings = load_settings()
    target = Target(settings.kafka_bootstrap or "", settings.cluster_id or "", settings.namespace, partitions, 60.0)
    async with connections.database(settings) as database, Log(target.bootstrap, target.namespace) as log:
        await Repartition(target, database, log, report).run()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
