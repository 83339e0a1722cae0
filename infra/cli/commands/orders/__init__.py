"""Import orders from files, find them, and see what waits."""

from __future__ import annotations

from infra.cli.commands.orders import importing, stuck
from infra.cli.groups import new_group

app = new_group("orders", "Import orders from files, find them, and see what waits.")
app.command("import")(importing.import_)
app.command()(stuck.stuck)
