"""Why an audit could not be made; a breach that it found is no error."""

from __future__ import annotations

from infra.base.errors import InfraError


class VerifyError(InfraError):
    """The audit could not be finished: something that it reads did not answer, or is not there."""
