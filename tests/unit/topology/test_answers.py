"""Which event answers a command of an order: one table, and both doors go by it."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from consumers.views.timeline import event_of, view_of
from infra.cli.order_outcomes import outcome_of
from infra.edge.api.outcomes import answering
from producers.clients.order_commands import OrderCommand
from schemas import messages as m
from schemas.ids import new_order_id
from topology.answers import ANSWERS, REFERENCES, reference_of
from topology.saga import REACTIONS
from topology.topics import ORDER_EVENTS

A = new_order_id()
PAIRS = [(command, event) for command, events in ANSWERS.items() for event in events]


def some(of: type[m.Message], **fields: Any) -> Any:
    """Return a message of this type: every text is `x`, every number 1, but for these fields."""
    plain: dict[str, Any] = {"str": "x", "int": 1}
    values = {field.name: plain.get(getattr(field.type, "__name__", ""), ()) for field in msgspec.structs.fields(of)}
    return of(**values | {"order_id": A} | {name: value for name, value in fields.items() if name in values})


def test_each_command_of_an_order_has_an_answer() -> None:
    assert set(ANSWERS) == set(get_args(OrderCommand))
    assert all(event in ORDER_EVENTS.carries for _, event in PAIRS)


@pytest.mark.parametrize(("command", "event"), PAIRS, ids=lambda message: message.__name__)
def test_an_answer_follows_from_its_command_in_the_saga(command: type[m.Message], event: type[m.Message]) -> None:
    reached, following = {command}, {command}
    while following:
        following = {out for reaction in REACTIONS if reaction.on in following for out in reaction.outputs} - reached
        reached |= following
    assert event in reached


@pytest.mark.parametrize(("command", "event"), PAIRS, ids=lambda message: message.__name__)
def test_both_doors_take_the_event_for_the_answer(command: type[m.Message], event: type[m.Message]) -> None:
    asked, answer = some(command), some(event)
    assert answering(asked)(answer)
    view = view_of(A, [event_of(answer, event_id="e/1", at_ms=1, offset=1)])
    names_it = not reference_of(asked) or any(hasattr(answer, name) for name in REFERENCES)
    assert (outcome_of(asked, view, frozenset()) is not None) == names_it


@pytest.mark.parametrize("event", [m.PaymentRefunded, m.RefundReduced, m.PaymentLapsed])
def test_a_command_about_the_whole_order_is_answered_whatever_the_event_names(event: type[m.Message]) -> None:
    assert answering(m.RetryOrder(A, "operator"))(some(event, refund_id="line:1"))


def test_an_event_about_another_refund_is_no_answer() -> None:
    asked = some(m.RefundOrder, refund_id="r-1")
    assert answering(asked)(some(m.RefundReduced, refund_id="r-1"))
    assert not answering(asked)(some(m.RefundReduced, refund_id="r-2"))


@pytest.mark.parametrize("command", ANSWERS)
def test_a_dead_letter_of_such_a_command_answers_it_at_both_doors(command: type[m.Message]) -> None:
    for name, answers in ((command.__name__, True), ("PlaceOrderLine", False)):
        letter = some(m.RecordDeadLettered, message_type=name)
        assert answering(some(command))(letter) == answers
        view = view_of(A, [event_of(letter, event_id="e/1", at_ms=1, offset=1)])
        assert (outcome_of(some(command), view, frozenset()) is not None) == answers
        assert outcome_of(some(command), view, frozenset({"e/1"})) is None
