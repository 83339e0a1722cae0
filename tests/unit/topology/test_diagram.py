import subprocess
import sys
from pathlib import Path

import pytest

from consumers.diagrams import (
    COMMAND,
    DIRECTORY,
    PAYMENT_PICTURES,
    Arrow,
    arrows,
    decisions_table,
    main,
    pages,
    saga_arrows,
    saga_diagram,
    stale,
    states_diagram,
    write,
)
from consumers.orders.transitions import TRANSITIONS as ORDERS
from consumers.payments.transitions import TRANSITIONS as PAYMENTS
from consumers.runtime.deciding.outcomes import ignore_duplicate, record_fact, refuse
from consumers.runtime.deciding.transitions import Transition, Transitions, to
from schemas import messages as m
from topology.saga import REACTIONS, Reaction
from topology.saga_steps import EXPLAINED, SagaStep
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
    errors = capsys.readouterr().err
    assert "order-states.md, saga.md" in errors
    assert COMMAND in errors
    assert "payment-states.md" not in errors


def test_the_command_as_it_is_documented_runs() -> None:
    run = subprocess.run(
        [sys.executable, *COMMAND.split()[1:], "--check"], cwd=DIRECTORY.parents[1], check=False, timeout=60
    )
    assert run.returncode == 0


def test_every_order_state_is_reachable_and_only_the_final_ones_are_never_left() -> None:
    moves = arrows(ORDERS)
    assert {target for _, target in moves} == set(OrderState) - {OrderState.UNKNOWN}
    assert set(OrderState) - {source for source, _ in moves} == OVER_ORDER_STATES | {OrderState.RETURNED}


def test_every_payment_state_is_reachable_and_each_ends_with_the_money_known() -> None:
    moves = arrows(PAYMENTS)
    assert {target for _, target in moves} == set(PaymentState) - {PaymentState.NONE}
    onwards = {source for source, target in moves if target is not PaymentState.INSPECTING}
    assert set(PaymentState) - onwards == {PaymentState.DECLINED, PaymentState.VOIDED}, "a refund may come back"


def test_a_state_diagram_names_the_messages_on_its_arrows() -> None:
    gather, reject = to(record_fact, OrderState.PENDING), to(refuse, OrderState.REJECTED)
    ignore = Transition(ignore_duplicate)
    table: Transitions[OrderState] = {
        OrderState.UNKNOWN: {m.LineReserved: gather, m.LineRejected: reject, m.LineExpired: reject},
        OrderState.PENDING: {m.LineReserved: gather, m.LineRejected: ignore, m.LineExpired: ignore},
        OrderState.REJECTED: {m.LineReserved: ignore, m.LineRejected: ignore, m.LineExpired: ignore},
    }
    assert states_diagram(table, OrderState.UNKNOWN).splitlines() == [
        "stateDiagram-v2",
        "    [*] --> unknown",
        "    unknown --> pending: LineReserved",
        "    unknown --> rejected: LineRejected, LineExpired",
        "    pending --> pending: LineReserved",
        "    rejected --> [*]",
    ]
    assert decisions_table(table).splitlines()[:3] == [
        "| message | unknown | pending | rejected |",
        "| --- | --- | --- | --- |",
        "| `LineReserved` | record_fact | record_fact | ignore_duplicate |",
    ]


def test_the_pictures_of_a_payment_together_have_every_arrow_once() -> None:
    drawn = [state for states in PAYMENT_PICTURES.values() for state in states]
    left = {source for source, _ in arrows(PAYMENTS)}
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == left


def test_a_picture_of_some_states_has_the_arrows_that_leave_them() -> None:
    leaving = frozenset({PaymentState.AUTHORIZING})
    picture = states_diagram(PAYMENTS, PaymentState.NONE, leaving=leaving).splitlines()
    assert picture[0] == "stateDiagram-v2"
    assert "    declined --> [*]" in picture
    assert {line.split(" --> ")[0].strip() for line in picture[1:] if not line.endswith("[*]")} == {"authorizing"}


def test_every_reaction_is_drawn() -> None:
    drawn = saga_arrows(REACTIONS)
    for reaction in REACTIONS:
        assert any(arrow.target == reaction.room and reaction.on in messages for arrow, messages in drawn.items())
        for message in reaction.outputs:
            assert any(arrow.source == reaction.room and message in messages for arrow, messages in drawn.items()), (
                message
            )


def test_the_pictures_of_the_steps_together_show_every_arrow_and_each_step_is_explained() -> None:
    whole = {(arrow, message) for arrow, messages in saga_arrows(REACTIONS).items() for message in messages}
    steps = [saga_arrows(REACTIONS, step) for step in SagaStep]
    assert {(arrow, message) for drawn in steps for arrow, messages in drawn.items() for message in messages} == whole
    assert all(steps)
    assert set(EXPLAINED) == set(SagaStep)


def test_a_step_has_few_enough_arrows_to_be_read() -> None:
    assert max(len(saga_arrows(REACTIONS, step)) for step in SagaStep) <= MOST_ARROWS


def test_a_picture_has_only_the_rooms_of_its_step() -> None:
    reactions = (
        Reaction("inventory", m.ReceiveStock, (), step=SagaStep.STOCK),
        Reaction("orders", m.CancelOrder, (), step=SagaStep.CANCEL),
    )
    assert saga_diagram(reactions, SagaStep.STOCK).splitlines() == [
        "flowchart LR",
        '    producers(["any authorised producer"])',
        '    inventory["inventory"]',
        '    producers -->|"inventory.commands:<br/>ReceiveStock"| inventory',
    ]


def test_a_reaction_that_two_steps_share_is_in_both_pictures() -> None:
    reactions = (
        Reaction("inventory", m.ReturnLine, (), step=SagaStep.COMMIT, also_in=SagaStep.SEND_BACK),
        Reaction("orders", m.CancelOrder, (), step=SagaStep.CANCEL),
    )
    shown = [step for step in SagaStep if [m.ReturnLine] in saga_arrows(reactions, step).values()]
    assert shown == [SagaStep.COMMIT, SagaStep.SEND_BACK]


def test_what_an_owner_sends_to_itself_is_no_arrow_to_another_room() -> None:
    reactions = tuple(Reaction(room, m.EndWaits, (), step=SagaStep.REFUND) for room in ("payments", "fulfilment"))
    assert set(saga_arrows(reactions)) == {
        Arrow(room, room, "order.events", undo=False) for room in ("payments", "fulfilment")
    }


def test_an_undo_is_dashed() -> None:
    drawn = saga_arrows(REACTIONS)
    assert drawn[Arrow("orders", "inventory", "inventory.commands", undo=True)] == [m.ReleaseLine, m.ReturnLine]
    assert '    orders -.->|"inventory.commands:<br/>ReleaseLine<br/>ReturnLine"| inventory' in saga_diagram(REACTIONS)


def test_what_no_room_publishes_comes_from_outside_unless_an_owner_sends_it_to_itself() -> None:
    accepted = (m.ReceiveStock, m.ExpireHolds)
    drawn = saga_arrows([Reaction("inventory", message, (), step=SagaStep.STOCK) for message in accepted])
    assert drawn == {
        Arrow("producers", "inventory", "inventory.commands", undo=False): [m.ReceiveStock],
        Arrow("inventory", "inventory", "inventory.commands", undo=False): [m.ExpireHolds],
    }


def test_a_page_names_the_command_that_makes_it() -> None:
    for text in pages().values():
        assert text.startswith("<!-- Generated from ")
        assert COMMAND in text.splitlines()[0]
