"""The codec in C and the generated Python give the same bytes, the same messages and the same refusals."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import native, wire
from schemas.codec.compiled import compile_decoder, compile_encoder, is_regular
from schemas.codec.source import digest
from schemas.codec.validation import find_fault
from schemas.errors import CodecError
from schemas.limits import MAX_LINES, MAX_TEXT_BYTES
from schemas.messages import MESSAGES, Message, OrderedLine, OrderPaid, ShipOrder
from tests.unit.schemas.strategies import A_LINE, ORDER_ID, messages_of, schema_of, with_field

flat = pytest.importorskip("schemas.codec._flat", reason="there is no C compiler here")

REGULAR = [message for message in MESSAGES if is_regular(schema_of(message))]
HEAD = b"\0\0\0\0\x07"
thorough = settings(deadline=None, max_examples=300)
patient = settings(deadline=None, max_examples=10)


class Refusal(msgspec.Struct, frozen=True):
    """What was raised."""

    kind: type[BaseException]
    words: str


class Codecs:
    """Both codecs of one message: Python over a reference that refuses by itself, and the one in C over that."""

    def __init__(self, message: type[Message]) -> None:
        schema = schema_of(message)
        self.left_to_python = 0

        def inspect(message: Message) -> None:
            if (fault := find_fault(message, schema)) is not None:
                raise ValueError(fault)

        def counted(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
            def count(value: Any) -> Any:
                self.left_to_python += 1
                return function(value)

            return count

        general = wire._general_decoder(message, schema, schema), wire._general_encoder(schema, HEAD)
        self.decode = compile_decoder(schema, message, general[0], inspect)
        self.encode = compile_encoder(schema, HEAD, general[1], inspect)
        layout = native._layout(schema, message)
        self.fast_decode = flat.decoder(layout, counted(self.decode), MAX_TEXT_BYTES, MAX_LINES)
        self.fast_encode = flat.encoder(layout, HEAD, counted(self.encode), MAX_TEXT_BYTES, MAX_LINES)


CODECS = {message: Codecs(message) for message in REGULAR}


def outcome(function: Callable[[Any], Any], value: Any) -> Any:
    """Return what a function returns, or what it raises."""
    try:
        return function(value)
    except Exception as error:  # noqa: BLE001  whatever it is, both must raise it
        return Refusal(type(error), str(error))


@pytest.mark.parametrize("message", REGULAR)
def test_every_regular_message_crosses_in_c_alone(message: type[Message]) -> None:
    codecs = Codecs(message)

    @patient
    @given(messages_of(message))
    def crosses(drawn: Message) -> None:
        value = codecs.fast_encode(drawn)
        assert value == codecs.encode(drawn)
        assert codecs.fast_decode(value) == codecs.decode(value) == drawn

    crosses()
    assert codecs.left_to_python == 0


@thorough
@given(st.data())
def test_whatever_bytes_come_both_read_the_same_or_refuse_in_the_same_words(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(REGULAR))
    codecs = CODECS[message]
    value = bytearray(codecs.encode(data.draw(messages_of(message))))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(value)))
        if data.draw(st.booleans()):
            value[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=11))
        else:
            del value[at:]
    damaged = bytes(value)
    assert outcome(codecs.fast_decode, damaged) == outcome(codecs.decode, damaged)


WRONG = (
    st.none() | st.booleans() | st.floats() | st.integers(-(2**70), 2**70) | st.binary(max_size=3) | st.lists(st.none())
)
WRONG_TEXTS = st.text(max_size=1200) | st.just("x" * 1001) | st.just("\ud800") | st.just("a\0b")


@thorough
@given(st.data())
def test_whatever_a_field_holds_both_write_the_same_or_refuse_in_the_same_words(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(REGULAR))
    codecs, drawn = CODECS[message], data.draw(messages_of(message))
    field = data.draw(st.sampled_from(drawn.__struct_fields__))
    wrong = with_field(drawn, **{field: data.draw(WRONG | WRONG_TEXTS | st.tuples(WRONG | WRONG_TEXTS))})
    assert outcome(codecs.fast_encode, wrong) == outcome(codecs.encode, wrong)


@pytest.mark.parametrize(
    "lines",
    [
        (OrderedLine(1, "x" * 1001, 1, 1),),
        (OrderedLine(1, "a\0b", 1, 1),),
        (OrderedLine(1, "MUG", 1 << 31, 1),),
        (OrderedLine(1, "MUG", 1, 1),) * 2_001,
        [OrderedLine(1, "MUG", 1, 1)],
        (None,),
        (A_LINE,),
    ],
)
def test_what_is_wrong_in_an_array_is_refused_in_the_same_words(lines: Any) -> None:
    codecs, paid = CODECS[OrderPaid], OrderPaid(ORDER_ID, 1, "EUR", lines)
    assert outcome(codecs.fast_encode, paid) == outcome(codecs.encode, paid)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 127, 128, 600, 2_000])
def test_arrays_of_any_length_are_written_and_read_alike(count: int) -> None:
    for message in (
        OrderPaid(ORDER_ID, 1, "EUR", tuple(OrderedLine(line, "MUG", 1, 1999) for line in range(count))),
        ShipOrder(ORDER_ID, "s-1", tuple(range(count)), "dhl", "1"),
    ):
        codecs = CODECS[type(message)]
        value = codecs.encode(message)
        assert codecs.fast_encode(message) == value
        assert codecs.fast_decode(value) == message


def test_a_layout_that_c_does_not_take_is_refused_when_it_is_made() -> None:
    for layout in (
        (None, ()),
        (None, (("a", "s"),)),
        (OrderPaid, [("a", "s", None)]),
        (None, (("a", "s", None),) * 99),
    ):
        with pytest.raises((TypeError, ValueError)):
            flat.decoder(layout, print, 1, 1)
    with pytest.raises(ValueError, match="5 bytes"):
        flat.encoder((None, (("a", "s", None),)), b"", print, 1, 1)


@pytest.mark.parametrize(("choice", "words"), [("python", "python"), ("c", "c"), ("auto", "c")])
def test_the_codec_in_use_is_the_one_that_was_asked_for(
    choice: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(native.VARIABLE, choice)
    program = "from schemas.codec.native import IN_USE; print(IN_USE)"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == words


def test_a_build_of_another_source_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert digest() == flat.SOURCE_DIGEST
    monkeypatch.setattr(native, "digest", lambda: "another")
    monkeypatch.setenv(native.VARIABLE, "auto")
    assert native.load() is None
    monkeypatch.setenv(native.VARIABLE, "c")
    with pytest.raises(CodecError, match=r"run `make \.venv`"):
        native.load()
