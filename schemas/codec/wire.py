"""The wire format: 0x00, a 4-byte big-endian schema id, then the record in Avro's binary encoding.

This is Confluent's format, so that their serializers and ours understand each other. Schemas come from the lock: a
value is read by the schema that its id names and returned as the current struct.
"""

from __future__ import annotations

import io
import struct as packing
from functools import cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

import fastavro
import msgspec

from schemas import errors
from schemas.codec.compiled import compile_decoder, compile_encoder, is_regular
from schemas.codec.lock import NAMESPACE, Schema, latest, read_history, read_lock
from schemas.codec.native import faster_decoder, faster_encoder
from schemas.codec.validation import find_fault
from schemas.messages import MESSAGES, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    Decoder: TypeAlias = Callable[[bytes], Message]
    Encoder: TypeAlias = Callable[[Any], bytes]

K = TypeVar("K")
Codec = TypeVar("Codec", bound="Callable[[Any], Any]")

MAGIC: Final = 0
HEAD: Final = packing.Struct(">BI")

_decoders: Final[dict[bytes, Decoder]] = {}
_types: Final[dict[bytes, type[Message]]] = {}
_encoders: Final[dict[type[Message], Encoder]] = {}
_newest: Final[set[bytes]] = set()
"""The beginnings of values that `encode` writes."""


def encode(message: Message) -> bytes:
    """Return the Kafka value of a message, under the id of its newest schema.

    Raises EncodeError naming the field that its type or our limits (schemas/limits.py) do not allow.
    """
    encoder = _encoders.get(type(message))
    if encoder is None:
        raise errors.UnregisteredMessageError(
            f"{type(message).__name__} is not in the lock as it stands in schemas/messages; run `python -m schemas.codec.register`"
        )
    return encoder(message)


def encode_all(messages: Sequence[Message]) -> Iterable[bytes]:
    """Return the Kafka value of each of many messages of one type, as `encode` does."""
    return map(_encoders.get(type(messages[0]), encode), messages)


def decode(value: bytes | None) -> Message:
    """Return the message in a Kafka value. Raises DecodeError, and nothing else, for whatever is none."""
    decoder = _decoders.get(value[:5]) if value else None
    if value is None or decoder is None:
        raise _refusal(value)
    return decoder(value)


def decode_if(value: bytes | None, types: Container[type[Message]]) -> Message | None:
    """Return the message in a Kafka value where it is one of these types, else None, its body unread.

    Raises DecodeError, and nothing else, for whatever is none.
    """
    head = value[:5] if value else b""
    kind = _types.get(head)
    if value is None or kind is None:
        raise _refusal(value)
    return _decoders[head](value) if kind in types else None


def decode_run(values: Sequence[bytes | None], types: Container[type[Message]]) -> list[Message] | None:
    """Return the messages in many Kafka values of one schema, as `decode_if` does for each: none where they are not of these types.

    Return None where their schemas differ or one is unknown. Raises DecodeError for a value that is no message.
    """
    heads = {value[:5] if value else b"" for value in values}
    head = heads.pop() if len(heads) == 1 else b""
    kind = _types.get(head)
    if kind is None:
        return None
    return list(map(_decoders[head], cast("Sequence[bytes]", values))) if kind in types else []


def message_type(value: bytes | None) -> type[Message]:
    """Return the type of the message in a Kafka value, from its id alone: the body may still prove undecodable.

    Raises DecodeError where there is no id that we know.
    """
    kind = _types.get(value[:5]) if value else None
    if kind is None:
        raise _refusal(value)
    return kind


def in_newest_schema(value: bytes) -> bytes:
    """Return a Kafka value as `encode` writes the message in it today: unchanged, if its schema is the newest one.

    Raises DecodeError for what is no message.
    """
    return value if value[:5] in _newest else encode(decode(value))


def schema_id_of(value: bytes) -> int:
    """Return the schema id in a Kafka value of the wire format, whether this release knows it or not."""
    schema_id: int = HEAD.unpack_from(value)[1]
    return schema_id


def use_ids(wire_ids: Mapping[int, int] = MappingProxyType({})) -> None:
    """Write and read other ids than the lock's: a schema registry gives its own. Keys are lock ids, values wire ids.

    A lock id that is not named keeps its number. Call it once, before the first message; two schemas under one id
    raise LockError.
    """
    structs = {f"{NAMESPACE}.{struct.__name__}": struct for struct in MESSAGES}
    lock = read_lock()
    newest = {name: read_history(entry) for name, entry in latest(lock).items()}
    if len({wire_ids.get(entry.id, entry.id) for entry in lock}) != len(lock):
        raise errors.LockError(f"two schemas would share an id under {dict(wire_ids)}; name every id of the lock once")
    for table in (_decoders, _types, _encoders, _newest):
        table.clear()
    for entry in lock:
        struct = structs.get(entry.name)
        reader = newest[entry.name]
        if struct is None or struct.__struct_fields__ != tuple(field["name"] for field in reader["fields"]):
            continue  # the code and the lock disagree while somebody edits them; schemas.codec.check says so
        head = HEAD.pack(MAGIC, wire_ids.get(entry.id, entry.id))
        writer = read_history(entry)
        _types[head] = struct
        _at_first_use(_decoders, head, partial(_decoder, struct, writer, reader))
        if writer == reader:
            _at_first_use(_encoders, struct, partial(_encoder, struct, writer, head))
            _newest.add(head)


