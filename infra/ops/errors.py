"""Why an operation could not be carried out; a breach that an audit found is no error."""

from __future__ import annotations

from infra.base.errors import InfraError


class UnreadableError(InfraError):
    """What an operation reads (the log, the processor's books) did not answer, or is not there."""


class RulesRefusedError(InfraError):
    """A version of the decision rules cannot be adopted; nothing was."""

    @classmethod
    def unknown(cls, version: int, newest: int) -> RulesRefusedError:
        """Build the error for a version that this release does not have."""
        return cls(f"This release knows versions 1 to {newest} of the rules, not {version}.")

    @classmethod
    def back(cls, version: int, topic: str, partition: int, in_force: int) -> RulesRefusedError:
        """Build the error for a version before one that is in force."""
        return cls(
            f"{topic}/{partition} is decided by version {in_force} of the rules already; none goes back to {version}. "
            "See `lastunit rules show`."
        )
