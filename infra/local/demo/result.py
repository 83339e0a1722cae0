"""What a demo found out, in figures: computed from the books and the log, printed by report.py."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from infra.local.demo.log import Claim
from topology.states import FINAL_ORDER_STATES, OrderState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from infra.local.demo.books import Books, Position
    from infra.local.demo.inputs import Race
    from infra.local.demo.log import LogFigures
    from infra.ops.audit import Report

MICROSECONDS: Final = 1_000_000


class Percentiles(msgspec.Struct, frozen=True):
    """Time from an order's first record in the log to its final event, in ms."""

    p50: int
    p99: int


class FlashSale(msgspec.Struct, frozen=True, omit_defaults=True):
    """The one SKU that far too many want, in units: who got the last one, who was the first to be refused after that.

    `refused` counts the orders that it was refused to.
    """

    sku: str
    stock: int
    demand: int
    sold: int
    last_unit: Claim | None = None
    first_refused: Claim | None = None
    refused: int = 0


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The demo's figures; as JSON the last line that `lastunit demo --json` prints.

    `units_sold` are allocated to orders, `oversold_units` were sold to paid orders beyond what had been received of
    their SKU. `seconds` is from the first order's first record in the log to the last order's final event.
    `cpu_us_per_order` counts from the first publication until nothing moved any more. `unfinished` names what was left,
    `breaches` has examples of what the audit found.
    """

    orders: int
    lines: int
    states: dict[str, int]
    rejected_by_reason: dict[str, int]
    units_received: int
    units_sold: int
    units_available: int
    oversold_units: int
    invariants: dict[str, bool]
    seconds: float
    orders_per_second: float
    publish_to_final_ms: Percentiles
    cpu_us_per_order: dict[str, float]
    flash_sale: FlashSale | None = None
    unfinished: dict[str, int] = {}
    breaches: list[str] = []

    @property
    def is_good(self) -> bool:
        """Whether every order is final and every invariant holds."""
        return not self.unfinished and self.oversold_units == 0 and all(self.invariants.values())


def result_of(
    race: Race,
    *,
    position: Position,
    books: Books,
    log: LogFigures,
    audit: Report,
    cpu_seconds: Mapping[str, float],
) -> Result:
    """Put the figures together."""
    times = log.times
    sold = units_of_paid_orders(race, books)
    received = {sku: level.received for sku, level in books.stock.items()}
    seconds = _span_ms(times.values()) / 1000
    orders = len(race.orders)
    flash = race.flash_sku
    return Result(
        orders=orders,
        lines=race.lines,
        states=books.states(),
        rejected_by_reason=books.reasons(),
        units_received=sum(received.values()),
        units_sold=sum(level.allocated for level in books.stock.values()),
        units_available=sum(level.available for level in books.stock.values()),
        oversold_units=sum(max(0, units - received.get(sku, 0)) for sku, units in sold.items()),
        invariants={**own_invariants(books, sold), **audit.invariants},
        seconds=round(seconds, 3),
        orders_per_second=round(len(times) / seconds, 1) if seconds else 0.0,
        publish_to_final_ms=percentiles([final - first for first, final in times.values()]),
        cpu_us_per_order={name: round(used / orders * MICROSECONDS, 1) for name, used in cpu_seconds.items()},
        flash_sale=_flash_sale(flash, race, books, log.claims, sold[flash]) if flash else None,
        unfinished=unfinished(race, position),
        breaches=[
            f"{finding.sentence}: {example}"
            for finding in audit.findings
            if not finding.holds
            for example in finding.examples
        ],
    )


def _flash_sale(sku: str, race: Race, books: Books, claims: Sequence[Claim], sold: int) -> FlashSale:
    """Return how the race for the SKU went, by the order in which its lines were decided."""
    refused = [claim for claim in claims if claim.available is not None]
    last = max(
        (
            claim
            for claim in claims
            if claim.available is None and books.orders.get(claim.order_id, ("", ""))[0] == OrderState.PAID
        ),
        key=lambda claim: claim.place,
        default=None,
    )
    after = next((claim for claim in refused if last is not None and claim.place > last.place), None)
    return FlashSale(sku, race.stock.get(sku, 0), race.demand()[sku], sold, last, after, len(refused))


def unfinished(race: Race, position: Position) -> dict[str, int]:
    """Return what is not over, by its name; empty when all is."""
    unknown = len(race.orders) - sum(position.states.values())
    stuck = {f"orders still {state}": n for state, n in position.states.items() if state not in FINAL_ORDER_STATES}
    return {**({"orders unknown": unknown} if unknown else {}), **stuck, **position.loose_ends}


def units_of_paid_orders(race: Race, books: Books) -> Counter[str]:
    """Return what was sold, by SKU, from what the customers asked for: independent of how inventory counts."""
    sold: Counter[str] = Counter()
    for order in race.orders:
        if books.orders.get(order.order_id, ("", ""))[0] == OrderState.PAID:
            for line in order.lines:
                sold[line.sku] += line.quantity
    return sold


def own_invariants(books: Books, sold: Mapping[str, int]) -> dict[str, bool]:
    """Return what the demo itself knows from the orders that it placed."""
    stock = books.stock
    return {
        "allocated_is_what_was_paid_for": {sku: units for sku, units in sold.items() if units}
        == {sku: level.allocated for sku, level in stock.items() if level.allocated},
        "received_is_sold_or_available": all(
            level.received == level.available + level.allocated for level in stock.values()
        ),
    }


def percentiles(numbers: Sequence[int]) -> Percentiles:
    """Return the nearest-rank percentiles; zeros where there are no numbers."""
    if not numbers:
        return Percentiles(0, 0)
    ranked = sorted(numbers)
    return Percentiles(*(ranked[max(0, -(-len(ranked) * share // 100) - 1)] for share in (50, 99)))


def _span_ms(times: Collection[tuple[int, int]]) -> int:
    return max(final for _, final in times) - min(first for first, _ in times) if times else 0
