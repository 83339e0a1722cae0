"""`make bench`: every benchmark, one after the other, and their results together as JSON on the last line.

A missed bar is said, and is no failure; a breach of an invariant and a benchmark that does not end well are (exit code 1).
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final

BENCHMARKS: Final = (
    "hot_sku",
    "zipf",
    "saga",
    "load",
    "latency",
    "curve",
    "failover",
    "growth",
    "read",
    "buy",
    "publish",
)


def main() -> int:
    """Run them with our own arguments; one that fails does not keep the others from running."""
    together: dict[str, Any] = {"figures": {}, "bars": {}, "breaches": [], "failed": [], "skipped": {}, "setup": {}}
    for name in BENCHMARKS:
        say(f"\n=== {name.replace('_', '-')}")
        command = [sys.executable, "-m", f"tests.benchmarks.{name}", *sys.argv[1:]]
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        lines = ended.stdout.splitlines()
        if not lines:
            say(f"FAILED: {name} ended with exit code {ended.returncode} and no result")
            together["failed"].append(name)
            continue
        print(lines[-1], flush=True)
        result = json.loads(lines[-1])
        for part in ("figures", "bars", "skipped"):
            together[part] |= result[part]
        together["breaches"] += [f"{name}: {breach}" for breach in result["breaches"]]
        together["setup"][name] = result["setup"]
    say("\n=== all")
    for figure, bar in together["bars"].items():
        say(f"bar {figure}: {bar['value']:g} against {bar['bar']:g}: {'holds' if bar['holds'] else 'MISSED'}")
    for breach in together["breaches"]:
        say(f"BREACH: {breach}")
    for name in together["failed"]:
        say(f"FAILED: {name}")
    print(json.dumps(together))
    return 1 if together["breaches"] or together["failed"] else 0


def say(line: str) -> None:
    """Tell how it goes; standard output is for results."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
