"""What must be true of a finished case: DESIGN 6, invariants 1 to 5."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from consumers.payments.processor import OperationKind
from schemas import messages as m
from tests.model.accounting import COMMITTED, HELD, SHIPPED
from tests.model.shop import Shop
from topology.states import FINAL_ORDER_STATES, OrderState


class WrongEndError(AssertionError):
    """The case ended as no case may end."""


def _holds(truth: bool, *what: object) -> None:
    if not truth:
        raise WrongEndError(" ".join(map(str, what)))


def orders_of(shop: Shop) -> dict[str, Any]:
    """Return every order that was heard of."""
    return {order_id: order for book in shop.orders for order_id, order in book.orders.items()}


def judge_before_time_passes(shop: Shop) -> None:
    """A finished order holds nothing: it gave everything back, and did not leave it to the clock."""
    over = {order_id for order_id, order in orders_of(shop).items() if order.state in FINAL_ORDER_STATES}
    for books in shop.books:
        for key, stands in books.life.items():
            _holds(stands != HELD or key[0] not in over, "a finished order still holds", key)


def judge(shop: Shop) -> None:
    """Judge the end of a case, when every record is read and every hold is over."""
    _judge_stock(shop)
    committed: defaultdict[str, list[m.LineReserved]] = defaultdict(list)
    for reserved in _first_reservations(shop):
        key = (reserved.order_id, reserved.line, reserved.sku)
        if any(books.life.get(key) in (COMMITTED, SHIPPED) for books in shop.books):
            committed[reserved.order_id].append(reserved)
    _judge_orders(shop, committed)
    _judge_dead_letters(shop)


def _judge_stock(shop: Shop) -> None:
    """No oversell and no undersell: what was received is sold or for sale, and memory agrees with the books."""
    for books, ledger in zip(shop.books, shop.ledgers, strict=True):
        for sku, on_hand in books.on_hand.items():
            lines = [key for key, stands in books.life.items() if key[2] == sku and stands == COMMITTED]
            sold = sum(books.quantity[key] for key in lines)
            rest = on_hand - books.quarantined[sku]
            _holds(sold + books.available(sku) == rest, sku, "sold and for sale are not what is there")
            _holds(books.reserved[sku] == 0, sku, "is still reserved")
            level = ledger.stock(sku)
            kept = (level.on_hand, level.reserved, level.allocated, level.quarantined)
            _holds(kept == (on_hand, 0, sold, books.quarantined[sku]), "the ledger of", sku)


def _judge_orders(shop: Shop, committed: dict[str, list[m.LineReserved]]) -> None:
    asked = Counter((operation.order_id, operation.kind) for operation, _ in shop.done)
    granted = {(operation.order_id, operation.kind): operation for operation, yes in shop.done if yes}
    orders = orders_of(shop)
    for order_id, order in orders.items():
        _holds(order.state in FINAL_ORDER_STATES, order_id, "is left", order.state)
        goods = committed.get(order_id, [])
        authorized = granted.get((order_id, OperationKind.AUTHORIZE))
        captured = granted.get((order_id, OperationKind.CAPTURE))
        for kind in OperationKind:
            _holds(asked[order_id, kind] <= 1, order_id, "was asked for more than once:", kind)
        _holds(
            (captured is not None) is (order.state is OrderState.PAID),
            order_id,
            "money without a sale, or a sale without",
        )
        if captured is not None:
            price = sum(line.quantity * line.unit_price_minor for line in goods)
            _holds(len(goods) == goods[0].line_count if goods else False, order_id, "is paid, its goods are", goods)
            _holds(captured.amount_minor == price, order_id, "paid", captured.amount_minor, "for", price)
            continue
        _holds(not goods, order_id, "has goods without money:", goods)
        given_back = asked[order_id, OperationKind.VOID] == 1
        _holds(given_back is (authorized is not None), order_id, "money held without a sale, or given back unheld")
    strangers = set(committed) - set(orders)
    _holds(not strangers, "goods went to orders that nobody knows:", strangers)


def _judge_dead_letters(shop: Shop) -> None:
    """What the rooms say to each other is never refused, except for what follows from a stranger's command.

    What is asked of the stock and cannot be done is refused, and only that: `accounting` has seen to it.
    """
    for room, message, refusal in shop.dead:
        expected = isinstance(message, m.LineCommitFailed) and refusal.reason == "unexpected"
        impossible = refusal.reason in ("AdjustStock_refused", "RetireSku_refused")
        _holds(expected or impossible, room, "refused", message, refusal)


def _first_reservations(shop: Shop) -> list[m.LineReserved]:
    found: dict[tuple[str, int, str], m.LineReserved] = {}
    for log in shop.events:
        for message, _ in log:
            if isinstance(message, m.LineReserved):
                found.setdefault((message.order_id, message.line, message.sku), message)
    return list(found.values())
