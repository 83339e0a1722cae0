"""Compare a cluster's topics with the declared ones."""

from __future__ import annotations

from infra.cli.commands.topology import rebase, repartition, topics
from infra.cli.groups import add, new_group

app = new_group("topology", "Compare a cluster's topics with the declared ones.")
add(app, topics.check, topics.diff, topics.apply, repartition.repartition, rebase.rebase)
