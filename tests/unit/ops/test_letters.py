from __future__ import annotations

from typing import NamedTuple

import pytest

from infra.ops.letters.reading import Filter, Letter, LetterState, letters_of
from infra.ops.letters.redriving import REDRIVEN, UneditableError, plan
from producers.publisher import BY_KEY, FORWARDED
from schemas.codec.wire import decode, encode
from schemas.messages import DeadLetter, ExpireHolds, Message, OperatorAction, ReceiveStock


class Record(NamedTuple):
    partition: int
    offset: int
    timestamp: int
    value: bytes | None


def dead(
    message: Message | bytes | None,
    *,
    offset: int = 0,
    partition: int = 0,
    key: bytes | None = b"MUG",
    headers: dict[str, bytes] | None = None,
) -> DeadLetter:
    value = encode(message) if isinstance(message, Message) else message
    return DeadLetter(
        "inventory", "inventory.commands", partition, offset, key, value, headers or {}, "key_mismatch", "...", 1
    )


def letter(source: DeadLetter, place: str = "0/0") -> Letter:
    return Letter(place, 1, source, LetterState.OPEN)


MUG = ReceiveStock("r1", "MUG", 3)


def test_letters_are_sent_again_in_the_order_in_which_their_records_stood() -> None:
    places = [(1, 5), (0, 9), (0, 2)]
    letters = [letter(dead(MUG, partition=p, offset=o), f"7/{n}") for n, (p, o) in enumerate(places)]
    assert [each.letter.place for each in plan(letters)] == [
        "inventory.commands/0/2",
        "inventory.commands/0/9",
        "inventory.commands/1/5",
    ]


def test_a_letter_goes_to_its_own_topic_with_its_own_headers_and_the_mark_of_where_it_was() -> None:
    [step] = plan([letter(dead(MUG, headers={"ce_id": b"x/1", FORWARDED: b"old"}), "3/17")])
    record = step.record
    assert (record.topic, record.partition, record.key, record.value) == (
        "inventory.commands",
        BY_KEY,
        b"MUG",
        encode(MUG),
    )
    assert record.headers == (("ce_id", b"x/1"), (REDRIVEN, b"dead.letters/3/17"))
    assert record.event_id == b""


@pytest.mark.parametrize("key", [None, b"TIN"])
def test_a_record_with_a_wrong_key_goes_under_the_key_of_its_message(key: bytes | None) -> None:
    [step] = plan([letter(dead(MUG, key=key))])
    assert step.record.key == b"MUG"


def test_a_command_to_a_partition_stays_with_its_partition() -> None:
    [step] = plan([letter(dead(ExpireHolds(1, 100), partition=5, key=None))])
    assert (step.record.partition, step.record.key) == (5, None)


def test_an_edited_letter_has_the_new_fields_and_their_key() -> None:
    [step] = plan([letter(dead(MUG))], {"sku": "TIN", "quantity": 9})
    assert decode(step.record.value) == ReceiveStock("r1", "TIN", 9)
    assert (step.record.key, step.changed) == (b"TIN", ("sku", "quantity"))


@pytest.mark.parametrize(
    ("value", "changes", "why"),
    [
        (MUG, {"quantities": 1}, "has no quantities"),
        (MUG, {"quantity": "many"}, "quantity"),
        (MUG, {"sku": "x" * 5_000}, "sku"),
        (b"\x00rubbish", {"quantity": 1}, "nothing can be read in its value"),
        (None, {"quantity": 1}, "nothing can be read in its value"),
    ],
)
def test_what_cannot_be_a_message_is_not_sent(
    value: Message | bytes | None, changes: dict[str, object], why: str
) -> None:
    with pytest.raises(UneditableError, match=why):
        plan([letter(dead(value))], changes)


def action(subject: str, done: str, at_ms: int) -> Record:
    return Record(0, at_ms, at_ms, encode(OperatorAction(subject, done, "ann", "because", "")))


def test_the_latest_action_determines_the_state_of_a_letter() -> None:
    records = [Record(3, n, 10 + n, encode(dead(MUG, offset=n))) for n in range(3)]
    rubbish = Record(3, 9, 9, b"rubbish")
    done = [
        action("dead.letters/3/1", "acknowledge", 20),
        action("dead.letters/3/1", "redrive", 30),
        action("dead.letters/3/2", "acknowledge", 40),
        action("orders", "pause", 50),
        rubbish,
    ]
    letters = letters_of([rubbish, *records], done)
    assert [(each.id, each.state) for each in letters] == [
        ("3/0", LetterState.OPEN),
        ("3/1", LetterState.REDRIVEN),
        ("3/2", LetterState.ACKNOWLEDGED),
    ]
    assert [(did.action, did.by, did.why) for did in letters[1].handled] == [
        ("acknowledge", "ann", "because"),
        ("redrive", "ann", "because"),
    ]


def test_a_filter_names_letters_by_what_they_are() -> None:
    one = letter(dead(MUG))
    assert Filter().takes(one)
    assert Filter(ids=("0/0",), room="inventory", topic="inventory.commands", reason="key_mismatch", key="MUG").takes(
        one
    )
    others = (Filter(ids=("0/1",)), Filter(room="orders"), Filter(reason="x"), Filter(key="TIN"), Filter(topic="y"))
    assert not any(each.takes(one) for each in others)
    assert not Filter(states=(LetterState.REDRIVEN,)).takes(one)


def test_an_expired_letter_is_no_longer_open_and_only_older_ones_are_meant_by_an_age() -> None:
    letters = letters_of(
        [Record(3, n, 10 + n, encode(dead(MUG, offset=n))) for n in range(3)],
        [action("dead.letters/3/0", "expire", 20)],
    )
    assert [each.state for each in letters] == [LetterState.EXPIRED, LetterState.OPEN, LetterState.OPEN]
    old = Filter(dead_before_ms=12)
    assert [each.id for each in letters if old.takes(each)] == ["3/1"]
