"""`make bench`: every benchmark, one after the other, and their results together as JSON on the last line."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final

BENCHMARKS: Final = ("hot_sku", "zipf", "latency", "failover", "growth")


def main() -> int:
    """Run them with our own arguments; one that fails does not keep the others from running."""
    together: dict[str, Any] = {"figures": {}, "bars": {}, "breaches": [], "failed": [], "setup": {}}
    for name in BENCHMARKS:
        print(f"\n=== {name.replace('_', '-')}", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", f"tests.benchmarks.{name}", *sys.argv[1:]]
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        lines = ended.stdout.splitlines()
        if not lines:
            together["failed"].append(name)
            continue
        print(lines[-1], flush=True)
        result = json.loads(lines[-1])
        for part in ("figures", "bars"):
            together[part] |= result[part]
        together["breaches"] += result["breaches"]
        together["setup"][name] = result["setup"]
    print(json.dumps(together))
    return 1 if together["breaches"] or together["failed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
