"""Logs of one partition, as Hypothesis draws them: few orders, SKUs and units, so that everything collides."""

from __future__ import annotations

from hypothesis import strategies as st

from consumers.errors import RefusedError
from consumers.inventory.room import InventoryRoom
from consumers.inventory.state import Ledger
from schemas import messages as m
from tests.given_when_then import NOW_MS, A, B, C

ROOM = InventoryRoom()
SKUS = ("MUG", "TEE")
Entry = tuple[m.Message, int]
"""(command, append time in ms)"""
Decided = list[list[m.Message | str]]
"""What was said about each command; a refusal in words"""


def decided(ledger: Ledger, log: list[Entry]) -> Decided:
    """Return what is said about each command; the ledger has changed by it."""
    return [
        [
            f"refused: {outcome}" if isinstance(outcome, RefusedError) else outcome
            for outcome in outcomes_of(ledger, command, at_ms)
        ]
        for command, at_ms in log
    ]


def outcomes_of(ledger: Ledger, command: m.Message, at_ms: int) -> list[m.Message | RefusedError]:
    """Return what follows from a command; the ledger has changed by it. What is refused becomes a dead letter."""
    try:
        return list(ROOM.decide(ledger, command, at_ms))
    except RefusedError as refusal:
        return [refusal]


TOO_OLD = "0190b6c4-7b9a-7c3e-8f00-00000000000a"
_ORDERS = st.sampled_from((A, B, C, A, B, C, A, B, C, TOO_OLD))
_LINES = st.sampled_from((1, 1, 1, 2))
_SKUS = st.sampled_from(("MUG",) * 7 + ("TEE",))
_SMALL = st.integers(1, 3)


@st.composite
def _placements(draw: st.DrawFn) -> m.PlaceOrderLine:
    """Mostly sensible lines; the same one twice, the same with another quantity, and nonsense all occur."""
    quantity = draw(_SMALL | st.sampled_from((-10, -1, 0, 1_000_001)))
    return m.PlaceOrderLine(
        order_id=draw(_ORDERS),
        line=draw(_LINES),
        line_count=draw(st.sampled_from((2, 2, 2, 1))),
        sku=draw(_SKUS),
        quantity=quantity,
        demand=quantity + draw(st.sampled_from((0, 0, 0, 1, 2, -1))),
        unit_price_minor=draw(st.sampled_from((500, 500, 500, 0, -1))),
        currency=draw(st.sampled_from(("EUR", "EUR", "EUR", "GBP", "XXX", "eur"))),
        customer_id=draw(st.sampled_from(("ann", "ann", "bea"))),
        payment_token="tok_ann",
        hold_seconds=draw(st.sampled_from((1, 2, 4000, 4000, 0))),
        cart_id=draw(st.sampled_from(("", "", "cart"))),
    )


_SENSIBLE = st.builds(
    lambda order_id, line, quantity, customer_id, hold_seconds, cart_id: m.PlaceOrderLine(
        order_id, line, 2, "MUG", quantity, quantity, 500, "EUR", customer_id, "tok_ann", hold_seconds, cart_id
    ),
    st.sampled_from((A, B, C)),
    _LINES,
    st.sampled_from((1, 1, 2)),
    st.sampled_from(("ann", "ann", "ann", "bea")),
    st.sampled_from((2, 4000)),
    st.sampled_from(("", "cart")),
)
"""Lines that compete for one SKU, most of them one customer's."""


def _about_a_line(message: type[m.Message], **more: st.SearchStrategy[str]) -> st.SearchStrategy[m.Message]:
    return st.builds(message, order_id=_ORDERS, line=_LINES, sku=_SKUS, **more)


_EXPIRIES = st.builds(
    m.ExpireHolds,
    as_of_ms=st.integers(NOW_MS, NOW_MS + 20_000) | st.just(NOW_MS + 10_000_000),
    limit=st.sampled_from((500, 500, 1, 2, 0, -3)),
)
_RECEIPTS = st.builds(
    m.ReceiveStock, command_id=st.sampled_from(("d1", "d2", "d3")), sku=_SKUS, quantity=_SMALL | st.just(9)
)
_ANY_ID = st.sampled_from(("d1", "d2", "x1", "x2", "x3", "x4"))
_DISPOSED = st.sampled_from(("available", "quarantine"))


