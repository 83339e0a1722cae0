"""The state that the catalogue decides on: products, and which commands each has had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from schemas.messages import Product

DRAFT: Final = "draft"
PUBLISHED: Final = "published"
ARCHIVED: Final = "archived"
REMEMBERED: Final = 100
"""Commands of one product that are recognised when they come again; one that is older than all of them is refused."""


class ProductRecord(msgspec.Struct):
    """What is kept of one product. `product` is None before it is first put, and after a draft was removed.

    `commands` maps the ids of its latest commands to a digest of their content, in the order of their decision.
    `version` only grows.
    """

    product_id: str
    product: Product | None = None
    version: int = 0
    commands: dict[str, str] = msgspec.field(default_factory=dict)


class CatalogueState:
    """The products of one partition, as far as they are loaded; `changed` collects the open batch."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.records: dict[str, ProductRecord] = {}
        self.changed: set[str] = set()
        self.restated: set[str] = set()

    def record(self, product_id: str) -> ProductRecord:
        """Return what is known of a product; nothing is known of a new one."""
        return self.records.get(product_id) or ProductRecord(product_id)

    def take_changed(self) -> tuple[list[ProductRecord], list[ProductRecord]]:
        """Return whose rows the open batch changed, and which of them are to be published; begin the next batch."""
        changed = [self.records[product_id] for product_id in sorted(self.changed)]
        restated = [self.records[product_id] for product_id in sorted(self.restated)]
        self.changed, self.restated = set(), set()
        return changed, restated
