"""What can go wrong while the system is put together; every message names what to do about it."""

from __future__ import annotations


class InfraError(Exception):
    """Something around the system is not as it must be; the message names how to mend it."""


class SettingsError(InfraError):
    """A LASTUNIT_ variable has a value that cannot be used."""


class StackError(InfraError):
    """Kafka, PostgreSQL or Valkey could not be brought up or kept up."""


class StateDirInUseError(StackError):
    """Another process already runs the stack of this state directory."""


class StateMismatchError(StackError):
    """The data found is not the data that the settings name (another cluster, a state directory moved by hand)."""


class SandboxConflictError(StackError):
    """The database's payments are in the books of another payment sandbox."""


class JarsUnavailableError(StackError):
    """Kafka's jars could not be downloaded, or are not the ones that the lock names."""


class ProcessFailedError(StackError):
    """A part did not become ready in time, or died; the message ends with the tail of its log."""


class ServerUnreachableError(StackError):
    """An existing server named in the settings does not answer."""


class NotRunningError(StackError):
    """A command needs a server that neither runs here nor is named."""


class NotOursError(StackError):
    """A part that we did not start cannot be stopped, paused or restarted by us."""


class MigrationError(InfraError):
    """The database's tables are not those of this release, and applying more would not make them so."""


class RegistryError(InfraError):
    """The schema registry does not answer, or does not take our schemas under their ids."""
