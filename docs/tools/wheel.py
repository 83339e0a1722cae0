"""`python -m docs.tools.wheel FOLDER`: builds the wheel of the whole system, which has one top-level name, `lastunit`.

Our packages (`schemas`, `infra` ...) stand inside it with their imports rewritten, so that they meet no package of somebody
else's that is named as one of ours. The tree that the wheel is made from is left in FOLDER/lastunit-tree.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from docs.tools.moved_package import ROOT, Move, rewritten

PACKAGE: Final = "lastunit"
INSIDE: Final = ("schemas", "topology", "producers", "consumers", "infra")
MOVE: Final = Move(PACKAGE, INSIDE, renames_texts=True)
LEFT_OUT: Final = frozenset({".pyc", ".so"})
"""What Python and compilers leave behind."""
SCRIPT: Final = f'{PACKAGE} = "infra.cli:main"'
"""The console script in pyproject.toml, where the packages stand at the top."""


def build(folder: Path) -> Path:
    """Build the wheel in `folder`; return its path."""
    tree = folder / "lastunit-tree"
    shutil.rmtree(tree, ignore_errors=True)
    for file in (file for name in INSIDE for file in sorted((ROOT / name).rglob("*")) if file.is_file()):
        if file.suffix in LEFT_OUT:
            continue
        target = tree / PACKAGE / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".py":
            target.write_text(rewritten(file, MOVE), encoding="utf-8")
        else:
            shutil.copyfile(file, target)
    (tree / PACKAGE / "__init__.py").write_text(
        '"""Lastunit: an event-driven order and inventory system on Kafka."""\n'
    )
    for name in ("LICENSE", "README.md"):
        shutil.copyfile(ROOT / name, tree / name)
    (tree / "pyproject.toml").write_text(_project(), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder.resolve())],
        cwd=tree,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return max(folder.glob("lastunit-*.whl"), key=lambda wheel: wheel.stat().st_mtime)


def _project() -> str:
    """Return the wheel's pyproject.toml: the head of ours, with the console script where it is inside the package."""
    head, groups, _ = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("\n[dependency-groups]\n")
    if not groups or SCRIPT not in head:
        raise ValueError(f"pyproject.toml has no [dependency-groups] behind [project.scripts] with {SCRIPT}")
    script = SCRIPT.replace('"infra', f'"{PACKAGE}.infra')
    return f'{head.replace(SCRIPT, script)}\n[tool.hatch.build.targets.wheel]\npackages = ["{PACKAGE}"]\n'


if __name__ == "__main__":
    sys.stdout.write(f"{build(Path(sys.argv[1]))}\n")
