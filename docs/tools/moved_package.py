"""Moves our packages inside one: rewrites the imports of their modules, so that a wheel has one top-level name."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]


class UnfitSourceError(Exception):
    """A module cannot be moved into the package as it stands."""


class Move(NamedTuple):
    """What goes where: packages of ours (`inside`) into `package`, and what stands in for packages that stay behind.

    Texts that name a module are an error, unless it `renames_texts` too.
    """

    package: str
    inside: tuple[str, ...]
    replaced: Mapping[str, str] = MappingProxyType({})
    renames_texts: bool = False


class _Change(NamedTuple):
    """Text to replace in one line (from 0), between two columns counted in bytes of UTF-8."""

    line: int
    begin: int
    end: int
    text: str


def write_moved(files: Iterable[Path], tree: Path, move: Move) -> None:
    """Write the package, made of these files of ours, as a folder in `tree`. Raises UnfitSourceError."""
    for file in files:
        place = file.relative_to(ROOT)
        target = tree / (place if place.parts[0] == move.package else move.package / place)
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".py":
            target.write_text(rewritten(file, move), encoding="utf-8")
        else:
            shutil.copyfile(file, target)


def rewritten(file: Path, move: Move) -> str:
    """Return the source of a module with its imports as they are inside the package. Raises UnfitSourceError."""
    source = file.read_text(encoding="utf-8")
    lines = source.encode().split(b"\n")
    changes = [change for node in ast.walk(ast.parse(source)) for change in _changes(node, file, move)]
    for line, begin, end, text in sorted(changes, reverse=True):
        lines[line] = lines[line][:begin] + text.encode() + lines[line][end:]
    return b"\n".join(lines).decode()


def _changes(node: ast.AST, file: Path, move: Move) -> list[_Change]:
    """Return what has to change about one node of a module's tree."""
    moved = (*move.inside, *move.replaced)
    match node:
        case ast.ImportFrom(module=str(module), level=0) if module.partition(".")[0] in move.inside:
            begin = node.col_offset + len("from ")
            return [_Change(node.lineno - 1, begin, begin + len(module), f"{move.package}.{module}")]
        case ast.Import(names=[ast.alias(name=name, asname=None)]) if name in moved:
            parent, _, module = move.replaced.get(name, f"{move.package}.{name}").rpartition(".")
            renamed = f"from {parent} import {module}" + (f" as {name}" if module != name else "")
            return [_Change(node.lineno - 1, node.col_offset, node.end_col_offset or 0, renamed)]
        case ast.Import(names=names) if any(name.name.partition(".")[0] in moved for name in names):
            raise UnfitSourceError(f"{file}:{node.lineno}: write `from {names[0].name} import ...`, which can be moved")
        case ast.Constant(value=str(text)) if _names_a_module(text, move):
            if not move.renames_texts or node.end_lineno != node.lineno:
                raise UnfitSourceError(
                    f"{file}:{node.lineno}: the text {text!r} names a module, which moves: derive it"
                )
            return [_Change(node.lineno - 1, node.col_offset, node.end_col_offset or 0, f'"{move.package}.{text}"')]
    return []


def _names_a_module(text: str, move: Move) -> bool:
    is_ours = text.partition(".")[0] in move.inside and all(part.isidentifier() for part in text.split("."))
    return is_ours and "." in text and file_of(text) is not None


def file_of(module: str) -> Path | None:
    """Return the file of a module of ours, None where there is none."""
    path = ROOT.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)
