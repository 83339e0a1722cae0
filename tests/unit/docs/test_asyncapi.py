"""The AsyncAPI document and its page, as far as they can be judged without AsyncAPI's parser (tests/asyncapi)."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any, Final

import msgspec
import pytest
from typing_extensions import override

from docs.tools import asyncapi, asyncapi_page
from docs.tools.examples import example_of
from schemas import messages as m
from schemas.codec.wire import decode, schema_id_of
from schemas.validation import CHECKED, find_fault

DOCUMENT: Final = asyncapi.document()
MESSAGES: Final[dict[str, Any]] = DOCUMENT["components"]["messages"]
SENT: Final = [kind for kinds in asyncapi.SENT_TO_US.values() for kind in kinds]


@pytest.mark.parametrize("kind", SENT, ids=lambda kind: kind.__name__)
def test_a_command_that_others_send_has_an_example_that_would_be_accepted(kind: type[m.Message]) -> None:
    example = example_of(kind)
    assert example is not None
    assert find_fault(example) is None


def test_every_checked_command_is_one_that_others_send() -> None:
    assert {kind for kind in CHECKED if kind not in SENT} <= {m.ReturnLine}


@pytest.mark.parametrize("name", MESSAGES)
def test_an_example_and_its_value_are_one(name: str) -> None:
    message = MESSAGES[name]
    if "examples" in message:
        value = bytes.fromhex(message["x-example-value"])
        assert schema_id_of(value) == message["x-schema-id"]
        assert msgspec.to_builtins(decode(value)) == message["examples"][0]["payload"]


def test_only_what_holds_bytes_has_no_example() -> None:
    assert [name for name, message in MESSAGES.items() if "examples" not in message] == ["DeadLetter"]


class _Page(HTMLParser):
    """What a page refers to, and which places it has."""

    def __init__(self) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.references: set[str] = set()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "link", "img", "iframe"}
        for name, value in attrs:
            if name == "id":
                self.places.add(value or "")
            elif name in {"href", "src"}:
                self.references.add(value or "")


def test_the_page_has_every_message_and_needs_nothing_from_elsewhere() -> None:
    html = asyncapi_page.body(asyncapi.text(), "asyncapi.yaml")
    page = _Page()
    page.feed(html)
    assert set(MESSAGES) <= page.places
    assert page.references - {"asyncapi.yaml"} == {f"#{place}" for place in page.places} & page.references
    assert not re.search(r"url\(|@import", html)
