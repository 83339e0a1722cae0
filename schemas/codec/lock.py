"""The lock: every version of every schema ever committed, under an id that never changes and is never used again.

`lock.json` maps an id to a record's name, its version and the SHA-256 of its canonical form; `history/<id>.avsc` is
that form. The log is kept for good, so both only ever grow. `python -m schemas.codec.register` appends, `schemas.codec.check`
verifies, and at run time this is all that is read: `avro/` is the source that people edit.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import schemas
from schemas.errors import LockError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

Schema: TypeAlias = dict[str, Any]
"""An Avro record schema as parsed JSON."""

NAMESPACE: Final = "lastunit"
ROOT: Final[Traversable] = files(schemas)


@dataclass(frozen=True, slots=True)
class Locked:
    """One committed version of one schema. `name` is the record's full name, such as lastunit.PlaceOrderLine."""

    id: int
    name: str
    version: int
    sha256: str


def canonical(schema: Schema) -> str:
    """Return the form in which two schemas are compared: no docs, sorted keys, one field a line, one text per meaning.

    Avro's own Parsing Canonical Form drops defaults too; ours keeps them, since readers depend on them.
    """
    head = {key: _undocumented(value) for key, value in schema.items() if key not in {"doc", "fields"}}
    fields = ",\n    ".join(json.dumps(_undocumented(field), sort_keys=True) for field in schema["fields"])
    head_lines = "".join(f"  {json.dumps(key)}: {json.dumps(head[key], sort_keys=True)},\n" for key in sorted(head))
    return f'{{\n{head_lines}  "fields": [\n    {fields}\n  ]\n}}\n'


def _undocumented(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _undocumented(value) for key, value in node.items() if key != "doc"}
    if isinstance(node, list):
        return [_undocumented(value) for value in node]
    return node


def fingerprint(schema: Schema) -> str:
    """Return the SHA-256 of the schema's canonical form, in hexadecimal."""
    return hashlib.sha256(canonical(schema).encode()).hexdigest()


def full_name(schema: Schema) -> str:
    """Return the record's full name, such as lastunit.PlaceOrderLine."""
    return f"{schema['namespace']}.{schema['name']}"


def read_lock(root: Traversable = ROOT) -> tuple[Locked, ...]:
    """Return all that was ever committed, by ascending id. Raises LockError where the file is not what we write."""
    path = root / "lock.json"
    if not path.is_file():
        return ()
    try:
        entries = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repeats)
        locked = (Locked(int(id_), e["name"], e["version"], e["sha256"]) for id_, e in entries.items())
        return tuple(sorted(locked, key=lambda entry: entry.id))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LockError(f"lock.json cannot be read ({error!r}): restore it from git, never edit it by hand") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse what a badly merged file looks like: JSON would silently keep the last of two equal ids."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError(f"a key occurs twice among {[key for key, _ in pairs][:40]}")
    return dict(pairs)


def render_lock(entries: tuple[Locked, ...]) -> str:
    """Return the text of lock.json: one entry a line, so that a diff shows what was added and a conflict shows itself."""
    lines = (
        f"  {json.dumps(str(e.id))}: {json.dumps({'name': e.name, 'version': e.version, 'sha256': e.sha256})}"
        for e in entries
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_history(entry: Locked, root: Traversable = ROOT) -> Schema:
    """Return the schema that was committed under this id. Raises LockError where it is missing or no record schema."""
    return _read_schema(root / "history" / f"{entry.id}.avsc")


def read_current(root: Traversable = ROOT) -> dict[str, Schema]:
    """Return the schemas that people edit, by file name without .avsc. Raises LockError for a file that is no schema."""
    paths = sorted((root / "avro").iterdir(), key=lambda path: path.name)
    return {path.name.removesuffix(".avsc"): _read_schema(path) for path in paths if path.name.endswith(".avsc")}


def _read_schema(path: Traversable) -> Schema:
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LockError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(schema, dict) or schema.get("type") != "record" or not {"namespace", "fields"} <= schema.keys():
        raise LockError(f"{path.name} is no record schema with a namespace and fields")
    return schema


def latest(entries: tuple[Locked, ...]) -> dict[str, Locked]:
    """Return the newest version of each record, by full name."""
    return {entry.name: entry for entry in sorted(entries, key=lambda entry: entry.version)}
