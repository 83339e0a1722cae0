"""That the walks of docs/guides/extending.md are whole, and as short as they claim."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "extending.md"
GIT = shutil.which("git") or "git"
COPIED = ("schemas", "topology", "producers", "consumers", "infra", "tests/unit", "tests/harness")
_FILE = re.compile(r"^diff --git a/(\S+) b/\S+\n(new file)?", re.MULTILINE)


class Walk(NamedTuple):
    """One walk: its diff, and the files that a hand makes and edits."""

    diff: str
    made: list[str]
    edited: list[str]

    @property
    def tests(self) -> list[str]:
        return [name for name in self.made if name.startswith("tests/")]


def walk(diff: str) -> Walk:
    files = _FILE.findall(diff)
    made = [name for name, is_new in files if is_new]
    return Walk(diff, made, [name for name, is_new in files if not is_new])


WALKS = [
    walk(diff)
    for diff in re.findall(r"^```diff\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with all walks applied; with its bytecode, which is newer than what a walk leaves alone."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        shutil.copytree(ROOT / name, copy / name)
    for path in (ROOT / "pyproject.toml", *(ROOT / "tests").glob("*.py")):
        shutil.copy(path, copy / path.relative_to(ROOT))
    for each in WALKS:
        applied = subprocess.run(
            [GIT, "apply", "-C1", "-"], cwd=copy, input=each.diff, text=True, capture_output=True, check=False
        )
        assert not applied.returncode, (
            f"{each.made + each.edited}: {applied.stderr}; make the diff in docs/guides/extending.md anew"
        )
    return copy


def run(checkout: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=checkout, text=True, capture_output=True, check=False)
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


def test_the_walks_are_as_short_as_they_claim() -> None:
    command, event, room = WALKS
    assert len(command.made + command.edited) <= 6
    assert len(event.made + event.edited) <= 7
    own = [name for name in room.made if name.startswith("consumers/") and not name.endswith("__init__.py")]
    migrations = [name for name in room.made if name.startswith("infra/base/migrations/")]
    assert (len(own), len(migrations), len(room.edited)) == (6, 1, 3)
    assert len(room.made) == len([*own, *migrations, *room.tests]) + 1, "and the folder's empty __init__.py"


def test_each_walk_is_whole_and_passes_its_own_tests(checkout: Path) -> None:
    assert "ReceiveTransfer version 1" in run(checkout, "schemas.codec.register")
    run(checkout, "schemas.codec.check")
    tests = [name for each in WALKS for name in each.tests]
    assert len(tests) == len(WALKS)
    run(
        checkout,
        "pytest",
        "-q",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        *tests,
        "tests/unit/notifications/test_what_is_told.py",
    )


def test_a_walk_that_forgets_the_table_is_stopped_at_import(checkout: Path) -> None:
    """The negative control: without its row in the table the command's room does not even start."""
    table = checkout / "consumers" / "inventory" / "transitions.py"
    whole = table.read_text(encoding="utf-8")
    try:
        table.write_text(
            whole.replace("        m.ReceiveTransfer: parkable(receive_transfer),\n", ""), encoding="utf-8"
        )
        with pytest.raises(AssertionError, match="IncompleteTableError"):
            run(checkout, "consumers.inventory.transitions")
    finally:
        table.write_text(whole, encoding="utf-8")
