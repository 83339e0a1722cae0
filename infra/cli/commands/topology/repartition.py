"""`lastunit topology repartition`: gives inventory.commands more partitions while orders flow.

Exit status: 0 done, planned or nothing to do; 1 it cannot be done; 2 it did not come to its end, run it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import asyncpg
import msgspec
import typer

from infra.base import connections
from infra.base.endpoints import running_stack
from infra.base.errors import InfraError
from infra.base.settings import Settings
from infra.cli.arguments import seconds_option
from infra.cli.output import AsJson, fail, print_json, quiet_settings, stdout
from infra.cli.shortening import shortened
from infra.ops.log import Log
from infra.ops.repartition.change import TOPIC, Done, Progress, Repartition, Target
from infra.ops.repartition.errors import RepartitionRefusedError
from infra.ops.repartition.plan import Plan, require_topic
from topology.errors import TopologyError

REFUSED = 1
UNFINISHED = 2

Topic = Annotated[str, typer.Argument(metavar="[TOPIC]", help="Which; there is but one that can be changed.")]
Partitions = Annotated[int, typer.Option("--partitions", min=1, max=1024, help="How many it shall have.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it. Without it, only say what would be done.")]
Cancel = Annotated[bool, typer.Option("--cancel", help="Call off a change that has no partitions in Kafka yet.")]
WaitSeconds = Annotated[float, seconds_option("Longest wait for the owners to drain, and to resume.")]


def repartition(
    topic: Topic = TOPIC.name,
    *,
    partitions: Partitions,
    yes: Yes = False,
    cancel: Cancel = False,
    wait_seconds: WaitSeconds = 300.0,
    as_json: AsJson = False,
) -> None:
    """Give inventory.commands more partitions: drain, switch, resume. A run that was cut short is finished by the next."""
    settings = quiet_settings()
    with _errors(as_json=as_json):
        require_topic(topic)
        asyncio.run(_repartition(settings, partitions, wait_seconds, yes=yes, cancel=cancel, as_json=as_json))


async def _repartition(
    settings: Settings, partitions: int, wait_seconds: float, *, yes: bool, cancel: bool, as_json: bool
) -> None:
    target = _target(settings, partitions, wait_seconds)
    async with connections.database(settings) as database, Log(target.bootstrap, target.namespace) as log:
        change = Repartition(target, database, log, (lambda _: None) if as_json else _show_step)
        if cancel:
            called_off = await change.cancel()
            _print({"cancelled": called_off}, "Called off." if called_off else "No change is under way.", as_json)
            return
        plan = await change.plan()
        if plan.is_done or not yes:
            _print({"plan": plan, "done": plan.is_done}, _in_words(plan), as_json)
            return
        if not as_json:
            stdout().print(_in_words(plan))
        done = await change.run()
        _print({"plan": plan, "done": done}, _result(done), as_json)


def _target(settings: Settings, partitions: int, wait_seconds: float) -> Target:
    bootstrap = connections.address_of("kafka_bootstrap", settings)
    stack = None if settings.kafka_bootstrap else running_stack(settings)
    cluster_id = settings.cluster_id or (stack.cluster_id if stack else None)
    if cluster_id is None:
        raise RepartitionRefusedError("No cluster is configured; name the one that you mean: LASTUNIT_CLUSTER_ID.")
    return Target(bootstrap, cluster_id, settings.namespace, partitions, wait_seconds)


def _in_words(plan: Plan) -> str:
    if plan.is_done:
        return f"{plan.topic} has {plan.partitions} partitions; nothing to do."
    begun = "; this was announced by an earlier run and will be finished" if plan.announced else ""
    return "\n".join(
        (
            f"{plan.topic}: from {plan.partitions} to {plan.wanted} partitions{begun}.",
            f"  {plan.moving:,} of {plan.skus:,} SKUs move to another partition, with all their rows.",
            f"  {sum(plan.lag):,} commands wait for a decision, at most {max(plan.lag):,} in one partition: first these.",
            "  Orders are taken all the time; decisions about newer ones wait until the switch is made.",
            "  Kafka cannot take partitions away again. With --yes it is done.",
        )
    )


def _result(done: Done) -> str:
    return (
        f"{done.partitions} partitions are in force (generation {done.generation}): {done.moved_skus:,} SKUs with "
        f"{done.moved_rows:,} rows moved in {done.switch_seconds:.2f} s. "
        f"Decisions about new commands waited for {done.pause_seconds:.1f} s."
    )


def _show_step(step: Progress) -> None:
    stdout().print(f"{step.name}: {step.detail}")


def _print(document: dict[str, Any], words: str, as_json: bool) -> None:
    if as_json:
        print_json(msgspec.to_builtins(document))
    else:
        stdout().print(words)


@contextmanager
def _errors(*, as_json: bool) -> Iterator[None]:
    """Turn an error into its message and an exit status."""
    try:
        yield
    except (TopologyError, InfraError, asyncpg.PostgresError) as error:
        status = REFUSED if isinstance(error, RepartitionRefusedError) else UNFINISHED
        if as_json:
            print_json({"error": type(error).__name__, "detail": shortened(str(error))})
            raise typer.Exit(status) from None
        fail(str(error), status)
