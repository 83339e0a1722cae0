"""Bring units in, see them, correct counts, limit sales."""

from __future__ import annotations

from infra.cli.commands.stock import changing, ledger, levels, parking
from infra.cli.groups import add, new_group

SIGNED = {"ignore_unknown_options": True}
"""Or -3 would be taken for an option."""

app = new_group("stock", "Bring units in, see them, correct counts, limit sales.")
app.command(context_settings=SIGNED)(levels.receive)
app.command()(levels.show)
app.command(context_settings=SIGNED)(changing.adjust)
add(app, changing.limit, changing.suspend, changing.resume, changing.retire, parking.park, parking.unpark)
add(app, ledger.history, ledger.reconcile)

quarantine = new_group("quarantine", "What came back and must not be sold.")
quarantine.command()(changing.clear)
app.add_typer(quarantine)
