"""Distributes what is known of all SKUs over another number of partitions, as a replay does where the live system did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumers.inventory.state import Ledger
from topology.partitioner import partition_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SKU_OF: Final[Mapping[str, Callable[[Any], str]]] = {
    "stocks": lambda sku: sku,
    "holds": lambda key: key[2],
    "held": lambda key: key[2],
    "commands": lambda command: command[1],
    "purchases": lambda buyer: buyer[0],
    "carts": lambda cart: cart[1],
    "known_carts": lambda cart: cart[1],
    "before": lambda sku: sku,
    "new_holds": lambda key: key[2],
    "changed_holds": lambda key: key[2],
    "movements": lambda movement: movement.sku,
    "purchase_changes": lambda buyer: buyer[0],
}
"""Each collection of a Ledger, and the SKU in one of its entries (in its keys, where it is a dict)."""


class _HomePartitions(dict[str, int]):
    """SKU -> its partition, each computed once."""

    def __init__(self, partitions: int) -> None:
        super().__init__()
        self._partitions = partitions

    def __missing__(self, sku: str) -> int:
        partition = self[sku] = partition_of(sku.encode(), self._partitions)
        return partition


def repartition(ledgers: Iterable[Ledger], partitions: int) -> list[Ledger]:
    """Return one ledger for each of `partitions`, with all that the given ones know of the SKUs that belong there."""
    home_partitions = _HomePartitions(partitions)
    repartitioned = [Ledger(partition) for partition in range(partitions)]
    for ledger in ledgers:
        for name, sku_of in SKU_OF.items():
            entries = getattr(ledger, name)
            for entry in entries:
                target = getattr(repartitioned[home_partitions[sku_of(entry)]], name)
                if isinstance(target, dict):
                    target[entry] = entries[entry]
                elif isinstance(target, set):
                    target.add(entry)
                else:
                    target.append(entry)
    return repartitioned
