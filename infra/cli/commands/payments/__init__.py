"""Hold the processor's books against ours."""

from __future__ import annotations

from infra.cli.commands.payments import reconciling
from infra.cli.groups import add, new_group

app = new_group("payments", "Hold the processor's books against ours.")
add(app, reconciling.reconcile)
