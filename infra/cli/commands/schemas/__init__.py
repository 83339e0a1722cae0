"""Show the contracts of messages, and check them."""

from __future__ import annotations

from infra.cli.commands.schemas import contracts
from infra.cli.groups import add, new_group

app = new_group("schemas", "Show the contracts of messages, and check them.")
add(app, contracts.show, contracts.diff, contracts.check)
