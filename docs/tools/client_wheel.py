"""`python -m docs.tools.client_wheel FOLDER`: builds the wheel lastunit-client, which has one top-level name.

It holds the package `lastunit_client` and, as packages inside it, those modules of `schemas`, `topology`, `producers` and
`consumers` that it needs, with their imports rewritten. The tree that the wheel is made from is left in FOLDER/tree.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

from docs.tools.moved_package import ROOT, Move, UnfitSourceError, file_of, write_moved

CLIENT: Final = "lastunit_client"
INSIDE: Final = ("schemas", "topology", "producers", "consumers")
"""Packages of ours that stand inside the client's."""
REPLACED: Final = {"structlog": f"{CLIENT}.logs"}
"""Packages that the client does without, and what stands in for each."""
MOVE: Final = Move(CLIENT, INSIDE, REPLACED)
OPTIONAL: Final = frozenset({"opentelemetry"})
"""Packages that the client uses where they are installed."""
DATA: Final = ("schemas/lock.json", "schemas/history/*.avsc", "schemas/codec/flat.c", f"{CLIENT}/py.typed")
ROOTS: Final = (f"{CLIENT}.commands", f"{CLIENT}.logs", "schemas.codec.build")
"""Modules that nothing imports, and that are in the wheel all the same."""
MAX_DEPENDENCIES: Final = 6


def build(folder: Path) -> Path:
    """Build the wheel in `folder`; return its path."""
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    modules, distributions = modules_needed()
    write_moved({*modules, *(path for pattern in DATA for path in ROOT.glob(pattern))}, tree, MOVE)
    shutil.copyfile(ROOT / "LICENSE", tree / "LICENSE")
    shutil.copyfile(ROOT / "docs/guides/python-client.md", tree / "README.md")
    (tree / "pyproject.toml").write_text(_project(distributions), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder.resolve())],
        cwd=tree,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return max(folder.glob("lastunit_client-*.whl"), key=lambda wheel: wheel.stat().st_mtime)


def modules_needed() -> tuple[set[Path], set[str]]:
    """Return the files of all modules that the client imports, and the import names of other people's packages."""
    files: set[Path] = set()
    foreign: set[str] = set()
    waiting = [CLIENT, *ROOTS]
    while waiting:
        name = waiting.pop()
        first = name.partition(".")[0]
        if first not in (CLIENT, *INSIDE):
            if first not in sys.stdlib_module_names:
                foreign.add(first)
            continue
        file = file_of(name)
        if file is None or file in files:
            continue
        files.add(file)
        parts = name.split(".")
        waiting += [".".join(parts[:count]) for count in range(1, len(parts))]
        waiting += _imported_by(file)
    return files, foreign - REPLACED.keys() - OPTIONAL


def _imported_by(file: Path) -> list[str]:
    modules: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules += [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
    return modules


def _project(foreign: set[str]) -> str:
    """Return the wheel's pyproject.toml; version bounds are those of the whole system."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {name.replace("_", "-") for name in foreign}
    needed = sorted(each for each in project["dependencies"] if each.partition(">")[0] in names)
    if len(needed) != len(names) or len(needed) > MAX_DEPENDENCIES:
        raise UnfitSourceError(
            f"the client imports {sorted(foreign)}; at most {MAX_DEPENDENCIES}, all in pyproject.toml"
        )
    listed = "".join(f'    "{each}",\n' for each in needed)
    return f"""\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "lastunit-client"
version = "{project["version"]}"
description = "Publishes order, stock and catalogue commands to Lastunit, and waits for how orders come out"
license = "{project["license"]}"
license-files = ["LICENSE"]
readme = "README.md"
requires-python = "{project["requires-python"]}"
dependencies = [
{listed}]

[tool.hatch.build.targets.wheel]
packages = ["{CLIENT}"]

[tool.mypy]
strict = true
python_version = "3.11"
warn_unreachable = true
enable_error_code = ["ignore-without-code", "redundant-expr", "truthy-bool"]

[[tool.mypy.overrides]]
module = ["aiokafka.*"]
ignore_missing_imports = true
follow_untyped_imports = false
"""


if __name__ == "__main__":
    sys.stdout.write(f"{build(Path(sys.argv[1]))}\n")
