"""The AsyncAPI document as a page of the site: no script, nothing from a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from docs.tools.reference import type_name

_PAGES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def title(text: str) -> str:
    """Return the document's title."""
    heading: str = _load(text)["info"]["title"]
    return heading


def body(text: str, name: str) -> str:
    """Return the page's HTML inside <main>; the document itself stands beside the page under `name`."""
    document = _load(text)
    channels = document["channels"]
    page = _PAGES.get_template("asyncapi.html.jinja")
    return page.render(
        name=name,
        info=document["info"],
        channels=channels.values(),
        messages=document["components"]["messages"],
        sections=_sections(channels),
        operations=[
            (operation, channels[_last(operation["channel"])]) for operation in document["operations"].values()
        ],
        headers=document["components"]["schemas"]["Headers"]["properties"],
        last=_last,
        markdown=_markdown,
        inline=_inline,
        pretty=lambda value: json.dumps(value, indent=2, ensure_ascii=False),
        type_name=type_name,
        records=_records,
    )


def _load(text: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return document


def _sections(channels: dict[str, Any]) -> list[tuple[dict[str, Any], list[str]]]:
    """Return each channel with the messages that no earlier one has."""
    seen: set[str] = set()
    sections = []
    for channel in channels.values():
        sections.append((channel, [name for name in channel["messages"] if name not in seen]))
        seen.update(channel["messages"])
    return sections


def _records(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records of which a message has lists."""
    kinds = [field["type"] for field in schema["fields"]]
    items = [kind.get("items") for kind in kinds if isinstance(kind, dict)]
    return [item for item in items if isinstance(item, dict)]


def _last(reference: dict[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]


def _markdown(text: str) -> Markup:
    return Markup(MarkdownIt("commonmark").render(text))  # noqa: S704  CommonMark of our own documents


def _inline(text: str) -> Markup:
    return Markup(MarkdownIt("commonmark", {"html": False}).renderInline(text))  # noqa: S704  the same
