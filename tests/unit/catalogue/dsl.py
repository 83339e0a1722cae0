"""given commands, when a command comes, then these outcomes."""

from __future__ import annotations

from typing import Any

from consumers.catalogue.evolve import evolve
from consumers.catalogue.state import CatalogueState
from consumers.catalogue.transitions import decide
from consumers.runtime.deciding.now import Now
from schemas import messages as m
from schemas.ids import new_order_id

START_MS = 1_790_000_000_000


def command_id(number: int) -> str:
    """Return an id whose time grows with its number."""
    return f"test/{new_order_id(START_MS + number)}"


class Catalogue:
    """One partition of products, to which commands happen a second apart."""

    def __init__(self) -> None:
        self.state = CatalogueState(0)
        self.at_ms = START_MS
        self.number = 0

    def new_id(self) -> str:
        self.number += 1
        return command_id(self.number)

    def do(self, command: Any) -> Any:
        """Decide a command, apply its outcomes and return the only one; None where there is none."""
        self.at_ms += 1000
        outcomes = decide(self.state, command, Now(self.at_ms))
        evolve(self.state, command, outcomes, Now(self.at_ms))
        assert len(outcomes) <= 1
        return outcomes[0] if outcomes else None

    def put(self, **changes: Any) -> Any:
        content: dict[str, Any] = {
            "command_id": self.new_id(),
            "product_id": "MUG",
            "expected_version": -1,
            "title": "Red Mug",
            "description": (),
            "product_type": "mugs & cups",
            "category": "Kitchen",
            "brand": "",
            "slug": "",
            "currency": "GBP",
            "attributes": (),
            "variants": (m.Variant("MUG", ""),),
            "options": (),
        }
        return self.do(m.PutProduct(**(content | changes)))

    def price(self, amount_minor: int, *, sku: str = "MUG", from_ms: int = 0, **changes: Any) -> Any:
        content: dict[str, Any] = {"command_id": self.new_id(), "product_id": "MUG", "currency": "GBP"}
        return self.do(m.SetPrice(sku=sku, amount_minor=amount_minor, from_ms=from_ms, **(content | changes)))

    def publish(self) -> Any:
        return self.do(m.PublishProduct(self.new_id(), "MUG"))

    def archive(self) -> Any:
        return self.do(m.ArchiveProduct(self.new_id(), "MUG", "no longer made"))

    @property
    def product(self) -> m.Product | None:
        return self.state.record("MUG").product
