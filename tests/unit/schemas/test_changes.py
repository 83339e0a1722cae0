"""What changed between versions of a schema is named field by field."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from schemas.codec.changes import Change, changes_of
from schemas.codec.lock import full_name, read_current, read_history, read_lock


def record(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": list(fields)}


def test_each_change_of_a_field_is_named() -> None:
    before = record(
        {"name": "a", "type": "int"}, {"name": "b", "type": "string", "default": ""}, {"name": "c", "type": "int"}
    )
    after = record(
        {"name": "a", "type": "long", "doc": "x"},
        {"name": "b", "type": "string", "default": "z"},
        {"name": "d", "type": "int", "default": 0},
    )
    assert list(changes_of(before, after)) == [
        Change("a", 'type "int" became "long"'),
        Change("b", 'default "" became "z"'),
        Change("d", "added, 0 where it is missing"),
        Change("c", "removed"),
    ]


def test_documentation_is_no_change() -> None:
    assert not list(changes_of(record({"name": "a", "type": "int"}), record({"name": "a", "type": "int", "doc": "x"})))


def test_the_history_of_a_real_message_is_read() -> None:
    schema = read_current()["PlaceOrderLine"]
    versions = [read_history(entry) for entry in read_lock() if entry.name == full_name(schema)]
    added = [change.field for before, after in pairwise(versions) for change in changes_of(before, after)]
    assert "cart_id" in added
    assert "terms" in added
