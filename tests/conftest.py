"""What holds for every test: the same environment everywhere, and a marker from the folder it is in.

Layout: tests/ is not packaged and has no __init__.py. A test file is imported by its path (--import-mode=importlib), so
two files may have the same name; what tests share is imported from the root, as in `from tests.stack import brokers`.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog
from typing_extensions import override
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling, Scheduling

from infra.base.settings import PREFIX
from tests.harness.servers import endpoints, environment, settings, stack  # noqa: F401  fixtures of all tests on real servers
from tests.samples import EVERYTHING

_HERE = Path(__file__).parent
_KEPT = {PREFIX + "CACHE_DIR", PREFIX + "CODEC", PREFIX + "SCREENSHOTS"}
_MARKED_FOLDERS = {"stack": ("stack",), "browser": ("stack",), "faults": ("stack", "faults")}
_RELEASE_ONLY = ("slow", "release")
_ONE_SYSTEM = {"tests/stack/test_cli_orders.py"}
_LONGEST_FIRST = ("faults", "benchmarks", "stack")


def pytest_configure(config: pytest.Config) -> None:
    """Drop LASTUNIT_ variables: a developer's own settings must not change what a test means."""
    if hasattr(config, "workerinput") and [Path(each).resolve() for each in config.args] == [_HERE]:
        config.args = _from_another_folder(config.workerinput)
    for name in set(os.environ) - _KEPT:
        if name.startswith(PREFIX):
            del os.environ[name]
    # How long it takes to draw an example is a matter of what else the machine does.
    hypothesis.settings.register_profile(
        "any_machine", suppress_health_check=[hypothesis.HealthCheck.too_slow], deadline=None
    )
    hypothesis.settings.load_profile("any_machine")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the collector of garbage away from thousands of tests, which live as long as the process."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def logging_is_set_up_as_before() -> Iterator[None]:
    """A test that runs a command in this process leaves no log level to those after it."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of a folder as what the folder says, and leave out what only a release needs (docs/testing.md).

    Where several processes share the tests, the longest come first.
    """
    for item in items:
        for marker in _MARKED_FOLDERS.get(_folder(item), ()):
            item.add_marker(marker)
    left_out = [marker for marker in _RELEASE_ONLY if not EVERYTHING and marker not in config.getoption("markexpr")]
    if others := [item for item in items if any(map(item.get_closest_marker, left_out))]:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in set(others)]
    if hasattr(config, "workerinput"):  # pytest-xdist's; or one process would work on long after the others
        ranks = {folder: rank for rank, folder in enumerate(_LONGEST_FIRST)}
        items.sort(key=lambda item: (ranks.get(_folder(item), len(ranks)), item.path))


def _from_another_folder(worker: Mapping[str, Any]) -> list[str]:
    """Return all folders of tests, for each process beginning with another one.

    In a fresh clone a file's assertions are rewritten by the first process that reads it and kept for the others.
    """
    found = [*(_HERE / "unit").iterdir(), *(each for each in _HERE.iterdir() if each.name != "unit")]
    names = sorted(
        str(each) for each in found if (each.is_dir() and each.name != "__pycache__") or each.match("test_*.py")
    )
    first = len(names) * int(worker["workerid"].removeprefix("gw")) // int(worker["workercount"])
    return [*names[first:], *names[:first]]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Where several processes share the tests, give each of them one after the other."""
    return _OneByOne(config, log)


class _OneByOne(LoadScopeScheduling):  # type: ignore[misc]  # without types
    """Gives a process one test at a time, and all those of a file that share a system.

    xdist's own groups do nothing: they are written into names that pytest 9.2 derives anew.
    """

    @override
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file in _ONE_SYSTEM else nodeid


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests counted (record_property), whichever process they ran in."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.line(f"{report.nodeid}: {name} {value}")


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(_HERE).parts[0] if item.path.is_relative_to(_HERE) else ""
