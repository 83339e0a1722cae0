"""What a finished case left behind, wherever it was played: all that a verdict reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from tests.model.accounting import Books, Key
from tests.model.processor import Account
from tests.model.simulated_owner import SimulatedOwner


class End(NamedTuple):
    """`owners` by room and partition, `books` by inventory's partition; strangers have `meddled` with these lines."""

    owners: Mapping[tuple[str, int], SimulatedOwner]
    books: Sequence[Books]
    accounts: Collection[Account]
    meddled: Collection[Key]
