"""`lastunit topology rebase`: accepts a cluster that was moved or mirrored with all its records.

Exit status: 0 done, or it could be done; 1 it must not be done, with the reasons.
"""

from __future__ import annotations

from typing import Annotated

import typer

from infra.base.connections import address_of, database
from infra.base.settings import Settings
from infra.cli.output import AsJson, print_json, quiet_settings, run, stdout
from infra.ops.log import Log
from infra.ops.rebase import RebasePlan, accept_log, plan_rebase

Yes = Annotated[bool, typer.Option("--yes", help="Do it. Without it, only compare.")]
Unverified = Annotated[
    bool, typer.Option("--accept-unverified", help="Accept positions too of which no digest is known.")
]


def rebase(*, yes: Yes = False, accept_unverified: Unverified = False, as_json: AsJson = False) -> None:
    """Accept the log that the settings name, where the last record decided of each partition is the same. Stop the rooms first."""
    plan = run(_rebase(quiet_settings(), yes=yes, accept_unverified=accept_unverified))
    if as_json:
        print_json({"done": yes, "plan": plan})
        return
    stdout().print(_sentence(plan))
    stdout().print("The rooms go on from their positions." if yes else "Nothing was changed; with --yes it is done.")


async def _rebase(settings: Settings, *, yes: bool, accept_unverified: bool) -> RebasePlan:
    bootstrap = address_of("kafka_bootstrap", settings)
    async with database(settings) as connection, Log(bootstrap, settings.namespace) as log:
        plan = await plan_rebase(connection, log)
        if yes or plan.refused:
            await accept_log(connection, plan, unverified_too=accept_unverified)
        return plan


def _sentence(plan: RebasePlan) -> str:
    clusters = {identity.cluster_id for identity in plan.identities.values()}
    unknown = f", {len(plan.unverified)} cannot be compared" if plan.unverified else ""
    return (
        f"Cluster {', '.join(clusters) or 'without claims'}: {plan.verified} positions have the record that was decided "
        f"last, {plan.at_the_beginning} stand at the beginning{unknown}."
    )
