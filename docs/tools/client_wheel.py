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
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
CLIENT: Final = "lastunit_client"
INSIDE: Final = ("schemas", "topology", "producers", "consumers")
"""Packages of ours that stand inside the client's."""
REPLACED: Final = {"structlog": f"{CLIENT}.logs"}
"""Packages that the client does without, and what stands in for each."""
DATA: Final = ("schemas/lock.json", "schemas/history/*.avsc", "schemas/codec/flat.c", f"{CLIENT}/py.typed")
ROOTS: Final = (f"{CLIENT}.commands", f"{CLIENT}.logs", "schemas.codec.build")
"""Modules that nothing imports, and that are in the wheel all the same."""
MAX_DEPENDENCIES: Final = 6


class UnfitSourceError(Exception):
    """A module cannot be moved into the client's package as it stands."""


class Change(NamedTuple):
    """Text to replace in one line (from 0), between two columns counted in bytes of UTF-8."""

    line: int
    begin: int
    end: int
    text: str


def build(folder: Path) -> Path:
    """Build the wheel in `folder`; return its path."""
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    modules, distributions = modules_needed()
    for file in sorted({*modules, *(found for pattern in DATA for found in ROOT.glob(pattern))}):
        target = tree / _place(file.relative_to(ROOT))
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".py":
            target.write_text(rewritten(file), encoding="utf-8")
        else:
            shutil.copyfile(file, target)
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
        file = _file_of(name)
        if file is None or file in files:
            continue
        files.add(file)
        parts = name.split(".")
        waiting += [".".join(parts[:count]) for count in range(1, len(parts))]
        waiting += _imported_by(file)
    return files, foreign - REPLACED.keys()


def rewritten(file: Path) -> str:
    """Return the source of a module with its imports as they are inside the client's package. Raises UnfitSourceError."""
    source = file.read_text(encoding="utf-8")
    lines = source.encode().split(b"\n")
    changes = [change for node in ast.walk(ast.parse(source)) for change in _changes(node, file)]
    for line, begin, end, text in sorted(changes, reverse=True):
        lines[line] = lines[line][:begin] + text.encode() + lines[line][end:]
    return b"\n".join(lines).decode()


def _changes(node: ast.AST, file: Path) -> list[Change]:
    """Return what has to change about one node of a module's tree."""
    match node:
        case ast.ImportFrom(module=str(module), level=0) if module.partition(".")[0] in INSIDE:
            begin = node.col_offset + len("from ")
            return [Change(node.lineno - 1, begin, begin + len(module), f"{CLIENT}.{module}")]
        case ast.Import(names=[ast.alias(name=name, asname=None)]) if name in (*INSIDE, *REPLACED):
            parent, _, module = REPLACED.get(name, f"{CLIENT}.{name}").rpartition(".")
            renamed = f"from {parent} import {module}" + (f" as {name}" if module != name else "")
            return [Change(node.lineno - 1, node.col_offset, node.end_col_offset or 0, renamed)]
        case ast.Import(names=names) if any(name.name.partition(".")[0] in (*INSIDE, *REPLACED) for name in names):
            raise UnfitSourceError(f"{file}:{node.lineno}: write `from {names[0].name} import ...`, which can be moved")
        case ast.Constant(value=str(text)) if _names_a_module(text):
            raise UnfitSourceError(f"{file}:{node.lineno}: the text {text!r} names a module, which moves: derive it")
    return []


def _names_a_module(text: str) -> bool:
    is_ours = text.partition(".")[0] in INSIDE and all(part.isidentifier() for part in text.split("."))
    return is_ours and "." in text and _file_of(text) is not None


def _imported_by(file: Path) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
    return found


def _file_of(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def _place(file: Path) -> Path:
    return file if file.parts[0] == CLIENT else Path(CLIENT) / file


def _project(foreign: set[str]) -> str:
    """Return the wheel's pyproject.toml; version bounds are those of the whole system."""
    ours: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {name.replace("_", "-") for name in foreign}
    needed = sorted(each for each in ours["dependencies"] if each.partition(">")[0] in names)
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
version = "{ours["version"]}"
description = "Publishes order, stock and catalogue commands to Lastunit, and waits for how orders come out"
license = "{ours["license"]}"
license-files = ["LICENSE"]
readme = "README.md"
requires-python = "{ours["requires-python"]}"
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
