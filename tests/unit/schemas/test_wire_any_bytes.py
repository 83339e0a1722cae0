"""Any bytes give a message or a DecodeError."""

import io
from collections.abc import Callable

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import errors
from schemas.codec import wire
from schemas.codec.lock import read_history, read_lock
from schemas.messages import (
    CommitLine,
    LineRejected,
    Message,
)
from tests.samples import samples
from tests.unit.schemas.strategies import (
    A_DEAD_LETTER,
    A_LINE,
    MESSAGES_OF_ANY_KIND,
    ORDER_ID,
    schema_of,
    with_field,
)

thorough = settings(deadline=None, max_examples=samples(500))


def found_by(decode: Callable[[bytes], Message], value: bytes) -> Message | str:
    """Return what a decoder makes of these bytes: the message, or its reason to refuse them."""
    try:
        return decode(value)
    except errors.DecodeError as error:
        return error.reason


HEADS = st.sampled_from(sorted(wire._types))
WRITERS = {wire.HEAD.pack(wire.MAGIC, entry.id): read_history(entry) for entry in read_lock()}


@thorough
@given(st.binary(max_size=300) | st.builds(bytes.__add__, HEADS, st.binary(max_size=300)))
def test_any_bytes_give_a_message_or_a_decode_error(value: bytes) -> None:
    assert found_by(wire.decode, value)


@thorough
@given(MESSAGES_OF_ANY_KIND, st.data())
def test_a_damaged_record_gives_a_message_or_a_decode_error(message: Message, data: st.DataObject) -> None:
    value = wire.encode(message)
    start = data.draw(st.integers(5, len(value)))
    end = data.draw(st.integers(start, min(start + 12, len(value))))
    damaged = value[:start] + data.draw(st.binary(max_size=12)) + value[end:]
    decoded = found_by(wire.decode, damaged)
    if isinstance(decoded, Message):
        assert wire.decode(wire.encode(decoded)) == decoded


@thorough
@given(HEADS, st.binary(max_size=120))
def test_the_generated_readers_judge_as_fastavro_does(head: bytes, body: bytes) -> None:
    general = wire._general_decoder(wire._types[head], WRITERS[head], schema_of(wire._types[head]))
    decoded = found_by(wire.decode, head + body)
    # fastavro cuts short an integer of more than 64 bits.
    assert decoded in (found_by(general, head + body), errors.MalformedBodyError.reason)


@pytest.mark.parametrize("message", [A_LINE, A_DEAD_LETTER])
def test_a_record_cut_anywhere_is_truncated(message: Message) -> None:
    value = wire.encode(message)
    for end in range(5, len(value)):
        with pytest.raises(errors.TruncatedBodyError):
            wire.decode(value[:end])


@pytest.mark.parametrize("message", [A_LINE, A_DEAD_LETTER])
def test_bytes_after_the_record_are_refused(message: Message) -> None:
    with pytest.raises(errors.TrailingBytesError, match="1 bytes are left"):
        wire.decode(wire.encode(message) + b"\0")


@pytest.mark.parametrize("value", [None, b""])
def test_a_tombstone_is_no_message(value: bytes | None) -> None:
    for ask in (wire.decode, wire.message_type):
        with pytest.raises(errors.EmptyValueError):
            ask(value)


@pytest.mark.parametrize("value", [b'{"sku": "MUG"}', b"\0\0\0", b"\0", b"\x01\0\0\0\x01"])
def test_a_value_of_another_format_is_refused_with_its_first_bytes(value: bytes) -> None:
    for ask in (wire.decode, wire.message_type):
        with pytest.raises(errors.NotWireFormatError, match=value[:5].hex()):
            ask(value)


def test_an_unknown_id_is_named() -> None:
    for ask in (wire.decode, wire.message_type):
        with pytest.raises(errors.UnknownSchemaIdError, match="schema id 4000000000 "):
            ask(b"\0" + (4_000_000_000).to_bytes(4, "big") + b"body")


