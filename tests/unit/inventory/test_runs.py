"""A run of PlaceOrderLines that is decided at once is decided as one after the other would be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.inventory.room import InventoryRoom
from consumers.inventory.runs import reserve_run
from consumers.inventory.state import Hold, HoldState, Ledger, Stock
from consumers.runtime.deciding import decision
from consumers.runtime.deciding.decision import decide_records
from consumers.runtime.deciding.record import Record
from schemas import messages as m
from schemas.codec.wire import message_type
from schemas.ids import new_order_id
from schemas.limits import MAX_HOLD_SECONDS, MAX_LINES, MAX_QUANTITY, MAX_UNIT_PRICE_MINOR, ORDER_ID_WINDOW_MS

SOURCE = "inventory.commands"
NOW_MS = 1_790_000_000_000
PARTITION = 3
SKUS = ("MUG", "TEA", "HAT")
ROOM = InventoryRoom()


class Entry(msgspec.Struct):
    """A record as far as a decision reads it."""

    offset: int
    timestamp: int
    partition: int = PARTITION
    key: bytes | None = b""
    value: bytes | None = b""
    headers: Sequence[tuple[str, bytes]] = ()


def plain(number: int, **changes: Any) -> m.PlaceOrderLine:
    """Return a command that is decided with the run; `number` makes its order id."""
    order_id = f"{new_order_id(NOW_MS)[:24]}{number:012x}"
    line = m.PlaceOrderLine(order_id, 1, 1, SKUS[number % 3], 1, 1, 500, "EUR", f"c-{number % 5}", "tok_ok", 60)
    return msgspec.structs.replace(line, **changes)


def ledger(available: int = 1_000, **rules: Any) -> Ledger:
    filled = Ledger(PARTITION)
    for sku in SKUS:
        filled.stocks[sku] = Stock(on_hand=available, is_known=True, is_stored=True)
    if rules:
        filled.stocks[SKUS[0]] = msgspec.structs.replace(filled.stocks[SKUS[0]], **rules)
    return filled


DEVIATIONS: dict[str, tuple[Any, ...]] = {
    "order_id": ("no-id", new_order_id(NOW_MS - ORDER_ID_WINDOW_MS - 5), new_order_id(NOW_MS + 40 * 3_600_000), ""),
    "line": (0, 2, MAX_LINES + 1, -1),
    "line_count": (0, 2, MAX_LINES, MAX_LINES + 1),
    "sku": ("", "a b", " MUG", "MUG ", "MU\u200bG", "MU\u0308G", "x" * 201, "NEVER-RECEIVED"),
    "quantity": (0, -1, 2, MAX_QUANTITY, MAX_QUANTITY + 1),
    "demand": (0, 3, MAX_QUANTITY, MAX_QUANTITY + 1),
    "unit_price_minor": (-1, 0, MAX_UNIT_PRICE_MINOR, MAX_UNIT_PRICE_MINOR + 1),
    "currency": ("", "XXX", "eur", "GBP"),
    "customer_id": ("", "Zoë", "c 1", "c\u200b1", "x" * 201),
    "payment_token": ("", "tok\n"),
    "hold_seconds": (0, -1, 1, MAX_HOLD_SECONDS, MAX_HOLD_SECONDS + 1),
    "cart_id": ("cart-1",),
    "discount_minor": (5, -1, 501),
    "tax_minor": (5,),
    "shipping_minor": (495, MAX_UNIT_PRICE_MINOR + 1),
    "terms": ("ship_available", "capture_at_shipping", "nonsense"),
    "reference": ("INV-1", "INV 1", "INV-1 ", "re\u0301", "x" * 201),
}


@st.composite
def deviating(draw: st.DrawFn, number: int) -> m.PlaceOrderLine:
    """Draw a command of which one field is not as in most."""
    field = draw(st.sampled_from(sorted(DEVIATIONS)))
    return plain(number, **{field: draw(st.sampled_from(DEVIATIONS[field]))})


@st.composite
def runs(draw: st.DrawFn) -> list[m.Message]:
    """Draw a run: plain commands, sometimes one that is not, one twice, or one of another kind."""
    commands: list[m.Message] = [plain(number) for number in range(draw(st.integers(1, 24)))]
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(commands) - 1))
        match draw(st.sampled_from(["deviation", "twice", "other"])):
            case "deviation":
                commands[at] = draw(deviating(at))
            case "twice":
                commands.insert(draw(st.integers(0, len(commands))), commands[at])
            case _:
                commands.insert(at, m.ReceiveStock(f"delivery-{at}", "MUG", 5))
    return commands


RULES: tuple[dict[str, Any], ...] = (
    *({},) * 3,
    {"purchase_limit": 2},
    {"is_suspended": True},
    {"on_hand": 0, "is_retired": True},
)


@st.composite
def states(draw: st.DrawFn) -> Ledger:
    """Draw a ledger, now and then with too few units or a rule."""
    rules = draw(st.sampled_from(RULES))
    return ledger(draw(st.sampled_from([1_000, 1_000, 8, 0])), **rules)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the commands that are decided as a run."""
    run_lengths: list[int] = []

    def counting(state: Ledger, commands: Any, times_ms: Any) -> Any:
        outcomes = reserve_run(state, commands, times_ms)
        run_lengths.append(0 if outcomes is None else len(commands))
        return outcomes

    monkeypatch.setattr("consumers.inventory.room.reserve_run", counting)
    return run_lengths