def _at_first_use(table: dict[K, Codec], key: K, build: Callable[[], Codec]) -> None:
    """Put a codec under `key` that is built when it is first needed: a process uses a few, and all take a tenth of its start."""
    built = cache(build)

    def use(given: Any) -> Any:
        table[key] = built()
        return built()(given)

    table[key] = cast("Codec", use)


def _decoder(struct: type[Message], writer: Schema, reader: Schema) -> Decoder:
    general = _general_decoder(struct, writer, reader)
    if writer != reader or not is_regular(writer):
        return general
    in_python = compile_decoder(writer, struct, general, lambda message: _refuse_read(message, writer))
    return faster_decoder(writer, struct, in_python)


def _encoder(struct: type[Message], writer: Schema, head: bytes) -> Encoder:
    general = _general_encoder(writer, head)
    if not is_regular(writer):
        return general
    in_python = compile_encoder(writer, head, general, lambda message: _refuse_written(message, writer))
    return faster_encoder(writer, struct, head, in_python)


def _general_decoder(struct: type[Message], writer: Schema, reader: Schema) -> Decoder:
    """Return the decoder that can do everything: other versions, bytes, maps, and saying what is wrong."""
    parsed_writer = fastavro.parse_schema(writer)
    parsed_reader = None if writer == reader else fastavro.parse_schema(reader)
    fields = msgspec.structs.fields(struct)

    def decode_with_fastavro(value: bytes) -> Message:
        body = io.BytesIO(value)
        body.seek(HEAD.size)
        try:
            record: Any = fastavro.schemaless_reader(body, parsed_writer, parsed_reader)
        except UnicodeDecodeError as error:
            raise errors.InvalidFieldError(f"a text of {writer['name']} is not UTF-8: {error.reason}") from error
        except Exception as error:
            # fastavro ends with EOFError within a text and with IndexError within an integer.
            if isinstance(error, EOFError) or (isinstance(error, IndexError) and body.tell() == len(value)):
                raise errors.TruncatedBodyError(
                    f"the {len(value) - HEAD.size} bytes of body end before {writer['name']}'s {len(writer['fields'])} "
                    "fields do; produce it again, whole"
                ) from error
            raise errors.MalformedBodyError(f"the body is no {writer['name']}: {error!r}") from error
        if left := len(value) - body.tell():
            raise errors.TrailingBytesError(
                f"{left} bytes are left after {writer['name']}; was it written as its id says?"
            )
        message = struct(
            *[
                msgspec.convert(record[field.name], field.type)
                if type(record[field.name]) is list
                else record[field.name]
                for field in fields
            ]
        )
        _refuse_read(message, reader)
        return message

    return decode_with_fastavro


def _general_encoder(writer: Schema, head: bytes) -> Encoder:
    """Return the encoder that can do everything, and say what is wrong."""
    parsed = fastavro.parse_schema(writer)

    def encode_with_fastavro(message: Message) -> bytes:
        _refuse_written(message, writer)
        out = io.BytesIO()
        out.write(head)
        try:
            fastavro.schemaless_writer(out, parsed, _record_of(message))
        except Exception as error:
            raise errors.EncodeError(f"{writer['name']} cannot be written: {error!r}") from error
        return out.getvalue()

    return encode_with_fastavro


def _record_of(message: Message) -> dict[str, Any]:
    """Return the fields as fastavro takes them: an array's structs as dicts."""
    record = msgspec.structs.asdict(message)
    for name, value in record.items():
        if type(value) is tuple and value and isinstance(value[0], msgspec.Struct):
            record[name] = [msgspec.structs.asdict(item) for item in value]
    return record


def _refuse_read(message: Message, schema: Schema) -> None:
    if (fault := find_fault(message, schema)) is not None:
        raise errors.InvalidFieldError(fault)


def _refuse_written(message: Message, schema: Schema) -> None:
    if (fault := find_fault(message, schema)) is not None:
        raise errors.EncodeError(fault)


def unknown_schema_id(value: bytes | None) -> int | None:
    """Return the schema id that a value names, where this process does not know it; None for any other value."""
    if not value or value[: HEAD.size] in _decoders or value[0] != MAGIC or len(value) < HEAD.size:
        return None
    return schema_id_of(value)


def _refusal(value: bytes | None) -> errors.DecodeError:
    """Return the error of bytes that name no schema."""
    if not value:
        return errors.EmptyValueError("the value is null or empty; only compacted topics have tombstones")
    if value[0] != MAGIC or len(value) < HEAD.size:
        return errors.NotWireFormatError(
            f"the value begins with 0x{value[: HEAD.size].hex()}, not with 0x00 and a 4-byte schema id; "
            "produce it with a Confluent Avro serializer"
        )
    return errors.UnknownSchemaIdError(
        f"schema id {schema_id_of(value)} is not in this version's lock; upgrade it or register the schema"
    )


use_ids()
