"""What must be true of a finished case: invariants 1 to 5 of docs/guarantees.md, for the whole way of an order."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from consumers.errors import RefusedError
from schemas import messages as m
from schemas.terms import SHIP_AVAILABLE
from tests.model.accounting import COMMITTED, HELD
from tests.model.end import End
from tests.model.facts import OrderFacts, facts_of
from tests.model.money import judge_money
from tests.model.orders import NOBODYS_ORDER
from tests.model.simulated_owner import dead_letters
from tests.model.waits import wait_of
from topology.states import OVER_ORDER_STATES, OrderState


class WrongEndError(AssertionError):
    """The case ended as no case may end."""


def _holds(truth: bool, *what: object) -> None:
    if not truth:
        raise WrongEndError(" ".join(map(str, what)))


_ENDS: Final = OVER_ORDER_STATES | {OrderState.DELIVERED, OrderState.RETURNED}
"""Where an order may stand when nobody does anything any more."""
_ONCE: Final = (
    m.OrderReserved,
    m.OrderRejected,
    m.OrderPlaced,
    m.OrderPaid,
    m.OrderCancelled,
    m.OrderShipped,
    m.OrderDelivered,
    m.OrderReturned,
    m.FulfilmentCancelled,
    m.PaymentDeclined,
    m.PaymentVoided,
)
"""What is said once of an order, whatever comes twice."""


def judge_before_time_passes(end: End) -> Counter[str]:
    """Judge a case in which only time can do anything more; return what its orders wait for.

    A finished order holds nothing: it gave everything back, and did not leave it to the clock.
    """
    waits: Counter[str] = Counter()
    for facts in facts_of(end).values():
        if facts.order is None:
            continue
        held = [key for key, stands in facts.stands.items() if stands == HELD]
        over = facts.order.state in OVER_ORDER_STATES
        _holds(not (over and held), "a finished order still holds", held)
        waits.update(wait_of(facts))
    return waits


def judge(end: End) -> None:
    """Judge the end of a case, when every record is read and all time is over."""
    _judge_stock(end)
    for facts in facts_of(end).values():
        _judge_order(facts)
        judge_money(facts)
        _judge_undone_once(facts)
        _judge_repeats(facts)
    _judge_nobodys_order(end)
    _judge_returns(end)
    _judge_dead_letters(end)


def _judge_stock(end: End) -> None:
    """No oversell and no undersell: what was received is sold or for sale, and memory agrees with the books."""
    for p, books in enumerate(end.books):
        ledger = end.owners["inventory", p].state
        for sku, on_hand in books.on_hand.items():
            lines = [key for key, stands in books.life.items() if key[2] == sku and stands == COMMITTED]
            sold = sum(books.quantity[key] for key in lines)
            rest = on_hand - books.quarantined[sku]
            _holds(sold + books.available(sku) == rest, sku, "sold and for sale are not what is there")
            _holds(books.reserved[sku] == 0, sku, "is still reserved")
            level = ledger.stock(sku)
            kept = (level.on_hand, level.reserved, level.allocated, level.quarantined)
            _holds(kept == (on_hand, 0, sold, books.quarantined[sku]), "the ledger of", sku)


def _judge_order(facts: OrderFacts) -> None:
    order_id, order = facts.order_id, facts.order
    if order is None:
        _holds(not facts.goods_minor, "goods went to an order that nobody knows:", facts.stands)
        return
    _holds(order.state in _ENDS, order_id, "is left", order.state)
    for key, stands in facts.stands.items():
        _holds(stands not in (HELD, COMMITTED), key, "is neither sent nor given back:", stands)
    for kind in _ONCE:
        _holds(len(facts.of(kind)) <= 1, order_id, "was told more than once:", facts.of(kind))
    ended = facts.of(m.OrderRejected) + facts.of(m.OrderCancelled)
    _holds(len(ended) == (order.state in OVER_ORDER_STATES), order_id, "is", order.state, "and was told", ended)
    _holds(not (ended and facts.of(m.ShipmentShipped)), order_id, "was sent, and has ended without a sale")


def _judge_undone_once(facts: OrderFacts) -> None:
    """Each effect has one undo at most, whatever came twice, late or from two sides."""
    for undo in (m.ReleaseLine, m.ReturnLine):
        _once(facts, undo, [event.line for event in facts.of(undo) if _is_own(facts, event)])
    for refund in (m.PaymentRefunded, m.RefundRequested):
        _once(facts, refund, [event.refund_id for event in facts.of(refund)])
    for step in (m.ShipmentRequested, m.ShipmentShipped, m.ShipmentDelivered, m.ShipmentLost):
        _once(facts, step, [event.shipment_id for event in facts.of(step)])


def _judge_repeats(facts: OrderFacts) -> None:
    """A line that is sent again is refused exactly where it differs from what was placed, and that is named."""
    refused = {fact.reference for fact in facts.of(m.OrderCommandRefused) if fact.command == "PlaceOrderLine"}
    judged = [again for again in facts.of(m.LineRepeated) if _has_the_orders_header(facts, again)]
    for again in judged:
        name = f"line:{again.line}"
        differing = any(_differs(facts, each) for each in judged if each.line == again.line)
        _holds((name in refused) == differing, facts.order_id, "repeated with other content, or not:", again, refused)


def _placed(facts: OrderFacts, again: m.LineRepeated) -> m.LineReserved:
    placed: m.LineReserved = next(
        reserved for reserved in facts.of(m.LineReserved) if (reserved.line, reserved.sku) == (again.line, again.sku)
    )
    return placed


def _has_the_orders_header(facts: OrderFacts, again: m.LineRepeated) -> bool:
    """Tell whether a line is its order's, and was from the first: any other is given back, and nothing of it is kept."""
    line = facts.order.lines.get(again.line) if facts.order is not None else None
    if line is None or line.sku != again.sku or line.left_out:
        return False
    placed, order = _placed(facts, again), facts.order
    same_count = SHIP_AVAILABLE in order.terms or placed.line_count == order.line_count
    return same_count and _header(placed) == (
        order.customer_id,
        order.terms,
        order.currency,
        order.payment_token,
        order.shipping_minor,
    )


