"""`lastunit topology check | diff | apply`: the topics of a cluster against the declared ones.

Exit status: 0 done or nothing differs, 1 something differs or must not be changed, 2 it could not be told.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from infra.base import connections
from infra.base.endpoints import running_stack
from infra.base.errors import InfraError, StackError
from infra.base.partitions import recorded_partitions
from infra.base.settings import Settings, load_settings
from topology import admin
from topology.differences import CountDifference, TopologyDiff
from topology.errors import ChangesRefusedError, TopologyError

DIFFERS = 1
UNKNOWN = 2

app = typer.Typer(name="topology", help="Compare the topics of a cluster with the declared ones.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


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


@app.command()
def check(*, as_json: AsJson = False) -> None:
    """Exit with status 1 when the topics are not as declared."""
    with _errors(as_json=as_json):
        found = _diff(_target())
    _show(found, as_json=as_json)
    if found:
        raise typer.Exit(DIFFERS)


@app.command()
def diff(*, as_json: AsJson = False) -> None:
    """Show what differs."""
    with _errors(as_json=as_json):
        found = _diff(_target())
    _show(found, as_json=as_json)


@app.command()
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
        _print_json(asdict(done))
        return
    console = Console(soft_wrap=True, markup=False, highlight=False)
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


def _show(found: TopologyDiff, *, as_json: bool) -> None:
    if as_json:
        _print_json({"same": not found, **_document(found)})
        return
    console = Console(soft_wrap=True)
    if not found:
        console.print(f"The topics of cluster {found.cluster_id} are as declared.", markup=False, highlight=False)
        _show_notes(found, console)
        return
    table = Table("topic", "what", "declared", "in the cluster", "apply", title=f"Cluster {found.cluster_id}")
    for missing in found.missing:
        table.add_row(missing.topic, "topic", f"{missing.partitions} partitions", "missing", "creates it")
    for count in found.partitions:
        table.add_row(count.topic, "partitions", str(count.wanted), str(count.actual), "refuses")
    for count in found.replicas:
        table.add_row(count.topic, "replicas", str(count.wanted), str(count.actual), "leaves it to you")
    for config in found.configs:
        answer = f"only with --allow {config.name}" if config.may_lose_data else "alters it"
        table.add_row(config.topic, config.config, config.wanted, config.actual or "not known", answer)
    console.print(table)
    for line in found.refusals():
        console.print(line, markup=False, highlight=False)
    for count in found.replicas:
        console.print(_replicas_hint(count), markup=False, highlight=False)
    _show_notes(found, console)


def _show_notes(found: TopologyDiff, console: Console) -> None:
    for note in found.notes():
        console.print(note, markup=False, highlight=False)


def _replicas_hint(count: CountDifference) -> str:
    return (
        f"{count.topic} has {count.actual} replicas where {count.wanted} are possible: "
        "add them with kafka-reassign-partitions."
    )


def _document(found: TopologyDiff) -> dict[str, Any]:
    configs = [{**asdict(config), "may_lose_data": config.may_lose_data} for config in found.configs]
    return {**asdict(found), "configs": configs}


@contextmanager
def _errors(*, as_json: bool) -> Iterator[None]:
    """Turn an error into its message and an exit status."""
    try:
        yield
    except (TopologyError, InfraError) as error:
        if as_json:
            _print_json({"error": type(error).__name__, "detail": str(error)})
        else:
            Console(stderr=True, soft_wrap=True).print(str(error), markup=False, highlight=False)
        raise typer.Exit(DIFFERS if isinstance(error, ChangesRefusedError) else UNKNOWN) from None


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2))
