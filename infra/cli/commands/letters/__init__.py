"""See dead letters, and send them again."""

from __future__ import annotations

from infra.cli.commands.letters import handling, looking
from infra.cli.groups import add, new_group

app = new_group("letters", "See dead letters, and send them again.")
app.command("list")(looking.list_letters)
add(app, looking.show, handling.redrive, handling.acknowledge, handling.expire, looking.export)
