"""Echoes of older facts, facts that only get written down, and facts that cannot follow from the saga."""

from typing import Any

import pytest

from consumers.orders.state import LineState
from consumers.orders.termination import ignore_repeat
from consumers.orders.transitions import TRANSITIONS
from consumers.runtime.deciding.outcomes import (
    ignore_duplicate,
    ignore_timer,
    leave_to_payments,
    record_fact,
    refuse,
)
from consumers.runtime.deciding.transitions import Decision
from schemas import messages as m
from tests.given_when_then import (
    CancelOrder,
    EndWaits,
    FulfilmentCancelled,
    LineCommitFailed,
    LineCommitted,
    LineExpired,
    LineRejected,
    LineReleased,
    LineReserved,
    LineReturned,
    OrderDelivered,
    OrderPlaced,
    OrderReturned,
    OrderShipped,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentCaptureFailed,
    PaymentDeclined,
)
from tests.unit.orders.dsl import (
    AUTHORIZED,
    CANCELLED,
    COMMITTED,
    DELIVERED,
    LINE_1,
    PAID,
    REJECTED,
    RESERVED,
    RETURNED,
    SHIPPED,
    given,
    lines,
    story,
    then,
    then_refused,
    when,
)
from topology.states import OrderState

HISTORY: dict[OrderState, tuple[Any, ...]] = {
    OrderState.UNKNOWN: (),
    OrderState.PENDING: (LINE_1,),
    OrderState.RESERVED: RESERVED,
    OrderState.COMMITTING: AUTHORIZED,
    OrderState.PLACED: COMMITTED,
    OrderState.PAID: PAID,
    OrderState.SHIPPED: SHIPPED,
    OrderState.DELIVERED: DELIVERED,
    OrderState.RETURNED: RETURNED,
    OrderState.REJECTED: REJECTED,
    OrderState.CANCELLED: CANCELLED,
}
MESSAGES: dict[type[m.Message], Any] = {
    type(message): message
    for message in (
        LINE_1,
        LineRejected(line=1, line_count=2, demand=1),
        LineReleased(),
        LineExpired(),
        LineCommitted(),
        LineCommitFailed(),
        LineReturned(),
        PaymentAuthorized(),
        PaymentDeclined(),
        PaymentCaptured(),
        PaymentCaptureFailed(),
        CancelOrder(),
        EndWaits(),
        FulfilmentCancelled(),
        OrderShipped(),
        OrderDelivered(),
        OrderReturned(),
    )
}


def pairs(*decisions: Decision) -> list[Any]:
    """Return the (state, message) pairs that the table decides so."""
    return [
        pytest.param(state, MESSAGES[message], id=f"{state.value}-{message.__name__}")
        for state, row in TRANSITIONS.items()
        for message, transition in row.items()
        if transition.decide in decisions and not transition.leads_to
    ]


@pytest.mark.parametrize("state", list(OrderState))
def test_the_stories_lead_to_the_states_that_they_stand_for(state: OrderState) -> None:
    given(*HISTORY[state])
    assert story.state.state is state


@pytest.mark.parametrize(("state", "fact"), pairs(refuse))
def test_what_cannot_follow_from_the_saga_is_refused(state: OrderState, fact: Any) -> None:
    given(*HISTORY[state])
    when(fact)
    then_refused("unexpected")


@pytest.mark.parametrize(
    ("state", "fact"), pairs(ignore_duplicate, ignore_repeat, record_fact, leave_to_payments, ignore_timer)
)
def test_what_is_only_noted_leads_to_nothing(state: OrderState, fact: Any) -> None:
    given(*HISTORY[state])
    when(fact)
    then()
    given(*HISTORY[state], fact)
    assert story.state.state is state


# --- where a line stands ------------------------------------------------------------------------------------------------


def test_an_echo_of_an_expiry_does_not_turn_a_committed_line_back() -> None:
    given(*RESERVED, LineExpired(line=1), PaymentAuthorized(), LineCommitted(line=1), LineExpired(line=1))
    assert lines() == {1: LineState.COMMITTED, 2: LineState.RESERVED}
    when(LineCommitted(line=2, sku="TEE"))
    then(OrderPlaced(amount_minor=1000))


@pytest.mark.parametrize(
    "echo", [LineReserved(line=1, line_count=2), LineReleased(), LineExpired(), LineCommitFailed()]
)
def test_no_older_fact_turns_a_committed_line_back(echo: Any) -> None:
    given(*COMMITTED, echo)
    assert lines()[1] is LineState.COMMITTED


@pytest.mark.parametrize(
    ("history", "echo", "stands"),
    [
        ((LINE_1,), LineCommitFailed(reason="unknown_hold"), LineState.RESERVED),
        ((*RESERVED, LineReleased()), LINE_1, LineState.RELEASED),
        ((*RESERVED, LineReleased()), LineExpired(), LineState.RELEASED),
        ((*RESERVED, LineExpired()), LINE_1, LineState.EXPIRED),
        ((*RESERVED, LineExpired()), LineReleased(), LineState.EXPIRED),
        (REJECTED, LINE_1, LineState.RELEASING),
        (REJECTED, LineCommitFailed(), LineState.RELEASING),
        (REJECTED, LineReturned(), LineState.RELEASING),
        (CANCELLED, LineCommitted(), LineState.RETURNING),
        (CANCELLED, LineReleased(), LineState.RETURNING),
        ((*CANCELLED, LineReturned()), LineCommitted(), LineState.RETURNED),
        ((*CANCELLED, LineReturned()), LineCommitFailed(), LineState.RETURNED),
    ],
)
def test_an_echo_leaves_a_line_where_it_stands(history: tuple[Any, ...], echo: Any, stands: LineState) -> None:
    given(*history, echo)
    assert lines()[1] is stands


@pytest.mark.parametrize(
    ("history", "stands"),
    [
        ((*REJECTED, LineReleased()), LineState.RELEASED),
        ((*REJECTED, LineExpired()), LineState.EXPIRED),
        ((*REJECTED, LineCommitted()), LineState.RETURNING),
        ((*REJECTED, LineCommitted(), LineReturned()), LineState.RETURNED),
        ((*RESERVED, LineReleased(), PaymentAuthorized(), LineCommitFailed()), LineState.COMMIT_FAILED),
        ((*CANCELLED, LineReturned()), LineState.RETURNED),
    ],
)
def test_inventorys_word_moves_a_line_on(history: tuple[Any, ...], stands: LineState) -> None:
    given(*history)
    assert lines()[1] is stands


def test_what_happens_to_another_sku_is_not_written_on_the_line() -> None:
    given(*RESERVED, LineExpired(line=1, sku="HAT"), LineReleased(line=2, sku="HAT"))
    assert lines() == {1: LineState.RESERVED, 2: LineState.RESERVED}


def test_a_rejected_line_is_remembered_as_rejected() -> None:
    given(*REJECTED)
    assert lines() == {1: LineState.RELEASING, 2: LineState.REJECTED}


def test_a_late_line_for_another_sku_does_not_take_a_rejected_lines_place() -> None:
    given(*REJECTED, LineReserved(line=2, line_count=2, sku="HAT"))
    assert story.state.lines[2].sku == "TEE"
    assert lines()[2] is LineState.REJECTED
