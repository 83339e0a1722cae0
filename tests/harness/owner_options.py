"""Owners in a test's process: their options, and which of them have to be there together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from consumers.runtime.options import OwnerOptions
from infra.base.settings import Settings
from topology.saga import INTAKE
from topology.topics import EARLIER_SOURCES


def options_of(settings: Settings, **changes: Any) -> OwnerOptions:
    """Return an owner's options for this process, where many owners share one loop: hence the long session."""
    options = OwnerOptions(
        kafka_bootstrap=settings.kafka_bootstrap or "",
        postgres_dsn=settings.postgres_dsn or "",
        namespace=settings.namespace,
        batch_records=settings.batch_records,
        session_timeout_ms=10_000,
        watchdog_seconds=settings.watchdog_seconds,
    )
    return msgspec.structs.replace(options, **changes)


def with_intake(names: Sequence[str]) -> Sequence[str]:
    return names if INTAKE in names or EARLIER_SOURCES.keys().isdisjoint(names) else (INTAKE, *names)
