"""The command line as people and scripts meet it: each command in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """What a command printed, and how it ended."""

    status: int | None
    output: str
    errors: str

    @property
    def json(self) -> Any:
        return json.loads(self.output)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.output.splitlines()]


async def lastunit(environment: Mapping[str, str], *arguments: str, columns: int = 200) -> Answer:
    """Run a command in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from infra.cli import main; main()",
        *arguments,
        env={**environment, "COLUMNS": str(columns)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return Answer(process.returncode, output.decode(), errors.decode())
