import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from schemas import messages as m
from topology.diagram import (
    COMMAND,
    DIRECTORY,
    PAYMENT_PICTURES,
    Arrow,
    answers_table,
    arrows,
    main,
    pages,
    saga_arrows,
    saga_diagram,
    stale,
    states_diagram,
    write,
)
from topology.order_answers import ORDER_ANSWERS, ORDER_LEADS_TO
from topology.payment_answers import PAYMENT_ANSWERS, PAYMENT_LEADS_TO
from topology.saga import REACTIONS, Reaction
from topology.saga_steps import STEPS, Step
from topology.states import OVER_ORDER_STATES, OrderState, PaymentState

MOST_ARROWS = 9


def test_the_pages_in_the_docs_show_the_tables_as_they_are() -> None:
    assert stale(DIRECTORY) == [], f"run `{COMMAND}` and commit the result"


def test_a_page_that_was_edited_or_lost_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "new")
    assert main(["--check", "--directory", str(tmp_path / "new")]) == 0

    (tmp_path / "new" / "saga.md").unlink()
    with (tmp_path / "new" / "order-states.md").open("a") as page:
        page.write("\nMy own note.\n")
    assert main(["--check", "--directory", str(tmp_path / "new")]) == 1
    said = capsys.readouterr().err
    assert "order-states.md, saga.md" in said
    assert COMMAND in said
    assert "payment-states.md" not in said


def test_the_command_as_it_is_documented_runs() -> None:
    run = subprocess.run(
        [sys.executable, *COMMAND.split()[1:], "--check"], cwd=DIRECTORY.parents[1], check=False, timeout=60
    )
    assert run.returncode == 0


@pytest.mark.parametrize(
    ("answers", "leads_to"), [(ORDER_ANSWERS, ORDER_LEADS_TO), (PAYMENT_ANSWERS, PAYMENT_LEADS_TO)]
)
def test_it_is_known_where_every_answer_leads(
    answers: Mapping[str, Mapping[type[m.Message], str]], leads_to: Mapping[str, tuple[str, ...]]
) -> None:
    assert {answer for row in answers.values() for answer in row.values()} == set(leads_to)


def test_every_order_state_is_reachable_and_only_the_final_ones_are_never_left() -> None:
    moves = arrows(ORDER_ANSWERS, ORDER_LEADS_TO)
    assert {target for _, target in moves} == set(OrderState) - {OrderState.UNKNOWN}
    assert set(OrderState) - {source for source, _ in moves} == OVER_ORDER_STATES | {OrderState.RETURNED}


def test_every_payment_state_is_reachable_and_each_ends_with_the_money_known() -> None:
    moves = arrows(PAYMENT_ANSWERS, PAYMENT_LEADS_TO)
    assert {target for _, target in moves} == set(PaymentState) - {PaymentState.NONE}
    assert set(PaymentState) - {source for source, _ in moves} == {
        PaymentState.DECLINED,
        PaymentState.VOIDED,
        PaymentState.REFUNDED,
    }


def test_a_state_diagram_names_the_messages_on_its_arrows() -> None:
    answers: dict[OrderState, dict[type[m.Message], str]] = {
        OrderState.UNKNOWN: {m.LineReserved: "gather", m.LineRejected: "reject", m.LineExpired: "reject"},
        OrderState.PENDING: {m.LineReserved: "gather", m.LineRejected: "ignore", m.LineExpired: "ignore"},
        OrderState.REJECTED: {m.LineReserved: "ignore", m.LineRejected: "ignore", m.LineExpired: "ignore"},
    }
    leads_to = {"gather": (OrderState.PENDING,), "reject": (OrderState.REJECTED,), "ignore": ()}
    assert states_diagram(answers, leads_to, OrderState.UNKNOWN).splitlines() == [
        "stateDiagram-v2",
        "    [*] --> unknown",
        "    unknown --> pending: LineReserved",
        "    unknown --> rejected: LineRejected, LineExpired",
        "    pending --> pending: LineReserved",
        "    rejected --> [*]",
    ]
    assert answers_table(answers).splitlines()[:3] == [
        "| message | unknown | pending | rejected |",
        "| --- | --- | --- | --- |",
        "| `LineReserved` | gather | gather | ignore |",
    ]


