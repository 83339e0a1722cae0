"""What must be true after chaos: beside the product's own audit, sums that are made from the log and the books alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import asyncpg
import msgspec

from consumers.notifications.state import NotificationsState
from consumers.notifications.transitions import decide as notifications_of
from consumers.runtime.deciding.now import Now
from infra.ops.audit.checks.processor_books import read_books
from schemas import messages as m
from schemas.codec.wire import decode
from tests.chaos.plan import CONFIRMATION, Fate, Plan, units_wanted
from topology.saga import NOTIFIED
from topology.states import CLOSED_ORDER_STATES, PaymentState
from topology.topics import ORDER_EVENTS, ORDER_NOTIFICATIONS

if TYPE_CHECKING:
    from tests.chaos.run import Result
    from tests.harness.shop import Shop
    from tests.harness.subscriber import Subscriber

MOST_NAMED: Final = 20
NOTHING: Final = "nothing"
_ORDERS: Final = """
SELECT o.order_id::text AS order_id, o.state, p.state AS payment, coalesce(f.waits_for, '') AS waits_for
FROM orders o LEFT JOIN payments p USING (order_id) LEFT JOIN fulfilments f USING (order_id)
"""
_MONEY: Final = """
SELECT order_id::text AS order_id, authorized_minor AS authorized, captured_minor AS captured, voided_minor AS voided,
    refunded_minor AS refunded
FROM payments
"""
_STOCK: Final = "SELECT sku, on_hand, reserved, allocated, quarantined FROM stock"
_PARKED: Final = "SELECT count(*) FROM webhook_deliveries WHERE parked_because IS NOT NULL"
_FIGURES: Final = ("authorized", "captured", "voided", "refunded")


async def judge(
    plan: Plan, shop: Shop, fates: Sequence[Fate], units: Mapping[str, int], subscriber: Subscriber
) -> Result:
    """Judge a system at rest: `units` came in, `subscriber` was told."""
    from tests.chaos.run import Result  # noqa: PLC0415  it imports us

    orders = {row["order_id"]: row for row in await shop.database.fetch(_ORDERS)}
    facts, breaches = await _facts(shop)
    problems, waiting = _judge_ends(orders, {fate.order.order_id: fate for fate in fates}, facts)
    breaches += problems
    money = await _money(shop, breaches)
    buying = units_wanted([fate for fate in fates if fate.order.order_id in waiting.get(CONFIRMATION, ())])
    breaches += _judge_stock(await shop.database.fetch(_STOCK), facts, units, buying)
    breaches += _judge_customers(facts, fates, await shop.database.fetch(_MONEY))
    notifications = await _judge_notifications(shop, facts, subscriber, breaches)
    audit = await shop.audit()
    breaches += [
        f"{finding.name}: {finding.detail} {finding.examples}" for finding in audit.findings if not finding.holds
    ]
    return Result(
        plan=plan,
        breaches=breaches,
        kills={},
        states=dict(Counter(row["state"] for row in orders.values())),
        waits={name: len(order_ids) for name, order_ids in waiting.items()},
        waiting={name: order_ids[:MOST_NAMED] for name, order_ids in waiting.items()},
        money_minor=money,
        notifications=notifications,
        audit={finding.name: msgspec.to_builtins(finding.figure) for finding in audit.findings},
        seconds={},
    )


def _judge_ends(
    orders: Mapping[str, asyncpg.Record], fates: Mapping[str, Fate], facts: Iterable[m.Message]
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the breaches, and the orders that wait, by what nobody said."""
    breaches = [f"order {order_id} was never heard of" for order_id in fates.keys() - orders.keys()]
    waiting: defaultdict[str, list[str]] = defaultdict(list)
    history: defaultdict[str, list[str]] = defaultdict(list)
    for fact in facts:
        history[fact.order_id].append(_in_short(fact))  # type: ignore[attr-defined]  # every fact about an order has one
    for order_id, row in orders.items():
        wait = _wait_of(row)
        if wait is None:
            continue
        if order_id in fates and wait in fates[order_id].may_wait_for:
            waiting[wait].append(order_id)
        else:
            words = f"order {order_id} ({row['state']}, payment {row['payment']}) waits for {wait}"
            breaches.append(f"{words} after {', '.join(history[order_id])}")
    return breaches, dict(waiting)


def _in_short(fact: m.Message) -> str:
    words = [getattr(fact, name, "") for name in ("command", "shipment_id", "reference", "reason")]
    return " ".join([type(fact).__name__, *filter(None, words)])


def _wait_of(row: asyncpg.Record) -> str | None:
    """Name what an order waits for; None where it is over in every respect."""
    if row["payment"] == PaymentState.REQUIRES_ACTION:
        return CONFIRMATION
    if row["waits_for"]:
        return str(row["waits_for"])
    return None if row["state"] in CLOSED_ORDER_STATES else NOTHING


