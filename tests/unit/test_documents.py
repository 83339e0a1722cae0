"""The documents are short where they must be, and name what exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)(?:#[^)]*)?\)")
PLACE = re.compile(r"`((?:schemas|topology|producers|consumers|infra|docs|tests)/[\w./-]*\w)(?:::\w+)?`")


@pytest.mark.parametrize(("name", "most"), [("README.md", 100), ("ARCHITECTURE.md", 160)])
def test_the_first_pages_are_short(name: str, most: int) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= most


def test_a_file_of_more_than_300_lines_says_why_at_its_head() -> None:
    for folder in ("schemas", "topology", "producers", "consumers", "infra", "lastunit_client", "docs", "tests"):
        for module in (ROOT / folder).rglob("*.py"):
            text = module.read_text()
            assert len(text.splitlines()) <= 300 or "Longer than other files" in (
                ast.get_docstring(ast.parse(text)) or ""
            )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_is_there(page: Path) -> None:
    missing = [place for place in PLACE.findall(page.read_text()) if not (ROOT / place).exists()]
    assert not missing


DECISIONS = sorted((ROOT / "docs/decisions").glob("0*.md"))


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_and_the_modules_that_it_explains_name_each_other(page: Path) -> None:
    [code] = re.findall(r"^Code: .*$", page.read_text(), re.MULTILINE)
    modules = re.findall(r"`([\w/]+\.py)`", code)
    assert modules
    for module in modules:
        docstring = ast.get_docstring(ast.parse((ROOT / module).read_text())) or ""
        assert re.search(rf"^Decisions?: docs/decisions,.* {page.stem[:3]}\b", docstring, re.MULTILINE), module


def test_the_index_lists_each_decision_once_in_their_order() -> None:
    index = re.findall(r"^- \[(\d+) .*\]\((.+)\)$", (ROOT / "docs/decisions/README.md").read_text(), re.MULTILINE)
    assert index == [(page.stem[:3], page.name) for page in DECISIONS]


def test_every_decision_that_code_names_is_there() -> None:
    numbers = {page.stem[:3] for page in DECISIONS}
    for folder in ("schemas", "topology", "producers", "consumers", "infra", "lastunit_client", "tests"):
        for module in (ROOT / folder).rglob("*.py"):
            named = re.findall(r"^Decisions?: docs/decisions, ([\d, ]+)\.$", module.read_text(), re.MULTILINE)
            assert {number for numbers_ in named for number in numbers_.split(", ")} <= numbers, module
