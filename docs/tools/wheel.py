"""Gives the wheel of the whole system one top-level name, `lastunit`: the build hook that pyproject.toml names.

Our packages (`schemas`, `infra` ...) stand inside it with their imports rewritten, so that they meet no package of somebody
else's that is named as one of ours. An editable installation, as `make` has it, takes the folders as they are.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE: Final = "lastunit"
INSIDE: Final = ("schemas", "topology", "producers", "consumers", "infra")
LEFT_OUT: Final = frozenset({".pyc", ".so"})
"""What Python and compilers leave behind."""


class OneName(BuildHookInterface[Any]):
    """Puts the moved packages into the wheel, and its console script where they are now."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the package to a folder of its own, which `finalize` removes. Raises UnfitSourceError."""
        if version == "editable":
            return
        self._tree = TemporaryDirectory()
        write_package(Path(self._tree.name))
        package = Path(self._tree.name, PACKAGE)
        build_data["force_include"][str(package)] = PACKAGE
        scripts = self.metadata.core.scripts
        scripts.update({name: f"{PACKAGE}.{function}" for name, function in scripts.items()})

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what `initialize` wrote."""
        if version != "editable":
            self._tree.cleanup()


def write_package(tree: Path) -> None:
    """Write the package `lastunit` as a folder in `tree`. Raises UnfitSourceError."""
    root = Path(__file__).parents[2]
    sys.path.insert(0, str(root))  # a build runs this file by its path
    from docs.tools.moved_package import Move, write_moved  # noqa: PLC0415

    files = [file for name in INSIDE for file in sorted((root / name).rglob("*")) if file.is_file()]
    write_moved(
        (file for file in files if file.suffix not in LEFT_OUT), tree, Move(PACKAGE, INSIDE, renames_texts=True)
    )
    (tree / PACKAGE / "__init__.py").write_text(
        '"""Lastunit: an event-driven order and inventory system on Kafka."""\n'
    )
