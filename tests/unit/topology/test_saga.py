from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from schemas import messages as m
from topology.fulfilment_answers import FULFILMENT_ANSWERS
from topology.order_answers import ORDER_ANSWERS
from topology.payment_answers import PAYMENT_ANSWERS
from topology.saga import REACTIONS, TERMINAL_FACTS, Reaction, heard_by
from topology.states import FulfilmentState, OrderState, PaymentState
from topology.topics import ADDRESSED_TO_A_PARTITION, ANYONE, DEAD_LETTERS, TOPICS, topic_of

Table = Mapping[Any, Mapping[type[m.Message], str]]

CARRIED = [message for topic in TOPICS if topic is not DEAD_LETTERS for message in topic.carries]
SAID = {message for reaction in REACTIONS for message in reaction.says}


@pytest.mark.parametrize("message", CARRIED)
def test_nobodys_message_goes_unheard(message: type[m.Message]) -> None:
    heard = any(reaction.on is message for reaction in REACTIONS)
    assert heard is not (message in TERMINAL_FACTS), "heard by a room, or a fact that ends a step: one of the two"


@pytest.mark.parametrize("reaction", REACTIONS, ids=lambda reaction: f"{reaction.room}-{reaction.on.__name__}")
def test_a_room_may_write_what_it_says(reaction: Reaction) -> None:
    for message in reaction.says:
        assert reaction.room in topic_of(message).written_by, message.__name__


@pytest.mark.parametrize("message", CARRIED)
def test_what_is_heard_is_said_by_a_room_or_comes_from_outside(message: type[m.Message]) -> None:
    from_outside = ANYONE in topic_of(message).written_by
    assert message in SAID or from_outside or message in ADDRESSED_TO_A_PARTITION


@pytest.mark.parametrize("reaction", REACTIONS, ids=lambda reaction: f"{reaction.room}-{reaction.on.__name__}")
def test_an_undo_is_itself_answered_or_said(reaction: Reaction) -> None:
    undo = reaction.undone_by
    assert undo is None or undo in SAID


def test_a_room_reacts_to_a_message_in_one_place() -> None:
    pairs = [(reaction.room, reaction.on) for reaction in REACTIONS]
    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize(
    ("room", "table", "states"),
    [
        ("orders", ORDER_ANSWERS, OrderState),
        ("payments", PAYMENT_ANSWERS, PaymentState),
        ("fulfilment", FULFILMENT_ANSWERS, FulfilmentState),
    ],
)
def test_every_state_answers_every_message_that_its_room_hears(room: str, table: Table, states: type[StrEnum]) -> None:
    assert set(table) == set(states)
    for state, answers in table.items():
        assert set(answers) == heard_by(room), state
