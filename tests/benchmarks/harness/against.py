"""`--against GIT_REV`: the same benchmark in this checkout and in that of a revision, in alternation.

Each turn is the whole benchmark program of its checkout, with servers of its own, so nothing that changed between both
(topics, tables, processes, settings of the servers) needs a translation. What the two have in common is the command line
and the JSON on the last line, which is all that is compared.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.harness.options import FOLDER, ROOT
from tests.benchmarks.harness.report import Report, emit
from tests.benchmarks.harness.rounds import say
from tests.benchmarks.harness.spread import paired, spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.benchmarks.harness.options import Options

CHECKOUTS: Final = FOLDER / "checkouts"
HERE: Final = "here"
_GIT: Final = shutil.which("git") or "git"
_BUILD: Final = "schemas.codec.build"
"""What compiles a checkout's extension, where it has one; without a compiler it changes nothing."""
Results = list[dict[str, Any]]
"""One result of a benchmark program a round."""


def compare_checkouts(name: str, options: Options) -> int:
    """Run benchmark `name` here and at `options.against`, alternating; print the ratios, return the exit code."""
    there = checkout(options.against)
    roots = {HERE: ROOT, there.name: there}
    results: dict[str, Results] = {label: [] for label in roots}
    for number in range(options.rounds):
        for label in roots if number % 2 == 0 else reversed(roots):
            say(f"\n--- {name}, round {number + 1} of {options.rounds}: {label}")
            results[label].append(_turn(name, roots[label], options))
    report = Report(
        name=f"{name}-against", title=f"{name}: {HERE} / {options.against}", unit="ratio", rounds=options.rounds
    )
    report.setup = {"revisions": {HERE: _git("describe", "--always", "--dirty"), options.against: there.name}}
    judge(report, results[HERE], results[there.name])
    return emit(report, options.folder)


def checkout(revision: str) -> Path:
    """Return the folder with the files of a revision, which is made once. Raises SystemExit for an unknown one."""
    try:
        commit = _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except subprocess.CalledProcessError:
        raise SystemExit(f"--against: git knows no commit {revision!r} here") from None
    folder = CHECKOUTS / commit[:12]
    if not folder.exists():
        half = folder.with_suffix(".part")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(_run_git("archive", commit))) as files:
            files.extractall(half, filter="data")
        half.rename(folder)
    if _text(folder / "requirements.lock") != _text(ROOT / "requirements.lock"):
        say(f"{revision} locks other packages; it runs with those of this checkout")
    if (folder / _BUILD.replace(".", "/")).with_suffix(".py").exists():
        subprocess.run([sys.executable, "-m", _BUILD], cwd=folder, env=_environment(folder), check=True)
    return folder


def judge(report: Report, here: Results, there: Results) -> None:
    """Note each figure that both gave, as ratios of the same round, and what was wrong in either."""
    for side, results in ((HERE, here), ("there", there)):
        report.breaches += [f"{side}: {breach}" for result in results for breach in result["breaches"]]
    for figure in _common(here, there):
        own, other = ([_flat(result)[figure] for result in results] for results in (here, there))
        if min(other) <= 0 or min(own) <= 0:
            continue
        over = paired(own, other)
        report.spreads[figure] = over
        report.figure(figure, over.median)
        report.remarks[figure] = f"{median(own):,.4g} / {median(other):,.4g}"
        report.details[figure] = {HERE: spread(own), "there": spread(other)}
        rounds = " ".join(f"{m / o:.3f}" for m, o in zip(own, other, strict=True))
        say(f"{figure}: {over.median:.3f} ({rounds}): {report.remarks[figure]}")


def _common(here: Results, there: Results) -> list[str]:
    """Return the figures that every turn of both gave, in the order of the first turn."""
    every = [_flat(result).keys() for result in (*here, *there)]
    return [figure for figure in _flat(here[0]) if all(figure in figures for figures in every)]


def _flat(result: Mapping[str, Any]) -> dict[str, float]:
    """Return figures, medians of lanes and costs of a result as one table."""

    def pairs() -> Iterator[tuple[str, float]]:
        yield from result["figures"].items()
        for lane, of_lane in result["spreads"].items():
            yield f"{lane} {result['unit']}", of_lane["median"]
        setup = result["setup"]
        for lane, costs in setup.get("cpu_us_per_order", {}).items():
            yield f"{lane} cpu us/order", sum(costs.values())
            yield from ((f"{lane} cpu us/order {process}", cost) for process, cost in costs.items())
        for lane, size in setup.get("wal_bytes_per_order", {}).items():
            yield f"{lane} wal bytes/order", size

    return dict(pairs())


def _turn(name: str, root: Path, options: Options) -> dict[str, Any]:
    """Run one turn in a checkout; return its result. Raises SystemExit where it ended without one."""
    command = [sys.executable, "-m", f"tests.benchmarks.{name.replace('-', '_')}", *_arguments(root, options)]
    ended = subprocess.run(command, cwd=root, env=_environment(root), stdout=subprocess.PIPE, text=True, check=False)
    lines = ended.stdout.splitlines()
    if not lines:
        raise SystemExit(f"{name} in {root.name} ended with exit code {ended.returncode} and no result")
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def _arguments(root: Path, options: Options) -> list[str]:
    """Return the command line of one turn; options that an older checkout does not know stand there only if given."""
    folder = options.folder / "turns" / root.name
    given = ["--rounds", "1", "--lanes", ",".join(options.lanes or ("ours",)), "--folder", str(folder)]
    given += ["--quick"] if options.quick else []
    given += ["--orders", str(options.orders)] if options.orders_given else []
    return [*given, *(["--partitions", str(options.partitions)] if options.partitions else [])]


def _environment(root: Path) -> dict[str, str]:
    """Return an environment in which `root` comes before the checkout that this environment's packages point to."""
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _git(*arguments: str) -> str:
    return _run_git(*arguments).decode().strip()


def _run_git(*arguments: str) -> bytes:
    return subprocess.run([_GIT, *arguments], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
