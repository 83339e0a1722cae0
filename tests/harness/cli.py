"""The command line as people and scripts meet it: each command in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.harness.warm_processes import run_warm


class Answer(NamedTuple):
    """What a command printed, and how it ended."""

    status: int
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
    return Answer(*await run_warm({**environment, "COLUMNS": str(columns)}, *arguments))
