"""Show and adopt versions of the decision rules."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from infra.cli.arguments import seconds_option
from infra.cli.groups import new_group
from infra.cli.output import AsJson, fail, print_json, quiet_settings, run, stdout
from infra.ops.rules import InForce, adopt_everywhere, in_force
from topology.rules import NEWEST

app = new_group("rules", "Show and adopt versions of the decision rules.")


@app.command()
def show(*, as_json: AsJson = False) -> None:
    """List the version in force in each partition, and the newest one that this release knows."""
    _show(run(in_force(quiet_settings())), as_json=as_json)


@app.command()
def adopt(
    version: Annotated[int, typer.Argument(help="The version; the newest one that this release knows.")] = NEWEST,
    *,
    timeout: Annotated[float, seconds_option("How long to wait until every room has adopted it.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Have every partition decided by this version from now on. Exit status 1: it is not in force everywhere yet.

    Upgrade every process before: one of an earlier release stops as soon as it meets a version that it does not know.
    Adopting again changes nothing, and nothing goes back.
    """
    by_partition = run(adopt_everywhere(quiet_settings(), version, timeout_seconds=timeout))
    _show(by_partition, as_json=as_json)
    if lacking := [each for each in by_partition if each.least < version]:
        fail(
            f"Version {version} is on the log and not in force yet in {len(lacking)} partitions: see that the rooms run."
        )


def _show(by_partition: list[InForce], *, as_json: bool) -> None:
    if as_json:
        print_json({"newest": NEWEST, "partitions": [msgspec.to_builtins(each) for each in by_partition]})
        return
    table = Table("topic", "partitions", "version in force", box=None, pad_edge=False)
    for topic, partitions in groupby(by_partition, attrgetter("topic")):
        for versions, alike in groupby(partitions, attrgetter("versions")):
            numbers = [each.partition for each in alike]
            span = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
            table.add_row(topic, span, _described(versions))
    stdout().print(table)
    stdout().print(f"\nThe newest version that this release knows is {NEWEST}.")


def _described(versions: dict[str, int]) -> str:
    if not versions:
        return "nothing decided yet"
    distinct = set(versions.values())
    if len(distinct) == 1:
        return str(distinct.pop())
    return ", ".join(f"{room} {version}" for room, version in versions.items())
