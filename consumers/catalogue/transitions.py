"""What the catalogue decides on each command: the only table. The state of a product is looked up by the decision itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumers.catalogue.decide import archive_product, publish_product, put_product, recognised, set_price
from consumers.errors import RefusedError
from consumers.runtime.deciding.transitions import decisions
from consumers.runtime.deciding.validation import require_identifier
from schemas import messages as m
from schemas.products import is_product_id

if TYPE_CHECKING:
    from consumers.catalogue.state import CatalogueState
    from consumers.runtime.deciding.now import Now

ROOM: Final = "catalogue"

TRANSITIONS: Final = decisions(
    ROOM,
    {
        m.PutProduct: put_product,
        m.SetPrice: set_price,
        m.PublishProduct: publish_product,
        m.ArchiveProduct: archive_product,
    },
)


def decide(state: CatalogueState, command: Any, now: Now) -> list[Any]:
    """Return the command's outcomes; the state stays as it is. Raises RefusedError for a malformed command."""
    if not is_product_id(command.product_id):
        raise RefusedError("invalid_product_id", f"{command.product_id[:64]!r} is no product id")
    require_identifier("command_id", command.command_id)
    record = state.record(command.product_id)
    known = recognised(record, command)
    return TRANSITIONS[type(command)](record, command, now) if known is None else known
