"""`lastunit topology check | diff | apply`: the topics of a cluster against the declared ones.

Exit status: 0 done or nothing differs, 1 something differs or must not be changed, 2 nothing could be compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from infra.base import connections
from infra.base.endpoints import running_stack
from infra.base.errors import InfraError, StackError
from infra.base.partitions import recorded_partitions
from infra.base.settings import Settings, load_settings
from infra.cli.output import AsJson, print_json, print_table, print_text, stderr, stdout
from infra.cli.shortening import shortened
from topology import admin
from topology.differences import CountDifference, TopologyDiff
from topology.errors import ChangesRefusedError, TopologyError

DIFFERS = 1
UNKNOWN = 2


@dataclass(frozen=True, slots=True)
class Target:
    """The cluster and the namespace in it that the settings mean.

    `in_use` has the partitions in use by plain topic name, as far as the database answers.
    """

    bootstrap: str
    cluster_id: str | None
    namespace: str
    partitions: int
    in_use: Mapping[str, int]


def check(*, as_json: AsJson = False) -> None:
    """Exit with status 1 when the topics are not as declared."""
    with _errors(as_json=as_json):
        differences = _diff(_target())
    _show(differences, as_json=as_json)
    if differences:
        raise typer.Exit(DIFFERS)


def diff(*, as_json: AsJson = False) -> None:
    """Show what differs."""
    with _errors(as_json=as_json):
        differences = _diff(_target())
    _show(differences, as_json=as_json)


def apply(
    *,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="TOPIC:CONFIG", help="Make this change although it may lose records. Repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create what is missing and alter what differs; never delete, never change a number of partitions."""
    with _errors(as_json=as_json):
        target = _target()
        done = asyncio.run(
            admin.apply(
                target.bootstrap,
                namespace=target.namespace,
                partitions=target.partitions,
                in_use=target.in_use,
                expected_cluster_id=target.cluster_id,
                allowed=allow or (),
            )
        )
    if as_json:
        print_json(asdict(done))
        return
    console = stdout()
    for topic in done.created:
        console.print(f"created {topic}")
    for config in done.altered:
        console.print(f"altered {config.topic}: {config.config}={config.wanted} (was {config.actual})")
    for count in done.too_few_replicas:
        console.print(_replicas_hint(count))
    if not done.created and not done.altered:
        console.print(f"Nothing to do in cluster {done.cluster_id}.")


def _target() -> Target:
    """Return where the settings point; without an address that is the stack that runs here, whose id is its own."""
    settings = load_settings()
    in_use = asyncio.run(_in_use(settings))
    if settings.kafka_bootstrap:
        return Target(settings.kafka_bootstrap, settings.cluster_id, settings.namespace, settings.partitions, in_use)
    stack = running_stack(settings)
    if stack is None:
        raise StackError("No Kafka runs here. Start one with `lastunit up`, or name one: LASTUNIT_KAFKA_BOOTSTRAP.")
    cluster_id = settings.cluster_id or stack.cluster_id
    return Target(stack.kafka_bootstrap, cluster_id, settings.namespace, settings.partitions, in_use)


async def _in_use(settings: Settings) -> dict[str, int]:
    """Return the recorded numbers of partitions; none where no database is named, or it has none yet."""
    try:
        async with connections.database(settings) as connection:
            return await recorded_partitions(connection)
    except InfraError:
        return {}


def _diff(target: Target) -> TopologyDiff:
    return asyncio.run(
        admin.diff(
            target.bootstrap,
            namespace=target.namespace,
            partitions=target.partitions,
            in_use=target.in_use,
            expected_cluster_id=target.cluster_id,
        )
    )


def _show(differences: TopologyDiff, *, as_json: bool) -> None:
    if as_json:
        print_json({"same": not differences, **_document(differences)})
        return
    if not differences:
        print_text(f"The topics of cluster {differences.cluster_id} are as declared.")
        _show_notes(differences)
        return
    rows = [
        (topic.topic, "topic", f"{topic.partitions} partitions", "missing", "creates it")
        for topic in differences.missing
    ]
    rows += [
        (partition.topic, "partitions", str(partition.wanted), str(partition.actual), "refuses")
        for partition in differences.partitions
    ]
    rows += [
        (count.topic, "replicas", str(count.wanted), str(count.actual), "leaves it to you")
        for count in differences.replicas
    ]
    for config in differences.configs:
        answer = f"only with --allow {config.name}" if config.may_lose_data else "alters it"
        rows.append((config.topic, config.config, config.wanted, config.actual or "not known", answer))
    print_text(f"Cluster {differences.cluster_id}")
    print_table(("topic", "what", "declared", "in the cluster", "apply"), rows)
    for line in (*differences.refusals(), *map(_replicas_hint, differences.replicas)):
        print_text(line)
    _show_notes(differences)


def _show_notes(differences: TopologyDiff) -> None:
    for note in differences.notes():
        print_text(note)


def _replicas_hint(count: CountDifference) -> str:
    return (
        f"{count.topic} has {count.actual} replicas where {count.wanted} are possible: "
        "add them with kafka-reassign-partitions."
    )


def _document(differences: TopologyDiff) -> dict[str, Any]:
    configs = [{**asdict(config), "may_lose_data": config.may_lose_data} for config in differences.configs]
    return {**asdict(differences), "configs": configs}


@contextmanager
def _errors(*, as_json: bool) -> Iterator[None]:
    """Turn an error into its message and an exit status."""
    try:
        yield
    except (TopologyError, InfraError) as error:
        if as_json:
            print_json({"error": type(error).__name__, "detail": shortened(str(error))})
        else:
            stderr().print(shortened(str(error)))
        raise typer.Exit(DIFFERS if isinstance(error, ChangesRefusedError) else UNKNOWN) from None
