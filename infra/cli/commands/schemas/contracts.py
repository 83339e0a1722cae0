"""`lastunit schemas show | diff | check`: what is in a message, what changed from version to version, what is wrong."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from infra.cli.arguments import name_argument
from infra.cli.commands.schemas.registry import faults_in_registry
from infra.cli.output import FAILED, AsJson, fail, print_json, print_table, print_text, stdout
from schemas.codec.changes import changes_of
from schemas.codec.lock import Locked, Schema, full_name, latest, read_current, read_history, read_lock
from topology.topics import TOPICS

Message = Annotated[str, name_argument("MESSAGE", "A message's name, as in `PlaceOrderLine`.")]


def show(message: Message, *, as_json: AsJson = False) -> None:
    """Show a message's fields, its topic and key, and the id that stands before it on the wire."""
    schema = _schema(message)
    locked = latest(read_lock()).get(full_name(schema))
    topics = [topic for topic in TOPICS if any(kind.__name__ == message for kind in topic.carries)]
    if as_json:
        where = [{"topic": topic.name, "key": topic.key, "written_by": sorted(topic.written_by)} for topic in topics]
        print_json(
            {"id": locked and locked.id, "version": locked and locked.version, "topics": where, "schema": schema}
        )
        return
    print_text(f"{message}: {schema.get('doc', '')}")
    for topic in topics:
        print_text(f"on {topic.name}, keyed by {topic.key}, written by {', '.join(sorted(topic.written_by))}")
    if locked is not None:
        print_text(f"id {locked.id}, version {locked.version}")
    fields = [
        (field["name"], _type_text(field["type"]), _default_text(field), field.get("doc", ""))
        for field in schema["fields"]
    ]
    print_table(("Field", "Type", "Default", "What it is"), fields)


def diff(message: Message, *, as_json: AsJson = False) -> None:
    """Show what each version of a message changed, and what is not registered yet."""
    schema = _schema(message)
    versions: list[tuple[Locked | None, Schema]] = [
        (entry, read_history(entry)) for entry in read_lock() if entry.name == full_name(schema)
    ]
    changes = [
        (f"version {entry.version} (id {entry.id})" if entry else "not registered", change)
        for (_, before), (entry, after) in zip(versions, [*versions[1:], (None, schema)], strict=True)
        for change in changes_of(before, after)
    ]
    if as_json:
        print_json([{"version": version, "field": change.field, "change": change.what} for version, change in changes])
    elif changes:
        print_table(
            ("Version", "Field", "Change"), [(version, change.field, change.what) for version, change in changes]
        )
    else:
        stdout().print(f"{message} is as it was in its first version.", markup=False)


def check(*, as_json: AsJson = False) -> None:
    """Check that every schema is sound and reads all that the log ever held. Exit status 1: one is not.

    Where LASTUNIT_SCHEMA_REGISTRY_URL names a registry, each id has to mean there what it means here.
    """
    try:
        from schemas.codec.check import find_all  # noqa: PLC0415  it needs a package that only development has
    except ImportError:
        fail("Apache Avro's own checker is not installed here; `make .venv` installs it.")
    faults = [*find_all(), *faults_in_registry()]
    if as_json:
        print_json({"sound": not faults, "faults": faults})
    else:
        for fault in faults:
            print_text(fault)
        if not faults:
            print_text(f"{len(read_lock())} versions of {len(read_current())} messages agree")
    if faults:
        raise typer.Exit(FAILED)


def _schema(message: str) -> Schema:
    schema = read_current().get(message)
    if schema is None:
        near = [name for name in read_current() if message.lower() in name.lower()]
        hint = f"; there are {', '.join(near[:5])}" if near else "; `docs/reference/messages.md` lists all"
        fail(f"There is no message {message!r}{hint}.")
    return schema


def _type_text(avro_type: Any) -> str:
    if isinstance(avro_type, str):
        return avro_type
    if isinstance(avro_type, list):
        return " or ".join(map(_type_text, avro_type))
    kind = avro_type["type"]
    inner = avro_type.get("items", avro_type.get("values"))
    return f"{kind} of {_type_text(inner)}" if inner is not None else str(avro_type.get("name", kind))


def _default_text(field: dict[str, Any]) -> str:
    return json.dumps(field["default"]) if "default" in field else "required"
