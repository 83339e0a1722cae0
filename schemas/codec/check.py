"""Checks the contracts: `python -m schemas.codec.check` prints what is wrong and what to do, and fails if anything is.

BACKWARD_TRANSITIVE: whoever holds today's schemas can read everything that the log has ever held. Apache Avro's own
checker (a development dependency, hence imported only here and in `schemas.codec.register`) is the judge.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import avro.schema
import msgspec
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from schemas.codec.items import ITEM_RECORDS
from schemas.codec.lock import (
    NAMESPACE,
    Locked,
    Schema,
    canonical,
    fingerprint,
    full_name,
    latest,
    read_current,
    read_history,
    read_lock,
)
from schemas.errors import LockError
from schemas.messages import MESSAGES, Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SOURCE: Final = Path(__file__).parents[1]

AVRO_TYPES: Final[tuple[tuple[Any, tuple[Any, ...]], ...]] = (
    (str, ("string",)),
    (int, ("int", "long")),
    (bytes | None, (["null", "bytes"],)),
    (dict[str, bytes], ({"type": "map", "values": "bytes"},)),
    (tuple[int, ...], ({"type": "array", "items": "int"},)),
    (tuple[str, ...], ({"type": "array", "items": "string"},)),
    *((tuple[struct, ...], ({"type": "array", "items": record},)) for struct, record in ITEM_RECORDS.items()),  # type: ignore[valid-type]
)
"""Which Avro types a struct's field may have. No logical types: decoding them costs more than the rest of a record."""


def find_all(root: Path = SOURCE) -> list[str]:
    """Return everything that is wrong with the schemas in `root`, each with what to do about it."""
    try:
        lock, current = read_lock(root), read_current(root)
        return [
            *_in_lock(lock),
            *_in_history(lock, root),
            *_in_sources(current),
            *_between(current, lock, root),
        ]
    except LockError as error:
        return [str(error)]


def find_in_source(schema: Schema, file_name: str) -> Iterator[str]:
    """Yield what is wrong with one file of `avro/` by itself: its name, its docs, its agreement with the struct."""
    if full_name(schema) != f"{NAMESPACE}.{file_name}":
        yield f"avro/{file_name}.avsc describes {full_name(schema)}; name it {NAMESPACE}.{file_name}"
    if not schema.get("doc"):
        yield f"avro/{file_name}.avsc: the record has no doc; say what it means"
    for field in schema["fields"]:
        if not field.get("doc"):
            yield f"avro/{file_name}.avsc: {field['name']} has no doc; say what it means and in which unit"
    struct = {message.__name__: message for message in MESSAGES}.get(file_name)
    if struct is None:
        yield f"avro/{file_name}.avsc has no struct; add {file_name} to its topic's file in schemas/messages"
    else:
        yield from _between_struct(struct, schema)


def find_incompatible(schema: Schema, lock: tuple[Locked, ...], root: Path = SOURCE) -> Iterator[str]:
    """Yield every committed version of the record that this schema cannot read, and why."""
    reader = avro.schema.parse(json.dumps(schema))
    for entry in lock:
        if entry.name != full_name(schema):
            continue
        writer = avro.schema.parse(canonical(read_history(entry, root)))
        checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
        verdict = checker.get_compatibility(reader, writer)
        if verdict.compatibility is not SchemaCompatibilityType.compatible:
            kinds = ", ".join(sorted(kind.value for kind in verdict.incompatibilities))
            yield (
                f"{entry.name} cannot read its version {entry.version} (id {entry.id}) any more: {kinds}: "
                f"{'; '.join(sorted(verdict.messages))}. Give new fields a default and keep types; or add a new message"
            )


def _in_lock(lock: tuple[Locked, ...]) -> Iterator[str]:
    if [entry.id for entry in lock] != list(range(1, len(lock) + 1)):
        yield "lock.json: ids do not run from 1 without a gap; an id is never removed: restore the file from git"
    versions: dict[str, int] = {}
    for entry in lock:
        expected = versions.get(entry.name, 0) + 1
        if entry.version != expected:
            yield f"lock.json: id {entry.id} is {entry.name} {entry.version}, where {expected} follows; restore it from git"
        versions[entry.name] = entry.version


def _in_history(lock: tuple[Locked, ...], root: Path) -> Iterator[str]:
    for entry in lock:
        schema = read_history(entry, root)
        if fingerprint(schema) != entry.sha256 or full_name(schema) != entry.name:
            yield (
                f"history/{entry.id}.avsc is not the {entry.name} version {entry.version} that was committed; "
                "the log still holds records of it: restore the file from git"
            )
    known = {f"{entry.id}.avsc" for entry in lock}
    for path in sorted((root / "history").glob("*")):
        if path.name not in known:
            yield f"history/{path.name} is not in lock.json; `python -m schemas.codec.register` writes both, nobody else does"


def _in_sources(current: Mapping[str, Schema]) -> Iterator[str]:
    for file_name, schema in current.items():
        yield from find_in_source(schema, file_name)
    for message in MESSAGES:
        if message.__name__ not in current:
            yield f"{message.__name__} has no avro/{message.__name__}.avsc; `python -m schemas.codec.register` drafts one"


def _between_struct(struct: type[Message], schema: Schema) -> Iterator[str]:
    name = struct.__name__
    fields = msgspec.structs.fields(struct)
    in_struct, in_schema = [field.name for field in fields], [field["name"] for field in schema["fields"]]
    if in_struct != in_schema:
        yield f"{name}: the struct's fields are {in_struct}, the schema's {in_schema}; make names and order equal"
        return
    for field, avro_field in zip(fields, schema["fields"], strict=True):
        allowed = next((avro_types for python_type, avro_types in AVRO_TYPES if python_type == field.type), ())
        if field.name.endswith(("_ms", "_minor")):
            allowed = ("long",)
        if avro_field["type"] not in allowed:
            yield f"{name}.{field.name} is {avro_field['type']} in Avro, {field.type} in the struct; use one of {allowed}"


def _between(current: Mapping[str, Schema], lock: tuple[Locked, ...], root: Path) -> Iterator[str]:
    newest = latest(lock)
    for schema in current.values():
        entry = newest.get(full_name(schema))
        if entry is None or entry.sha256 != fingerprint(schema):
            yield f"{full_name(schema)} is not in the lock as it stands; run `python -m schemas.codec.register` and commit"
        yield from find_incompatible(schema, lock, root)
    for name in sorted(newest.keys() - {full_name(schema) for schema in current.values()}):
        yield f"{name} is in the lock but has no schema in avro/; the log still holds such records: keep it"


def main() -> int:
    """Print the findings; the exit code is 1 if there are any."""
    findings = find_all()
    sys.stdout.writelines(f"{finding}\n" for finding in findings)
    if not findings:
        sys.stdout.write(f"schemas: {len(read_lock())} versions of {len(MESSAGES)} messages agree\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
