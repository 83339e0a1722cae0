"""CPU time of the processes that work on an order: the lane's own, PostgreSQL with its backends, Kafka, Valkey."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.benchmarks.harness.servers import Servers

CpuSeconds = dict[str, float]
"""Seconds of user and system time so far, by name of the process group."""


class CpuMeter:
    """Reads the CPU time of each server's process tree, and of the lane's."""

    def __init__(self, servers: Servers) -> None:
        parts = servers.stack.parts
        self._roots = {part.name.lower(): psutil.Process(part.pid) for part in parts if part.pid is not None}

    def read(self, pids: Mapping[str, int]) -> CpuSeconds:
        """Return what each has used so far; `pids` are the lane's processes by name, of which those that ended are left out."""
        used = self._servers()
        for name, pid in pids.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                used[name] = _of_tree(psutil.Process(pid))
        return used

    def _servers(self) -> CpuSeconds:
        return {name: _of_tree(root) for name, root in self._roots.items()}


def us_per_order(before: CpuSeconds, after: CpuSeconds, orders: float) -> dict[str, float]:
    """Return microseconds of CPU an order, by process group."""
    return {name: round((after[name] - before[name]) * 1e6 / orders, 1) for name in after if name in before}


def _of_tree(root: psutil.Process) -> float:
    """Sum over a process and its descendants; those that have ended are in their parent's children's time."""
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total
