"""The program in README.md works as it stands."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from infra.base.settings import Settings
from infra.ops.log import Log
from schemas.ids import is_order_id
from topology import admin
from topology.topics import INVENTORY_COMMANDS

README = Path(__file__).parents[2] / "README.md"


async def test_the_program_that_places_an_order_places_its_two_lines(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    await admin.apply(
        settings.kafka_bootstrap or "",
        namespace=settings.namespace,
        partitions=2,
        expected_cluster_id=settings.cluster_id,
    )
    [program] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    file = tmp_path / "place.py"
    file.write_text(program)
    process = await asyncio.create_subprocess_exec(
        sys.executable, file, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert is_order_id(output.decode().strip())
    async with Log(settings.kafka_bootstrap or "", settings.namespace) as log:
        rules = 2  # each partition begins with the version of the rules
        assert sum(await log.ends(INVENTORY_COMMANDS)) == rules + 2
