"""The documents are short where they must be, and name what exists."""

from __future__ import annotations

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
