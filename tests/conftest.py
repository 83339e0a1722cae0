"""What holds for every test: the same environment everywhere, and a marker from the folder it is in.

Layout: tests/ is not packaged and has no __init__.py. A test file is imported by its path (--import-mode=importlib), so
two files may have the same name; what tests share is imported from the root, as in `from tests.stack import brokers`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.settings import PREFIX

_HERE = Path(__file__).parent
_KEPT = {PREFIX + "CACHE_DIR"}
_MARKED_FOLDERS = {"stack": ("stack",), "faults": ("stack", "faults")}


def pytest_configure() -> None:
    """Drop LASTUNIT_ variables: a developer's own settings must not change what a test means."""
    for name in set(os.environ) - _KEPT:
        if name.startswith(PREFIX):
            del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of a folder as what the folder says."""
    for item in items:
        folder = item.path.relative_to(_HERE).parts[0] if item.path.is_relative_to(_HERE) else ""
        for marker in _MARKED_FOLDERS.get(folder, ()):
            item.add_marker(marker)
