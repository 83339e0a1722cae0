"""Import orders from files, find them, and see what waits."""

from __future__ import annotations

from infra.cli.commands.orders import finding, importing, stuck
from infra.cli.groups import add, new_group

app = new_group("orders", "Import orders from files, find them, and see what waits.")
app.command("import")(importing.import_)
add(app, finding.find, finding.reindex, stuck.stuck)
