import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidIdError
from schemas.ids import (
    MAX_ID_MS,
    EventId,
    are_order_ids,
    event_id,
    is_order_id,
    new_order_id,
    order_id_ms,
    parse_event_id,
)

MOMENTS = st.integers(0, MAX_ID_MS)


def test_ids_made_one_after_another_sort_so() -> None:
    made = [new_order_id() for _ in range(10_000)]
    assert made == sorted(set(made))


@given(MOMENTS)
def test_an_id_is_a_version_7_uuid_of_its_moment(now_ms: int) -> None:
    made = new_order_id(now_ms)
    assert is_order_id(made)
    assert order_id_ms(made) == now_ms
    parsed = uuid.UUID(made)
    assert (str(parsed), parsed.version, parsed.variant, parsed.int >> 80) == (made, 7, uuid.RFC_4122, now_ms)


@given(MOMENTS, MOMENTS)
def test_an_id_of_an_earlier_moment_sorts_first(one: int, other: int) -> None:
    if one != other:
        assert (new_order_id(one) < new_order_id(other)) == (one < other)


def test_two_ids_of_one_moment_differ() -> None:
    assert len({new_order_id(1) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("now_ms", [-1, MAX_ID_MS + 1])
def test_a_moment_that_no_id_can_name_is_refused(now_ms: int) -> None:
    with pytest.raises(InvalidIdError, match="is no moment"):
        new_order_id(now_ms)


def test_the_example_of_the_rfc_is_an_order_id() -> None:  # RFC 9562, A.6
    assert order_id_ms("017f22e2-79b0-7cc3-98c4-dc0c0c07398f") == 0x017F22E279B0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
        "017f22e279b07cc398c4dc0c0c07398f",
        "{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f\n",
        "919108f7-52d1-4320-9bac-f847db4148a8",
        "017f22e2-79b0-7cc3-18c4-dc0c0c07398f",
        "\u066017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
    ],
)
def test_other_spellings_and_versions_are_no_order_ids(text: str) -> None:
    assert not is_order_id(text)
    with pytest.raises(InvalidIdError, match="no UUIDv7"):
        order_id_ms(text)


def test_an_event_id_names_the_position_of_its_cause() -> None:
    assert event_id("inventory.commands", 3, 1042, 0) == "inventory.commands/3/1042/0"
    assert parse_event_id("inventory.commands/3/1042/0") == EventId("inventory.commands", 3, 1042, 0)


@pytest.mark.parametrize(
    "text", ["", "a", "a/1/2", "a/1/2/3/4", "/1/2/3", "a/1/2/-3", "a/01/2/3", "a/1/\u0662/3", "a/1/2/"]
)
def test_what_is_no_event_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdError, match="no event id"):
        parse_event_id(text)


MADE = [new_order_id(1_000 + n) for n in range(3)]


@pytest.mark.parametrize("place", range(36))
@pytest.mark.parametrize("character", [*"-07g8AF\u0660\ud800"])
def test_many_ids_are_order_ids_where_each_is_one(place: int, character: str) -> None:
    other = MADE[1][:place] + character + MADE[1][place + 1 :]
    assert are_order_ids([MADE[0], other, MADE[2]]) == is_order_id(other)


@pytest.mark.parametrize("others", [[], [""], [MADE[0][:-1], MADE[0][-1] + MADE[1]], [MADE[0] + MADE[1]]])
def test_what_is_together_as_long_as_ids_is_none(others: list[str]) -> None:
    assert not are_order_ids(others)
    assert are_order_ids(MADE)
