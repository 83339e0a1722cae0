"""What changed between two versions of a record's schema, field by field. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.codec.lock import Schema


class Change(NamedTuple):
    """One field, and what happened to it."""

    field: str
    what: str


def changes_of(before: Schema, after: Schema) -> Iterator[Change]:
    """Yield what changed from one version to the next; documentation is no change."""
    old, new = _fields(before), _fields(after)
    for name, field in new.items():
        if name not in old:
            default = f", {json.dumps(field['default'])} where it is missing" if "default" in field else ""
            yield Change(name, f"added{default}")
            continue
        if old[name]["type"] != field["type"]:
            yield Change(name, f"type {json.dumps(old[name]['type'])} became {json.dumps(field['type'])}")
        if old[name].get("default") != field.get("default"):
            was, now = json.dumps(old[name].get("default")), json.dumps(field.get("default"))
            yield Change(name, f"default {was} became {now}")
    for name in old:
        if name not in new:
            yield Change(name, "removed")


def _fields(schema: Schema) -> dict[str, dict[str, Any]]:
    return {field["name"]: field for field in schema["fields"]}
