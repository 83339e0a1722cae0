"""docs/reference: configuration, command line, messages and the AsyncAPI document, generated from the code.

`python -m docs.tools.reference` writes the files, `--check` fails where one is not what the code gives (`make check`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic_core import PydanticUndefined

from docs.tools import asyncapi
from infra.base.settings import PREFIX, Settings
from infra.cli import build
from schemas.codec.lock import read_current
from topology.topics import TOPIC_NAMES, TOPICS

DIRECTORY: Final = Path(__file__).parents[1] / "reference"
REMAKE: Final = "`python -m docs.tools.reference`"


def main() -> int:
    """Write the files, or with --check print which are stale; return the exit status."""
    wanted = {
        "configuration.md": configuration(),
        "cli.md": command_line(),
        "messages.md": messages(),
        "asyncapi.yaml": asyncapi.text(),
    }
    stale = [name for name, text in wanted.items() if _read(DIRECTORY / name) != text]
    if "--check" in sys.argv[1:]:
        for name in stale:
            sys.stderr.write(f"docs/reference/{name} is stale: run {REMAKE}\n")
        return 1 if stale else 0
    DIRECTORY.mkdir(exist_ok=True)
    for name in stale:
        (DIRECTORY / name).write_text(wanted[name], encoding="utf-8")
    return 0


def configuration() -> str:
    """Return the page of all settings."""
    lines = [
        *_head("Configuration", "infra/base/settings.py"),
        (
            f"Each setting is an environment variable, {PREFIX} and its name in capitals. Each has a default that works on "
            "one machine; `lastunit config` prints what is in force."
        ),
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, PydanticUndefined, "") else f"`{field.default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {_cell(field.description or '')} |")
    return "\n".join(lines) + "\n"


def command_line() -> str:
    """Return the page of all commands with their options."""
    root = build()
    lines = [
        *_head("Command line", "infra/cli"),
        (
            "Every command ends with exit status 0 where it did what was asked, 1 where that failed or was refused, and 2 "
            "where it was called wrongly. `--json` prints a document for programs."
        ),
        "",
    ]
    for path, command in _commands(root, ("lastunit",)):
        lines += [f"## `{' '.join(path)}`", "", _text(command.help or ""), ""]
        context = command.make_context(path[-1], [], resilient_parsing=True)
        rows = [_parameter(parameter, context) for parameter in command.params if parameter.name != "help"]
        if rows:
            lines += ["| argument or option | meaning |", "|---|---|", *rows, ""]
    return "\n".join(lines).rstrip() + "\n"


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command that does something, depth first, with the words that call it."""
    if not hasattr(command, "list_commands"):
        yield path, command
        return
    context = command.make_context(path[-1], [], resilient_parsing=True)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        if not child.hidden:
            yield from _commands(child, (*path, name))


def _parameter(parameter: Any, context: Any) -> str:
    if parameter.param_type_name == "option":
        name, meaning = parameter.get_help_record(context)
    else:
        name, meaning = parameter.metavar or parameter.name.upper(), parameter.help or ""
    return f"| `{_cell(name)}` | {_cell(meaning)} |"


def messages() -> str:
    """Return the page of all topics and of the messages that each carries."""
    schemas = read_current()
    lines = [
        *_head("Messages", "schemas/avro and topology/topics.py"),
        (
            "A record's value is Avro in the Confluent wire format; the schemas are in `schemas/avro`, their ids in "
            "`schemas/lock.json`. Records are partitioned by murmur2 of their key. For tools, with examples: "
            "[asyncapi.yaml](asyncapi.yaml)."
        ),
        "",
    ]
    for topic in TOPICS:
        kept = "the latest of each key" if topic.cleanup_policy == "compact" else "all"
        writers = ", ".join(sorted(topic.written_by))
        lines += [f"## {topic.name}", "", f"Key: `{topic.key}`. Written by: {writers}. Kept: {kept}.", ""]
        if others := [message.__name__ for message in topic.also_carries if message in TOPIC_NAMES]:
            lines += [f"Carries these commands too, which have a topic of their own: {', '.join(others)}.", ""]
        for message in topic.carries:
            schema = schemas[message.__name__]
            lines += [f"### {message.__name__}", "", _text(schema.get("doc", "")), ""]
            lines += ["| field | type | meaning |", "|---|---|---|"]
            lines += [
                f"| `{field['name']}` | {_cell(type_name(field['type']))} | {_cell(field.get('doc', ''))} |"
                for field in schema["fields"]
            ]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def type_name(avro: Any) -> str:
    """Return the type of a field as people read it."""
    if isinstance(avro, list):
        return " or ".join(map(type_name, avro))
    if isinstance(avro, dict):
        inner = avro.get("items", avro.get("values", avro.get("name", "")))
        return f"{avro['type']} of {type_name(inner)}" if avro["type"] in ("array", "map") else str(avro.get("name"))
    return str(avro)


def _head(title: str, source: str) -> list[str]:
    return [f"<!-- Generated from {source} by {REMAKE}: change those and run it again. -->", "", f"# {title}", ""]


def _text(text: str) -> str:
    """Return a docstring as one paragraph a block, its lines joined."""
    blocks = text.strip().split("\n\n")
    return "\n\n".join(" ".join(line.strip() for line in block.splitlines()) for block in blocks)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main())
