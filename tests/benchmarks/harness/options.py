"""What a benchmark is told on its command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = ROOT / ".lastunit" / "bench"
MIN_ROUNDS: Final = 5
"""Fewer rounds say too little about the spread; only --quick allows that."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`orders` is the product's number of orders a round; slower lanes get their share of it. `lanes`: all if empty.

    `given_servers`: use those that LASTUNIT_ variables name, under names of our own, instead of starting some.
    `partitions` of each topic, 0: as many as the settings have. `against`: the revision to alternate with, empty: none.
    """

    rounds: int = MIN_ROUNDS
    orders: int = 100_000
    orders_given: bool = False
    quick: bool = False
    lanes: tuple[str, ...] = ()
    folder: Path = FOLDER
    given_servers: bool = False
    partitions: int = 0
    against: str = ""

    def wants(self, lane: str) -> bool:
        """Tell whether a lane is to run."""
        return not self.lanes or lane in self.lanes

    def share(self, share: float, least: int = 100) -> int:
        """Return the orders of a lane that gets this share of the product's, at least `least` (a tenth when quick)."""
        return max(least // 10 if self.quick else least, round(self.orders * share))


def read_options(name: str, description: str, *, orders: int, quick_orders: int) -> Options:
    """Read the command line of benchmark `name`; the defaults are this benchmark's."""
    parser = argparse.ArgumentParser(prog=f"make bench-{name}", description=description)
    parser.add_argument("--rounds", type=int, help=f"alternating rounds (default {MIN_ROUNDS}; 1 when --quick)")
    parser.add_argument("--orders", type=int, help=f"the product's orders a round (default {orders:,})")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs; its figures mean nothing")
    parser.add_argument("--lanes", type=lambda text: tuple(text.split(",")), default=(), help="only these, a,b,c")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where servers, results and plots are kept")
    parser.add_argument("--given-servers", action="store_true", help="use the servers that LASTUNIT_* variables name")
    parser.add_argument("--partitions", type=int, default=0, help="partitions of each topic (default: the settings')")
    parser.add_argument(
        "--against", default="", metavar="GIT_REV", help="alternate with this revision, print the ratios"
    )
    given = parser.parse_args()
    return Options(
        rounds=given.rounds or (1 if given.quick else MIN_ROUNDS),
        orders=given.orders or (quick_orders if given.quick else orders),
        orders_given=bool(given.orders),
        quick=given.quick,
        lanes=given.lanes,
        folder=given.folder.absolute(),
        given_servers=given.given_servers,
        partitions=given.partitions,
        against=given.against,
    )