def _differs(facts: OrderFacts, again: m.LineRepeated) -> bool:
    placed = _placed(facts, again)
    same_count = SHIP_AVAILABLE in placed.terms or again.line_count == placed.line_count
    return not same_count or (_header(again), _price(again)) != (_header(placed), _price(placed))


def _header(fact: m.LineReserved | m.LineRepeated) -> tuple[str, str, str, str, int]:
    return fact.customer_id, fact.terms, fact.currency, fact.payment_token, fact.shipping_minor


def _price(fact: m.LineReserved | m.LineRepeated) -> tuple[int, int, int]:
    return fact.unit_price_minor, fact.discount_minor, fact.tax_minor


def _judge_nobodys_order(end: End) -> None:
    """What is asked of an order that nobody placed is refused as unknown, once, and leaves nothing behind."""
    for (room, _), owner in end.owners.items():
        if room in ("orders", "payments", "fulfilment"):
            _holds(NOBODYS_ORDER not in owner.state.by_order, room, "keeps an order that nobody placed")
    facts = facts_of(end).get(NOBODYS_ORDER)
    if facts is not None:
        reasons = {fact.reason for fact in facts.of(m.OrderCommandRefused)}
        _holds(reasons <= {"unknown_order"}, "an order that nobody placed is refused by:", reasons)
        asked, refused = len(facts.of(m.OrderCommandUnmatched)), len(facts.of(m.OrderCommandRefused))
        _holds(refused >= bool(asked), "nobody answers for an order that nobody placed")


def _once(facts: OrderFacts, kind: type[m.Message], names: list[Any]) -> None:
    if len(names) != len(set(names)):
        raise WrongEndError(f"{facts.order_id} was told more than once: {kind.__name__} {names}")


def _is_own(facts: OrderFacts, command: Any) -> bool:
    """Tell whether a line is its order's, and not one of another SKU under its number, of which nothing is remembered."""
    line = facts.order.lines.get(command.line) if facts.order is not None else None
    return line is not None and line.sku == command.sku


def _judge_returns(end: End) -> None:
    """What had left the house is back only where somebody took it in."""
    received = {
        (outcome.order_id, line)
        for owner in end.owners.values()
        for _, outcomes in owner.history
        for outcome in outcomes
        if isinstance(outcome, m.ReturnReceived)
        for line in outcome.lines
    }
    for books in end.books:
        for key in books.came_back:
            _holds(key[:2] in received or key in end.meddled, key, "was sent, and booked as if it had never left")


def _judge_dead_letters(end: End) -> None:
    """What the rooms say to each other is never refused, except for what follows from a stranger's command.

    What is asked of the stock and cannot be done is refused, and only that: `accounting` has seen to it.
    """
    for room, message, refusal in dead_letters(list(end.owners.values())):
        _holds(_is_lawful(message, refusal), room, "refused", message, refusal)


def _is_lawful(message: Any, refusal: RefusedError) -> bool:
    if isinstance(message, m.LineCommitFailed):
        return refusal.reason == "unexpected"
    if isinstance(message, m.ShipOrder):
        return refusal.reason == "invalid_lines"
    if isinstance(message, m.PlaceOrderLine):
        return refusal.reason == "invalid_text"
    return isinstance(message, m.SkuCommand) and refusal.reason in (
        "conflicting_duplicate",
        f"{type(message).__name__}_refused",
    )