COMMIT_LINE = wire.encode(CommitLine(order_id="", line=0, sku=""))[:5]
MINUS_FIVE, MOST, LEAST = b"\x09", b"\xfe" + b"\xff" * 8 + b"\x01", b"\xff" * 9 + b"\x01"


@pytest.mark.parametrize("length", [MINUS_FIVE, MOST, LEAST])
def test_a_length_beyond_the_value_or_below_zero_is_refused(length: bytes) -> None:
    with pytest.raises(errors.TruncatedBodyError):
        wire.decode(COMMIT_LINE + length + b"text")


def test_a_length_below_zero_does_not_read_a_byte_twice() -> None:
    with pytest.raises(errors.TruncatedBodyError):
        wire.decode(COMMIT_LINE + b"\x01" + b"\x02a")


@pytest.mark.parametrize("count", [MOST, LEAST, b"\x01\x02"])
def test_a_map_of_impossible_size_costs_neither_time_nor_memory(count: bytes) -> None:
    value = wire.encode(with_field(A_DEAD_LETTER, headers={}, reason="", detail="", at_ms=0))
    assert value.endswith(b"\0\0\0\0")
    with pytest.raises(errors.DecodeError):
        wire.decode(value[:-4] + count + b"\x02a")


@pytest.mark.parametrize("integer", [b"\xff" * 10 + b"\x01", b"\xff" * 9 + b"\x7f", b"\x80" * 200 + b"\x00"])
def test_an_integer_of_more_than_64_bits_is_refused_where_it_stands(integer: bytes) -> None:
    with pytest.raises(errors.MalformedBodyError, match="at byte 6 "):
        wire.decode(COMMIT_LINE + b"\0" + integer + b"\0")


def test_an_integer_beyond_its_avro_type_is_refused_by_name() -> None:
    body = b"\0" + b"\x80\x80\x80\x80\x10" + b"\0"  # order_id "", line 2**31, sku ""
    with pytest.raises(errors.InvalidFieldError, match=r"CommitLine\.line is 2147483648, beyond an Avro int"):
        wire.decode(COMMIT_LINE + body)


@pytest.mark.parametrize("text", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80"])
def test_text_that_is_not_utf_8_is_refused(text: bytes) -> None:
    with pytest.raises(errors.InvalidFieldError, match="CommitLine is not UTF-8"):
        wire.decode(COMMIT_LINE + bytes([2 * len(text)]) + text + b"\x02" + b"\x02a")


def reference(message: Message) -> bytes:
    """Encode as another system might: by the schema alone, without our limits."""
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema_of(type(message)), msgspec.structs.asdict(message))
    return body.getvalue()


@pytest.mark.parametrize(("sku", "fault"), [("a\0b", "NUL"), ("x" * 1001, "1001 bytes"), ("ü" * 501, "1002 bytes")])
def test_text_that_postgresql_could_not_keep_is_refused_both_ways(sku: str, fault: str) -> None:
    commit = CommitLine(order_id=ORDER_ID, line=1, sku=sku)
    with pytest.raises(errors.EncodeError, match=rf"CommitLine\.sku .*{fault}"):
        wire.encode(commit)
    with pytest.raises(errors.InvalidFieldError, match=rf"CommitLine\.sku .*{fault}"):
        wire.decode(COMMIT_LINE + reference(commit))


def test_text_of_the_greatest_length_passes() -> None:
    commit = CommitLine(order_id=ORDER_ID, line=0, sku="ü" * 500)
    assert wire.decode(wire.encode(commit)) == commit


def test_zeros_and_empty_texts_are_no_nul() -> None:
    rejected = LineRejected(ORDER_ID, 1, 1, "MUG", 1, 1, 0, "", "insufficient_stock")
    assert wire.decode(wire.encode(rejected)) == rejected
