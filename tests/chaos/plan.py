"""What a run of chaos is asked for, and what each of its orders is to go through: all of it drawn from one seed."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from consumers.fulfilment.state import DELIVERY, RETURN_ANSWER, RETURN_ARRIVAL, SHIPMENT
from infra.base.rooms import RECEIVER, SYSTEM, TOGETHER
from producers.clients.orders import ACCEPTED_TOKEN, OrderLine, OrderRequest
from schemas.terms import CAPTURE_AT_SHIPPING, SHIP_AVAILABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ACTION_TOKEN: Final = "tok_3ds"
CONFIRMATION: Final = "confirmation"
SKUS: Final = tuple(f"SKU-{number:02}" for number in range(40))
IN_STOCK: Final = 0.8
"""Units that come in, as a share of those that are asked for."""
_TERMS: Final = ("", "", SHIP_AVAILABLE, CAPTURE_AT_SHIPPING, f"{SHIP_AVAILABLE} {CAPTURE_AT_SHIPPING}")

Journey: TypeAlias = Literal["arrives", "is_lost", "unsaid"]
WayBack: TypeAlias = Literal["received", "refused", "unanswered", "on_its_way"]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much, how fast and how often: orders in all and per second, and the pause between two kills of a process.

    With `apart` each room is a process of its own.
    """

    orders: int = 10_000
    seed: int = 1
    orders_per_second: float = 25.0
    kill_pause_seconds: tuple[float, float] = (4.0, 12.0)
    decline_rate: float = 0.05
    timeout_rate: float = 0.02
    lost_answer_rate: float = 0.01
    duplicate_webhook_rate: float = 0.01
    reordered_webhook_rate: float = 0.05
    apart: bool = False

    @property
    def killed(self) -> tuple[str, ...]:
        """The names of the processes."""
        return (*(SYSTEM if self.apart else TOGETHER), RECEIVER)


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What people do about one order. What they leave undone is what the order may wait for in the end.

    `never_sent` is a line whose command gets lost (0: none), of an order that is all or nothing: one that ships what is there
    has no hold that could expire where its other lines were refused. `changes_mind_after` seconds from the placing until it is
    cancelled. A customer who is asked to confirm says so, or no, or (None) nothing.
    """

    order: OrderRequest
    never_sent: int = 0
    changes_mind_after: float | None = None
    confirms: bool | None = True
    parcels: int = 1
    journey: Journey = "arrives"
    sends_back: Literal["nothing", "one", "all"] = "nothing"
    way_back: WayBack = "received"
    disposition: str = "available"
    kindness_minor: int = 0

    @property
    def may_wait_for(self) -> frozenset[str]:
        """Return the names of the waits that nobody is going to end."""
        undone = {
            CONFIRMATION: self.confirms is None,
            SHIPMENT: self.parcels == 0,
            DELIVERY: self.journey == "unsaid",
            RETURN_ANSWER: self.way_back == "unanswered",
            RETURN_ARRIVAL: self.way_back == "on_its_way",
        }
        return frozenset(name for name, is_undone in undone.items() if is_undone)


def fates(plan: Plan) -> Iterator[Fate]:
    """Yield an order after the other; the same seed draws the same."""
    draw = random.Random(plan.seed)
    for number in range(plan.orders):
        yield _fate(draw, number)


def units_wanted(all_fates: Sequence[Fate]) -> Counter[str]:
    """Return how many units of each SKU are asked for."""
    wanted: Counter[str] = Counter()
    for fate in all_fates:
        for line in fate.order.lines:
            wanted[line.sku] += line.quantity
    return wanted


def _fate(draw: random.Random, number: int) -> Fate:
    lines = draw.randint(1, 3)
    terms = draw.choice(_TERMS)
    loses_a_line = lines > 1 and SHIP_AVAILABLE not in terms and draw.random() < 0.01
    is_hasty = loses_a_line or draw.random() < 0.03
    order = OrderRequest(
        lines=tuple(
            OrderLine(sku, draw.randint(1, 2), draw.randrange(100, 5_000)) for sku in draw.choices(SKUS, k=lines)
        ),
        customer_id=f"customer-{number}",
        payment_token=ACTION_TOKEN if draw.random() < 0.06 else ACCEPTED_TOKEN,
        hold_seconds=2 if is_hasty else 900,
        terms=terms,
    )
    return Fate(
        order=order,
        never_sent=lines if loses_a_line else 0,
        changes_mind_after=draw.expovariate(1 / 2.0) if draw.random() < 0.12 else None,
        confirms=draw.choice((True, True, True, False, None)),
        parcels=draw.choices((0, 1, 2), (2, 5, 4))[0],
        journey=draw.choices(("arrives", "is_lost", "unsaid"), (16, 1, 1))[0],
        sends_back=draw.choices(("nothing", "one", "all"), (7, 2, 2))[0],
        way_back=draw.choices(("received", "refused", "unanswered", "on_its_way"), (14, 2, 1, 1))[0],
        disposition=draw.choice(("available", "available", "quarantine")),
        kindness_minor=50 if draw.random() < 0.02 else 0,
    )
