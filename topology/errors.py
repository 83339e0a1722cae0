"""What can go wrong between the declared topics and those of a cluster; every message says what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from topology.differences import TopologyDiff

_APPLY = "lastunit topology apply"


class TopologyError(Exception):
    """Base of all errors of this package."""


class KafkaUnreachableError(TopologyError):
    """Kafka does not answer, or not in time."""

    def __init__(self, bootstrap: str, cause: BaseException) -> None:
        super().__init__(
            f"Kafka at {bootstrap} does not answer ({type(cause).__name__}: {cause}). Start it, or correct "
            "LASTUNIT_KAFKA_BOOTSTRAP."
        )


class ClusterMismatchError(TopologyError):
    """This is another cluster than the configured one, so its offsets would not be those in the database."""

    def __init__(self, bootstrap: str, expected: str, actual: str) -> None:
        super().__init__(
            f"Kafka at {bootstrap} is cluster {actual}, but the configured cluster is {expected}; nothing was changed. "
            "Correct LASTUNIT_KAFKA_BOOTSTRAP or LASTUNIT_CLUSTER_ID."
        )


class ClusterNotNamedError(TopologyError):
    """Topics are only made in a cluster that was named, never in whichever answers."""

    def __init__(self, bootstrap: str, actual: str) -> None:
        super().__init__(
            f"No cluster is configured, and Kafka at {bootstrap} is {actual}; nothing was changed. If that is the one "
            f"you mean, set LASTUNIT_CLUSTER_ID={actual}."
        )


class CoPartitioningError(TopologyError):
    """A topic has fewer partitions than its keys are partitioned to: some orders or products would have no place in it."""

    def __init__(self, wanted: int, lacking: Mapping[str, int], *, is_recorded: bool) -> None:
        why = "they are recorded to have" if is_recorded else "another of the order.* topics has"
        super().__init__(
            _listed(
                f"One order is in the same partition of every order.* topic, and a number of partitions stays; {why} "
                f"{wanted}. Nothing was decided; give these topics as many:",
                [
                    f"{name} has {count}: kafka-topics.sh --bootstrap-server ADDRESS --alter --topic {name} "
                    f"--partitions {wanted}"
                    for name, count in lacking.items()
                ],
            )
        )
        self.wanted = wanted
        self.lacking = dict(lacking)


class TopologyDiffersError(TopologyError):
    """The cluster's topics are not as declared; `diff` says where."""

    def __init__(self, diff: TopologyDiff) -> None:
        super().__init__(_listed(f"The topics of cluster {diff.cluster_id} differ; run `{_APPLY}`:", diff.lines()))
        self.diff = diff


class ChangesRefusedError(TopologyError):
    """Some differences cannot be mended without losing data or order; because of them nothing was changed at all."""

    def __init__(self, diff: TopologyDiff, reasons: Sequence[str]) -> None:
        super().__init__(_listed(f"Nothing was changed in cluster {diff.cluster_id}:", reasons))
        self.diff = diff
        self.reasons = tuple(reasons)


class ChangeFailedError(TopologyError):
    """Kafka refused to create or alter topics; what it did take is kept, so applying again is harmless."""

    def __init__(self, failures: Sequence[str]) -> None:
        super().__init__(_listed(f"Kafka refused; mend this and run `{_APPLY}` again:", failures))
        self.failures = tuple(failures)


class TopicsNotReadyError(TopologyError):
    """Kafka took the changes but does not show them, or a partition has no leader."""

    def __init__(self, seconds: float, waiting_for: Sequence[str]) -> None:
        super().__init__(
            _listed(f"Not ready after {seconds:.0f} s; look at the brokers' logs, then apply again:", waiting_for)
        )


def _listed(head: str, lines: Sequence[str]) -> str:
    return "\n".join([head, *(f"  {line}" for line in lines)])
