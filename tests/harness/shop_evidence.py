"""What a shop leaves behind: its logs, what it published, what an audit says of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from consumers.runtime.deciding.record import Record
from infra.ops.audit import Report


def orders_lost(report: Report) -> set[str]:
    """Return the ids of the orders that an audit names as lost to a dead letter."""
    examples = next(finding.examples for finding in report.findings if finding.name == "dead_letters")
    return {order_id for example in examples for order_id in re.findall(r"^order (\S+) was never decided", example)}


def logged(folder: Path, process: str, event: str) -> list[dict[str, Any]]:
    """Return what a process of the supervisor with this folder has logged under this name."""
    lines = (folder / "logs" / f"{process}.log").read_bytes().splitlines()
    facts = [msgspec.json.decode(line) for line in lines if line.startswith(b"{") and line.endswith(b"}")]
    return [fact for fact in facts if fact.get("event") == event]


def copies(records: Iterable[Record]) -> dict[bytes, Counter[bytes]]:
    """Return for each event id how often which content was published under it."""
    by_id: dict[bytes, Counter[bytes]] = {}
    for record in records:
        for name, value in record.headers:
            if name == "ce_id":
                by_id.setdefault(value, Counter())[record.value or b""] += 1
    return by_id
