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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_is_there(page: Path) -> None:
    missing = [place for place in PLACE.findall(page.read_text()) if not (ROOT / place).exists()]
    assert not missing


@pytest.mark.parametrize("page", sorted((ROOT / "docs/decisions").glob("0*.md")), ids=lambda page: page.stem)
def test_a_decision_and_the_modules_that_it_explains_name_each_other(page: Path) -> None:
    [code] = re.findall(r"^Code: .*$", page.read_text(), re.MULTILINE)
    for module in re.findall(r"`([\w/]+\.py)`", code):
        docstring = ast.get_docstring(ast.parse((ROOT / module).read_text())) or ""
        assert re.search(rf"^Decisions?: docs/decisions,.* {page.stem[:3]}\b", docstring, re.MULTILINE), module
