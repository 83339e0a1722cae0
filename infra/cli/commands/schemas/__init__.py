"""Show the contracts of messages, check and register them."""

from __future__ import annotations

from infra.cli.commands.schemas import contracts, registry
from infra.cli.groups import add, new_group

app = new_group("schemas", "Show the contracts of messages, check and register them.")
add(app, contracts.show, contracts.diff, contracts.check, registry.register)
