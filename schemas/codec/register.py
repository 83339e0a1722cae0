"""Puts new and changed schemas into the lock: `python -m schemas.codec.register`.

1. Add the struct to its topic's file in schemas/messages and run this: it drafts `avro/<Name>.avsc`. For a change, edit struct and file alike.
2. Give every field a doc, with its unit, and a default if the record existed before.
3. Run this again and commit what it wrote: the id is now permanent.

Nothing is written unless every schema is sound and reads all that was ever committed.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from schemas.codec.check import AVRO_TYPES, SOURCE, find_in_source, find_incompatible
from schemas.codec.lock import (
    NAMESPACE,
    Locked,
    Schema,
    canonical,
    fingerprint,
    full_name,
    latest,
    read_current,
    read_lock,
    render_lock,
)
from schemas.errors import LockError
from schemas.messages import MESSAGES, Message

if TYPE_CHECKING:
    from pathlib import Path


def register(root: Path = SOURCE) -> tuple[list[Locked], list[str]]:
    """Lock every new or changed schema of `root`. Returns what was added, and what stands against it (then nothing is)."""
    lock, current = read_lock(root), read_current(root)
    newest = latest(lock)
    added: list[tuple[Locked, Schema]] = []
    against: list[str] = []
    for file_name, schema in _in_order(current):
        before = newest.get(full_name(schema))
        if before is not None and before.sha256 == fingerprint(schema):
            continue
        against += [*find_in_source(schema, file_name), *find_incompatible(schema, lock, root)]
        id_ = max((entry.id for entry in lock), default=0) + len(added) + 1
        version = before.version + 1 if before else 1
        added.append((Locked(id_, full_name(schema), version, fingerprint(schema)), schema))
    if against:
        return [], against
    (root / "history").mkdir(exist_ok=True)
    for entry, schema in added:
        (root / "history" / f"{entry.id}.avsc").write_text(canonical(schema), encoding="utf-8")
    entries = (*lock, *(entry for entry, _ in added))
    (root / "lock.json").write_text(render_lock(entries), encoding="utf-8")
    return [entry for entry, _ in added], []


def _in_order(current: dict[str, Schema]) -> list[tuple[str, Schema]]:
    """Messages in the order in which the code lists them, so that ids follow the saga."""
    position = {message.__name__: index for index, message in enumerate(MESSAGES)}
    return sorted(current.items(), key=lambda item: (position.get(item[0], len(position)), item[0]))


def draft_missing(root: Path = SOURCE) -> list[str]:
    """Write a draft for each message that has no schema yet; its docs are empty, so that nobody can forget them."""
    missing = [message for message in MESSAGES if not (root / "avro" / f"{message.__name__}.avsc").exists()]
    for message in missing:
        (root / "avro" / f"{message.__name__}.avsc").write_text(draft(message), encoding="utf-8")
    return [f"avro/{message.__name__}.avsc" for message in missing]


def draft(message: type[Message]) -> str:
    """Return the schema that follows from a struct, one field a line, with empty docs."""
    doc = (message.__doc__ or "").strip().partition("\n")[0]
    fields = ",\n    ".join(
        json.dumps({"name": field.name, "type": _avro_type(field.name, field.type), "doc": ""} | _default(field))
        for field in msgspec.structs.fields(message)
    )
    return (
        f'{{\n  "type": "record",\n  "name": "{message.__name__}",\n  "namespace": "{NAMESPACE}",\n'
        f'  "doc": {json.dumps(doc)},\n  "fields": [\n    {fields}\n  ]\n}}\n'
    )


def _default(field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    """Return a draft's default: old records lack the field."""
    if field.default is msgspec.NODEFAULT:
        return {}
    return {"default": [] if field.default == () else field.default}


def _avro_type(name: str, python_type: Any) -> Any:
    if name.endswith(("_ms", "_minor")):
        return "long"
    return next((avro_types[0] for known, avro_types in AVRO_TYPES if known == python_type), str(python_type))


def main() -> int:
    """Draft, register, and print what was done; the exit code is 1 if something stands against it."""
    try:
        sys.stdout.writelines(f"drafted {path}: give every field a doc\n" for path in draft_missing())
        added, against = register()
    except LockError as error:
        added, against = [], [str(error)]
    sys.stdout.writelines(f"not registered: {finding}\n" for finding in against)
    sys.stdout.writelines(f"id {entry.id} is {entry.name} version {entry.version}\n" for entry in added)
    if not added and not against:
        sys.stdout.write("everything is in the lock already\n")
    return 1 if against else 0


if __name__ == "__main__":
    sys.exit(main())
