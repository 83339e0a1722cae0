"""Why an operation could not be carried out; a breach that an audit found is no error."""

from __future__ import annotations

from infra.base.errors import InfraError


class UnreadableError(InfraError):
    """What an operation reads (the log, the processor's books) did not answer, or is not there."""
