"""Why a change of the number of partitions does not begin, or does not go on; every message says what to do."""

from __future__ import annotations

from infra.base.errors import InfraError


class RepartitionError(InfraError):
    """The change did not come to its end; what was done is kept, and the same command goes on from there."""


class RepartitionRefusedError(RepartitionError):
    """What is asked for cannot be done; nothing was changed."""
