"""What an owner needs to know about where it runs."""

from __future__ import annotations

import msgspec


class OwnerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What an owner needs to know about where it runs."""

    kafka_bootstrap: str
    postgres_dsn: str
    namespace: str = ""
    batch_records: int = 2_000
    session_timeout_ms: int = 6_000
    heartbeat_ms: int = 200
    """A member learns of a rebalance with its next heartbeat, so this bounds the gap of a planned handover.

    The only member of a group heartbeats once a second: it works on until it learns that another one has come.
    """
    watchdog_seconds: float = 60.0
