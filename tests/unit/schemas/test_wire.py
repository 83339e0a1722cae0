import io
from collections.abc import Iterator
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given, settings

from schemas import errors
from schemas.codec import wire
from schemas.codec.lock import read_history, read_lock
from schemas.messages import (
    MESSAGES,
    CommitLine,
    Message,
    OrderedLine,
    OrderPaid,
    OrderRejected,
    PlaceOrderLine,
    ShipOrder,
)
from tests.unit.schemas.strategies import (
    A_DEAD_LETTER,
    A_LINE,
    MESSAGES_OF_ANY_KIND,
    ORDER_ID,
    as_avro,
    schema_of,
    with_field,
)

patient = settings(deadline=None)


@pytest.fixture
def _restored_ids() -> Iterator[None]:
    yield
    wire.use_ids()


# --- both ways --------------------------------------------------------------------------------------------------------


@patient
@given(MESSAGES_OF_ANY_KIND)
def test_what_is_encoded_decodes_to_itself(message: Message) -> None:
    assert wire.decode(wire.encode(message)) == message


@patient
@given(MESSAGES_OF_ANY_KIND)
def test_fastavro_writes_the_same_bytes_and_reads_the_same_record(message: Message) -> None:
    schema, value = fastavro.parse_schema(schema_of(type(message))), wire.encode(message)
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, as_avro(message))
    assert value[5:] == body.getvalue()
    assert fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None) == as_avro(message)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([1], "lines is list, where a tuple belongs"),
        ((1, "2"), "lines holds an item that is str, where an integer belongs"),
        ((1 << 31,), "lines holds an item that is 2147483648, beyond an Avro int"),
        (tuple(range(2_001)), "lines has 2001 items; at most 2000 are allowed"),
    ],
)
def test_an_array_that_cannot_be_stored_is_not_written(lines: Any, words: str) -> None:
    with pytest.raises(errors.EncodeError, match=words):
        wire.encode(ShipOrder(ORDER_ID, "s-1", lines, "dhl", "1"))


def test_a_number_that_is_no_integer_is_not_written() -> None:
    with pytest.raises(errors.EncodeError, match="quantity is float, where an integer belongs"):
        wire.encode(with_field(A_LINE, quantity=1e10))


def test_a_record_in_an_array_is_held_to_the_same_limits() -> None:
    line = OrderedLine(1, "x" * 1001, 1, 1)
    with pytest.raises(errors.EncodeError, match="lines holds an item that sku is 1001 bytes long"):
        wire.encode(OrderPaid(ORDER_ID, 1, "EUR", (line,)))


LINES = (OrderedLine(1, "MUG", 2, 500), OrderedLine(2, "TEE", 1, 1999))


@pytest.mark.parametrize("wrong", ["sku", "quantity"])
def test_what_is_wrong_in_an_array_is_refused_by_name(wrong: str) -> None:
    line = msgspec.structs.replace(LINES[0], **{wrong: {"sku": "a\0b", "quantity": None}[wrong]})
    with pytest.raises(errors.EncodeError, match=f"lines holds an item that {wrong} "):
        wire.encode(OrderPaid(ORDER_ID, 1, "EUR", (line,)))


def test_a_text_in_an_array_that_postgresql_could_not_keep_is_not_read() -> None:
    value = wire.encode(OrderPaid(ORDER_ID, 1, "EUR", LINES))
    with pytest.raises(errors.InvalidFieldError, match=r"lines holds an item that sku .*NUL"):
        wire.decode(value.replace(b"TEE", b"T\0E"))


def test_an_array_may_come_in_several_blocks_with_or_without_their_sizes() -> None:
    paid = OrderPaid(ORDER_ID, 1, "EUR", LINES)
    whole, empty = wire.encode(paid), wire.encode(with_field(paid, lines=()))
    head = empty[:-1]
    first = wire.encode(with_field(paid, lines=LINES[:1]))[len(head) + 1 : -1]
    second = wire.encode(with_field(paid, lines=LINES[1:]))[len(head) + 1 : -1]
    assert whole == head + b"\x04" + first + second + b"\0"
    for blocks in (
        b"\x02" + first + b"\x02" + second + b"\0",
        b"\x01" + bytes([2 * len(first)]) + first + b"\x02" + second + b"\0",
        b"\x03" + bytes([2 * len(first + second)]) + first + second + b"\0",
    ):
        assert wire.decode(head + blocks) == paid


def test_a_value_begins_with_a_zero_byte_and_its_id_in_the_lock() -> None:
    place = [entry for entry in read_lock() if entry.name == "lastunit.PlaceOrderLine"][-1]
    assert wire.encode(A_LINE)[:5] == b"\0" + place.id.to_bytes(4, "big")