def decided(state: Ledger, records: Sequence[tuple[Record, m.Message]], least_run: int) -> tuple[Any, ...]:
    """Return all that decisions lead to: what is published, the time, the state, what goes into the tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decision, "LEAST_RUN", least_run)
        outputs, at_ms = decide_records(ROOM, state, SOURCE, records, NOW_MS)
    changes = ROOM.close_batch(state, at_ms)
    return outputs, at_ms, state.holds, state.held, state.stocks, state.purchases, state.carts, state.alarm, changes


def copy_of(state: Ledger) -> Ledger:
    copied = Ledger(PARTITION)
    copied.stocks = {sku: msgspec.structs.replace(stock) for sku, stock in state.stocks.items()}
    copied.holds = {key: msgspec.structs.replace(hold) for key, hold in state.holds.items()}
    copied.held = set(state.held)
    return copied


@settings(deadline=None, max_examples=400)
@given(states(), runs(), st.lists(st.integers(-5, 90_000_000), min_size=1, max_size=4), st.booleans())
def test_a_run_leads_to_what_its_commands_one_by_one_lead_to(
    state: Ledger, messages: list[m.Message], steps_ms: list[int], is_first_held: bool
) -> None:
    times = [NOW_MS + steps_ms[at % len(steps_ms)] for at in range(len(messages))]
    records = [(Entry(at, time), message) for at, (time, message) in enumerate(zip(times, messages, strict=True))]
    if is_first_held and isinstance(first := messages[0], m.PlaceOrderLine):
        state.holds[first.order_id, first.line, first.sku] = Hold(first.quantity, HoldState.RELEASED, NOW_MS)

    one_by_one = decided(copy_of(state), records, least_run=1_000)

    assert decided(copy_of(state), records, least_run=1) == one_by_one


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param(field, value, id=f"{field}-{number}")
        for field, values in DEVIATIONS.items()
        for number, value in enumerate(values)
    ],
)
def test_each_deviation_of_one_command_leads_to_what_it_leads_to_by_itself(field: str, value: Any) -> None:
    messages = [plain(at) for at in range(9)]
    messages[4] = plain(4, **{field: value})
    records = [(Entry(at, NOW_MS + at), message) for at, message in enumerate(messages)]

    plenty = 20 * MAX_QUANTITY
    one_by_one = decided(ledger(plenty), records, least_run=1_000)
    assert decided(ledger(plenty), records, least_run=1) == one_by_one


def test_plain_commands_are_decided_as_a_run(counted: list[int]) -> None:
    records = [(Entry(at, NOW_MS), plain(at)) for at in range(100)]

    outputs, *_ = decided(ledger(), records, least_run=8)

    assert counted == [100]
    assert len(outputs) == 100


def test_units_that_do_not_suffice_for_all_leave_the_run_to_the_general_path(counted: list[int]) -> None:
    records = [(Entry(at, NOW_MS), plain(at, sku="MUG")) for at in range(10)]

    outputs, *_ = decided(ledger(available=9), records, least_run=8)

    assert counted == [0]
    assert [message_type(output.value) for output in outputs] == [m.LineReserved] * 9 + [m.LineRejected]


def test_a_command_of_another_kind_parts_a_run_in_two(counted: list[int]) -> None:
    messages: list[m.Message] = [plain(at) for at in range(20)]
    messages.insert(10, m.ReceiveStock("delivery-1", "MUG", 5))

    decided(ledger(), [(Entry(at, NOW_MS), message) for at, message in enumerate(messages)], least_run=8)

    assert counted == [10, 10]