def _about_a_sku(message: type[m.Message], **more: st.SearchStrategy[object]) -> st.SearchStrategy[m.Message]:
    return st.builds(message, command_id=_ANY_ID, sku=_SKUS, **more)


_RULES: st.SearchStrategy[m.Message] = st.one_of(
    _about_a_sku(m.AdjustStock, change=st.sampled_from((-9, -2, -1, 1, 2)), reason=st.just("counted")),
    _about_a_sku(m.ClearQuarantine, quantity=_SMALL, disposition=st.sampled_from(("available", "scrap"))),
    _about_a_sku(m.SetPurchaseLimit, limit=st.sampled_from((0, 1, 2, 3))),
    _about_a_sku(m.SetPurchaseLimit, limit=st.sampled_from((1, 2, 3))),
    _about_a_sku(m.SuspendSale, reason=st.just("recall")),
    _about_a_sku(m.SuspendSale, reason=st.sampled_from(("recall", "again")), even_if_unknown=st.just(1)),
    _about_a_sku(m.ResumeSale),
    _about_a_sku(m.RetireSku),
)
_SORTS: tuple[st.SearchStrategy[m.Message], ...] = (
    _placements(),
    _about_a_line(m.ReleaseLine, reason=st.just("because")),
    _about_a_line(m.CommitLine),
    _about_a_line(m.CommitLine),
    _about_a_line(m.ShipLine),
    _about_a_line(m.ReturnLine, reason=st.just("because"), disposition=_DISPOSED),
    _RULES,
    _RECEIPTS,
    _EXPIRIES,
)
# By number, not st.one_of: that one flattens what it is given and favours whatever has many kinds.
COMMANDS: st.SearchStrategy[m.Message] = st.integers(0, 2 * len(_SORTS) - 1).flatmap(
    lambda n: _SORTS[n] if n < len(_SORTS) else _SENSIBLE
)


_REPEATED = st.sampled_from((0, 0, 0, 0, 1, 2, 5, 9))
_STEPS_MS = st.sampled_from((0, 0, 1, 1000, 3000))


_STOCK = m.ReceiveStock("opening", "MUG", 9)
_PLACED = m.PlaceOrderLine(A, 1, 2, "MUG", 1, 1, 500, "EUR", "ann", "tok_ann", 4000)
OPENINGS: tuple[list[m.Message], ...] = (
    [],
    [_STOCK],
    [m.ReceiveStock("opening", "MUG", 3)],
    [_STOCK, m.SetPurchaseLimit("opening limit", "MUG", 2)],
    [_STOCK, m.SetPurchaseLimit("opening limit", "MUG", 3)],
    [_STOCK, m.SetPurchaseLimit("opening limit", "MUG", 3), _PLACED, m.CommitLine(A, 1, "MUG")],
    [_STOCK, _PLACED, m.CommitLine(A, 1, "MUG"), m.ShipLine(A, 1, "MUG")],
)
"""How a log begins: without stock and limits most of what is interesting would rarely happen."""


@st.composite
def logs(draw: st.DrawFn) -> list[Entry]:
    """Return commands with append times; some were sent before, and time stands still or passes, by seconds at most."""
    now_ms = NOW_MS
    log: list[Entry] = [(command, now_ms) for command in draw(st.sampled_from(OPENINGS))]
    for command in draw(st.lists(COMMANDS, min_size=draw(st.sampled_from((1, 8, 25))), max_size=40)):
        back = draw(_REPEATED)
        now_ms += draw(_STEPS_MS)
        log.append((log[-back][0] if 0 < back <= len(log) else command, now_ms))
    return log


@st.composite
def cut_logs(draw: st.DrawFn) -> list[list[Entry]]:
    """Return a log cut into batches at any places; ExpireHolds is alone in its batch, as `is_barrier` says."""
    batches: list[list[Entry]] = [[]]
    for entry in draw(logs()):
        alone = isinstance(entry[0], m.ExpireHolds)
        if batches[-1] and (alone or isinstance(batches[-1][0][0], m.ExpireHolds) or draw(st.integers(0, 2)) == 0):
            batches.append([])
        batches[-1].append(entry)
    return batches
