from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from consumers.errors import IncompleteTableError
from consumers.fulfilment.transitions import TRANSITIONS as FULFILMENT
from consumers.inventory.transitions import TRANSITIONS as INVENTORY
from consumers.orders.transitions import TRANSITIONS as ORDERS
from consumers.payments.transitions import TRANSITIONS as PAYMENTS
from consumers.runtime.deciding.transitions import decisions, transitions
from schemas import messages as m
from topology.saga import HAPPY_PATH, OF_ANY_RECORD, REACTIONS, TERMINAL_FACTS, Reaction
from topology.topics import ADDRESSED_TO_A_PARTITION, ANYONE, DEAD_LETTERS, OPERATOR_ACTIONS, TOPICS, log_of, topic_of

RECORDS = (DEAD_LETTERS, OPERATOR_ACTIONS)
"""Topics that are kept for people; no room reads them."""
CARRIED = [message for topic in TOPICS if topic not in RECORDS for message in topic.carries]
OUTPUTS = {message for reaction in REACTIONS for message in reaction.outputs}


@pytest.mark.parametrize("message", CARRIED)
def test_nobodys_message_goes_unheard(message: type[m.Message]) -> None:
    is_accepted = any(reaction.on is message for reaction in REACTIONS)
    assert is_accepted is not (message in TERMINAL_FACTS), (
        "accepted by a room, or a fact that ends a step: one of the two"
    )


@pytest.mark.parametrize("reaction", REACTIONS, ids=lambda reaction: f"{reaction.room}-{reaction.on.__name__}")
def test_a_room_may_write_what_it_publishes(reaction: Reaction) -> None:
    for message in reaction.outputs:
        assert reaction.room in log_of(message).written_by, message.__name__


@pytest.mark.parametrize("message", CARRIED)
def test_what_is_accepted_is_published_by_a_room_or_comes_from_outside(message: type[m.Message]) -> None:
    from_outside = ANYONE in topic_of(message).written_by
    assert message in OUTPUTS | OF_ANY_RECORD or from_outside or message in ADDRESSED_TO_A_PARTITION


@pytest.mark.parametrize("reaction", REACTIONS, ids=lambda reaction: f"{reaction.room}-{reaction.on.__name__}")
def test_an_undo_is_itself_answered_or_published(reaction: Reaction) -> None:
    undo = reaction.undone_by
    assert undo is None or undo in OUTPUTS


def test_a_room_reacts_to_a_message_in_one_place() -> None:
    pairs = [(reaction.room, reaction.on) for reaction in REACTIONS]
    assert len(pairs) == len(set(pairs))


def test_the_happy_path_is_one_that_the_reactions_take() -> None:
    reached: list[Any] = []
    for step, (first, *rest) in HAPPY_PATH.items():
        if first == "client":
            assert ANYONE in topic_of(rest[0]).written_by, step
            continue
        message = first
        for room, output in zip(rest[::2], rest[1::2], strict=True):
            [reaction] = [each for each in REACTIONS if (each.room, each.on) == (room, message)]
            assert output in reaction.outputs, (step, room, output.__name__)
            message = output
        reached.append(message)
    assert reached == [
        m.OrderReserved,
        m.PaymentAuthorized,
        m.OrderPlaced,
        m.OrderPaid,
        m.OrderShipped,
        m.OrderDelivered,
    ]


@pytest.mark.parametrize(
    ("room", "table"),
    [("orders", ORDERS), ("payments", PAYMENTS), ("fulfilment", FULFILMENT), ("inventory", INVENTORY)],
)
def test_a_table_without_a_message_that_its_room_accepts_is_refused(room: str, table: Mapping[Any, Any]) -> None:
    """The negative control: a room whose table lacks a message does not even start."""
    states = next(iter(table), None)
    if isinstance(states, StrEnum):
        rows = {state: dict(row) for state, row in table.items()}
        del rows[states][next(iter(rows[states]))]
        with pytest.raises(IncompleteTableError, match=f"consumers/{room}/transitions.py, state {states}"):
            transitions(room, type(states), rows)
    else:
        with pytest.raises(IncompleteTableError, match=f"consumers/{room}/transitions.py"):
            decisions(room, dict(list(table.items())[1:]))