def test_the_pictures_of_a_payment_together_have_every_arrow_once() -> None:
    drawn = [state for states in PAYMENT_PICTURES.values() for state in states]
    left = {source for source, _ in arrows(PAYMENT_ANSWERS, PAYMENT_LEADS_TO)}
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == left


def test_a_picture_of_some_states_has_the_arrows_that_leave_them() -> None:
    leaving = frozenset({PaymentState.REFUND_FAILED})
    picture = states_diagram(PAYMENT_ANSWERS, PAYMENT_LEADS_TO, PaymentState.NONE, leaving=leaving).splitlines()
    assert picture[0] == "stateDiagram-v2"
    assert "    refunded --> [*]" in picture
    assert {line.split(" --> ")[0].strip() for line in picture[1:] if not line.endswith("[*]")} == {"refund_failed"}


def test_every_reaction_is_drawn() -> None:
    drawn = saga_arrows(REACTIONS)
    for reaction in REACTIONS:
        assert any(arrow.target == reaction.room and reaction.on in said for arrow, said in drawn.items())
        for message in reaction.says:
            assert any(arrow.source == reaction.room and message in said for arrow, said in drawn.items()), message


def test_the_pictures_of_the_steps_together_show_every_arrow_and_no_step_names_a_message_in_vain() -> None:
    whole = {(arrow, message) for arrow, said in saga_arrows(REACTIONS).items() for message in said}
    steps = [saga_arrows(REACTIONS, step) for step in STEPS]
    assert {(arrow, message) for drawn in steps for arrow, said in drawn.items() for message in said} == whole
    for step in STEPS:
        assert step.messages == {message for said in saga_arrows(REACTIONS, step).values() for message in said}


def test_a_step_has_few_enough_arrows_to_be_read() -> None:
    assert max(len(saga_arrows(REACTIONS, step)) for step in STEPS) <= MOST_ARROWS


def test_a_picture_has_only_the_rooms_of_its_step() -> None:
    step = Step("Receive", "", frozenset({"inventory"}), frozenset({m.ReceiveStock}))
    assert saga_diagram(REACTIONS, step).splitlines() == [
        "flowchart LR",
        '    producers(["any authorised producer"])',
        '    inventory["inventory"]',
        '    producers -->|"inventory.commands:<br/>ReceiveStock"| inventory',
    ]


def test_what_an_owner_says_to_itself_is_no_arrow_to_another_room() -> None:
    reactions = (Reaction("payments", m.EndWaits, ()), Reaction("fulfilment", m.EndWaits, ()))
    assert set(saga_arrows(reactions)) == {
        Arrow(room, room, "order.commands", undo=False) for room in ("payments", "fulfilment")
    }


def test_an_undo_is_dashed() -> None:
    drawn = saga_arrows(REACTIONS)
    assert drawn[Arrow("orders", "inventory", "inventory.commands", undo=True)] == [m.ReleaseLine, m.ReturnLine]
    assert '    orders -.->|"inventory.commands:<br/>ReleaseLine<br/>ReturnLine"| inventory' in saga_diagram(REACTIONS)


def test_what_no_room_says_comes_from_outside_unless_an_owner_says_it_to_itself() -> None:
    drawn = saga_arrows((Reaction("inventory", m.ReceiveStock, ()), Reaction("inventory", m.ExpireHolds, ())))
    assert drawn == {
        Arrow("producers", "inventory", "inventory.commands", undo=False): [m.ReceiveStock],
        Arrow("inventory", "inventory", "inventory.commands", undo=False): [m.ExpireHolds],
    }


def test_a_page_says_how_it_is_made() -> None:
    for text in pages().values():
        assert text.startswith("<!-- Generated from topology/")
        assert COMMAND in text.splitlines()[0]