def test_a_line_from_before_there_were_carts_is_read_as_one_without() -> None:
    first, *_ = (entry for entry in read_lock() if entry.name == "lastunit.PlaceOrderLine")
    without_cart = msgspec.structs.replace(A_LINE, cart_id="", terms="", reference="")
    # What came later is empty or 0, and either is one zero byte: three texts, three charges.
    old = b"\0" + first.id.to_bytes(4, "big") + wire.encode(without_cart)[5:-6]
    assert wire.decode(old) == without_cart


def test_the_bytes_of_a_record_in_the_log_never_change() -> None:
    commit = CommitLine(order_id=ORDER_ID, line=2, sku="MUG")
    assert wire.encode(commit) == b"\0\0\0\0\x03" + b"\x48" + ORDER_ID.encode() + b"\x04" + b"\x06MUG"


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_is_identified_by_its_id_alone(message: type[Message]) -> None:
    head = next(head for head, struct in wire._types.items() if struct is message)
    assert wire.message_type(head + b"whatever follows") is message


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"quantity": 2**31}, r"PlaceOrderLine\.quantity is 2147483648, beyond an Avro int"),
        ({"unit_price_minor": -(2**63) - 1}, r"PlaceOrderLine\.unit_price_minor is -9223372036854775809"),
        ({"quantity": 1.0}, r"PlaceOrderLine\.quantity is float, where an integer belongs"),
        ({"quantity": None}, r"PlaceOrderLine\.quantity is NoneType"),
        ({"sku": b"MUG"}, r"PlaceOrderLine\.sku is bytes, where text belongs"),
        ({"sku": None}, r"PlaceOrderLine\.sku is NoneType"),
        ({"sku": "\ud800"}, r"PlaceOrderLine\.sku is not Unicode text"),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(errors.EncodeError, match=fault):
        wire.encode(with_field(A_LINE, **changes))


def test_a_dead_letter_holds_anything_whole() -> None:
    letter = with_field(
        A_DEAD_LETTER, key=None, value=b"\0" * 5000, headers={"\0": b"", "x" * 2000: b"\xff"}, detail="\0" * 2000
    )
    assert wire.decode(wire.encode(letter)) == letter


def test_a_dead_letter_with_a_field_of_a_wrong_type_is_refused() -> None:
    with pytest.raises(errors.EncodeError, match="DeadLetter cannot be written"):
        wire.encode(with_field(A_DEAD_LETTER, headers={"a": None}))


def test_a_message_that_is_not_in_the_lock_is_refused_with_how_to_register_it() -> None:
    class Unheard(Message, frozen=True):
        sku: str

    with pytest.raises(errors.UnregisteredMessageError, match=r"Unheard .* schemas\.codec\.register"):
        wire.encode(Unheard(sku="MUG"))


# --- versions and ids -------------------------------------------------------------------------------------------------


def test_a_record_of_an_older_version_is_read_as_the_current_struct() -> None:
    current = schema_of(OrderRejected)
    older = current | {"fields": current["fields"][:1]}
    newer = current | {
        "fields": [current["fields"][0], current["fields"][1] | {"default": "unknown"}, *current["fields"][2:]]
    }
    decode = wire._decoder(OrderRejected, older, newer)
    assert decode(b"\0\0\0\0\x01" + b"\x02A") == OrderRejected(order_id="A", reason="unknown")


def test_an_integer_that_grew_to_a_long_is_read_from_older_records() -> None:
    older = schema_of(CommitLine)
    newer = older | {"fields": [f | {"type": "long"} if f["name"] == "line" else f for f in older["fields"]]}
    commit = CommitLine(order_id="A", line=7, sku="MUG")
    assert wire._decoder(CommitLine, older, newer)(wire.encode(commit)) == commit


@pytest.mark.usefixtures("_restored_ids")
def test_a_registry_gives_its_own_ids() -> None:
    place = [entry for entry in read_lock() if entry.name == "lastunit.PlaceOrderLine"][-1]
    before = wire.encode(A_LINE)
    wire.use_ids({entry.id: entry.id + 100_000 for entry in read_lock()})
    assert wire.encode(A_LINE)[:5] == b"\0" + (place.id + 100_000).to_bytes(4, "big")
    assert wire.decode(wire.encode(A_LINE)) == A_LINE
    with pytest.raises(errors.UnknownSchemaIdError):
        wire.decode(before)


@pytest.mark.usefixtures("_restored_ids")
def test_two_schemas_under_one_id_are_refused_and_nothing_changes() -> None:
    with pytest.raises(errors.LockError, match="share an id"):
        wire.use_ids({1: 2})
    assert wire.message_type(wire.encode(A_LINE)) is PlaceOrderLine


def test_every_version_in_the_lock_can_be_read() -> None:
    assert len(wire._decoders) == len(read_lock())
    assert {read_history(entry)["name"] for entry in read_lock()} == {message.__name__ for message in MESSAGES}