async def _money(shop: Shop, breaches: list[str]) -> dict[str, dict[str, int]]:
    """Hold our ledger against the processor's, order by order and in sum."""
    at_processor: dict[str, Counter[str]] = {}
    for order_id, lines in (await read_books(shop.supervisor.processor_url) or {}).items():
        sums = at_processor.setdefault(order_id, Counter())
        for line in lines:
            for figure in _FIGURES:
                sums[figure] += getattr(line, f"{figure}_minor")
    booked = {row["order_id"]: row for row in await shop.database.fetch(_MONEY)}
    for order_id in at_processor.keys() | booked.keys():
        row, other = booked.get(order_id), at_processor.get(order_id, Counter())
        for figure in _FIGURES:
            amount = row[figure] if row is not None else 0
            if amount != other[figure]:
                breaches.append(
                    f"order {order_id}: {amount} {figure} by our ledger, {other[figure]} by the processor's"
                )
    return {
        "ours": {figure: sum(row[figure] for row in booked.values()) for figure in _FIGURES},
        "processor": {figure: sum(sums[figure] for sums in at_processor.values()) for figure in _FIGURES},
    }


async def _facts(shop: Shop) -> tuple[list[m.Message], list[str]]:
    """Return all that stands on order.events, each fact once, and which were said in two ways."""
    by_id: dict[bytes, bytes | None] = {}
    breaches = []
    for record in await shop.records(ORDER_EVENTS):
        if (name := dict(record.headers).get("ce_id")) is None:
            continue  # the rules' version
        if by_id.setdefault(name, record.value) != record.value:
            both = [type(decode(value)).__name__ for value in (by_id[name], record.value) if value is not None]
            breaches.append(f"{name.decode()} was said in two ways: {', '.join(both)}")
    return [decode(value) for value in by_id.values() if value is not None], breaches


def _judge_stock(
    levels: Iterable[asyncpg.Record], facts: Iterable[m.Message], units: Mapping[str, int], buying: Counter[str]
) -> list[str]:
    """Count goods from the facts alone: what came in is here, or left the house and did not come back.

    `buying` is what those want at most whose payment is still to be confirmed.
    """
    here, there = Counter(units), set()
    for fact in facts:
        if isinstance(fact, m.LineShipped):
            there.add((fact.order_id, fact.line))
            here[fact.sku] -= fact.quantity
        elif isinstance(fact, m.LineReturned) and (fact.order_id, fact.line) in there:
            here[fact.sku] += fact.quantity
    breaches = []
    for sku, on_hand, reserved, allocated, quarantined in levels:
        if on_hand != here[sku]:
            breaches.append(f"{sku}: {on_hand} are on hand, by the facts it should be {here[sku]}")
        if reserved > buying[sku]:
            breaches.append(f"{sku}: {reserved} are still reserved, and {buying[sku]} are still being bought")
        if allocated + quarantined > on_hand:
            breaches.append(f"{sku}: {allocated} allocated and {quarantined} quarantined of {on_hand}")
    return breaches


def _judge_customers(
    facts: Iterable[m.Message], fates: Iterable[Fate], payments: Iterable[asyncpg.Record]
) -> list[str]:
    """See that each customer has paid for what they have, and for what is still to be sent if it was paid at once."""
    prices = {
        (fate.order.order_id, number): line.quantity * line.unit_price_minor
        for fate in fates
        for number, line in enumerate(fate.order.lines, start=1)
    }
    paid: dict[str, set[int]] = defaultdict(set)
    owed: Counter[str] = Counter()
    for fact in facts:
        match fact:
            case m.OrderPaid():
                paid[fact.order_id] |= {line.line for line in fact.lines}
            case m.ShipmentShipped():
                paid[fact.order_id] |= set(fact.lines)
            case m.ShipmentLost() | m.ReturnReceived():
                paid[fact.order_id] -= set(fact.lines)
            case m.LineWithdrawn():
                paid[fact.order_id].discard(fact.line)
            case m.OrderCancelled():
                paid[fact.order_id].clear()
            case m.PaymentRefunded(refund_id="kindness"):
                owed[fact.order_id] += fact.amount_minor
            case _:
                pass
    breaches = []
    for row in payments:
        order_id, kept = row["order_id"], row["captured"] - row["refunded"]
        goods = sum(prices[order_id, line] for line in paid[order_id])
        if kept != max(0, goods - owed[order_id]):
            breaches.append(f"order {order_id} has paid {kept} for goods of {goods}, {owed[order_id]} were given back")
    return breaches


async def _judge_notifications(
    shop: Shop, facts: Iterable[m.Message], subscriber: Subscriber, breaches: list[str]
) -> dict[str, int]:
    """See that each fact that is to be told was told: on the topic and to the subscriber, at least once."""
    state, now = NotificationsState(0), Now(0)
    due = {each.event_id for fact in facts if type(fact) in NOTIFIED for each in notifications_of(state, fact, now)}
    letters = [decode(record.value) for record in await shop.records(ORDER_NOTIFICATIONS) if record.value is not None]
    published = {letter.event_id for letter in letters if isinstance(letter, m.OrderNotification)}
    taken = {name for name, times in subscriber.taken.items() if times}
    for what, lacking in (("published", due - published), ("taken by the subscriber", (due | published) - taken)):
        if lacking:
            breaches.append(f"{len(lacking)} notifications were never {what}: {sorted(lacking)[:3]}")
    if parked := await shop.value(_PARKED):
        breaches.append(f"{parked} notifications were parked")
    return {"due": len(due), "taken": len(taken), "answered_with_200": subscriber.taken.total()}
