"""That every test named in docs/guides/complaints.md exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guides" / "complaints.md"
NAMED = re.findall(r"^\| .+ \| `(tests/[^:`]+)::(\w+)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def named_in(path: Path) -> set[str]:
    return set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize(("path", "test"), NAMED)
def test_a_complaint_names_a_test_that_exists(path: str, test: str) -> None:
    assert test in named_in(ROOT / path)


def test_every_row_of_the_page_names_a_test() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert len(rows) == len(NAMED) + 1
    assert len(NAMED) == len(set(NAMED))
