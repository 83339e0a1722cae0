"""`lastunit room inventory` that counts nothing for Prometheus and serves no /metrics: what metrics cost is the difference."""

from __future__ import annotations

from typing import Any

from consumers.runtime.meter import Meter
from infra.cli import main
from infra.ops.process_metrics import ProcessMetrics


def _meter_of(_metrics: ProcessMetrics, _rooms: Any) -> Meter:
    return Meter()


def _serve(_metrics: ProcessMetrics, _host: str, _port: int) -> None:
    return


if __name__ == "__main__":
    for name, substitute in {"meter_of": _meter_of, "serve": _serve}.items():
        setattr(ProcessMetrics, name, substitute)
    main(["room", "inventory"])
