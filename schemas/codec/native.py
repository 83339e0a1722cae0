"""The codec in C (flat.c), where it was built: the same functions as the generated Python, three times as fast and more.

LASTUNIT_CODEC chooses: `auto` (default) takes it where there is a build of the flat.c beside this file, `python` never,
`c` insists on it.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import msgspec

from schemas.codec.source import SOURCE, digest
from schemas.errors import CodecError
from schemas.limits import MAX_LINES, MAX_TEXT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.codec.lock import Schema
    from schemas.messages import Message

VARIABLE: Final = "LASTUNIT_CODEC"
_KINDS: Final = {"string": "s", "int": "i", "long": "l"}


def load() -> ModuleType | None:
    """Return the extension if it is to be used. Raises CodecError where it is asked for and is not there."""
    choice = os.environ.get(VARIABLE, "auto")
    if choice == "python":
        return None
    try:
        extension: ModuleType | None = importlib.import_module("._flat", __package__)
    except ImportError:
        extension = None
    if extension is not None and digest() != extension.SOURCE_DIGEST:
        extension = None
    if extension is None and choice == "c":
        raise CodecError(f"{VARIABLE} is `c`, but there is no build of {SOURCE}; run `make .venv` with a C compiler")
    return extension


_flat: Final = load()
IN_USE: Final[Literal["c", "python"]] = "python" if _flat is None else "c"


def faster_decoder(
    schema: Schema, struct: type[Message], general: Callable[[bytes], Message]
) -> Callable[[bytes], Message]:
    """Return a function that does what `general` does for the values of a regular schema, in C where that is there."""
    if _flat is None:
        return general
    decoder: Callable[[bytes], Message] = _flat.decoder(_layout(schema, struct), general, MAX_TEXT_BYTES, MAX_LINES)
    return decoder


def faster_encoder(
    schema: Schema, struct: type[Message], head: bytes, general: Callable[[Any], bytes]
) -> Callable[[Any], bytes]:
    """Return a function that does what `general` does for the messages of a regular schema."""
    if _flat is None:
        return general
    encoder: Callable[[Any], bytes] = _flat.encoder(_layout(schema, struct), head, general, MAX_TEXT_BYTES, MAX_LINES)
    return encoder


def _layout(schema: Schema, struct: type) -> tuple[type | None, tuple[Any, ...]]:
    """Return a record as flat.c takes it: the struct, and (name, kind, layout of an array's items) of each field."""
    types = {field.name: field.type for field in msgspec.structs.fields(struct)}
    return struct, tuple(_field(field, types[field["name"]]) for field in schema["fields"])


def _field(field: dict[str, Any], python_type: Any) -> tuple[str, str, Any]:
    name, avro_type = field["name"], field["type"]
    if isinstance(avro_type, str):
        return name, _KINDS[avro_type], None
    items = avro_type["items"]
    if isinstance(items, str):
        return name, "a", (None, (("item", _KINDS[items], None),))
    return name, "a", _layout(items, get_args(python_type)[0])
