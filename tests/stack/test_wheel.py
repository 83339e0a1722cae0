"""The wheel of the whole system works alone, beside packages of somebody's own that have our names."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from docs.tools import wheel
from docs.tools.moved_package import ROOT
from infra.base.settings import load_settings

pytestmark = pytest.mark.release
IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
import lastunit, schemas
for module in pkgutil.walk_packages(lastunit.__path__, "lastunit."):
    if not module.name.endswith(".__main__"):
        importlib.import_module(module.name)
print(schemas.OWNER, *(name for name in sys.modules if name.partition(".")[0] in {names} - {"schemas"}))
"""


def environment(folder: Path, built: Path) -> Path:
    """Make an environment with the wheel and somebody's own packages; return its scripts. Dependencies are this environment's."""
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    install: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--python",
        python,
        "install",
        "--no-index",
        "--no-deps",
        built,
    ]
    subprocess.run(install, check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    # Our own editable installation is a .pth file there, which is read in the first site folder only.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name in wheel.INSIDE:
        (site / name).mkdir()
        (site / name / "__init__.py").write_text("OWNER = 'somebody else'\n")
    return folder / "bin"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel that `pip install .` installs."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*build, ROOT], check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def scripts(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("environment"), built)


def test_it_has_one_name_and_everything_that_is_no_module(built: Path) -> None:
    with ZipFile(built) as opened:
        names = opened.namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {wheel.PACKAGE}
    for wanted in ("schemas/lock.json", "consumers/orders/queries.sql", "infra/local/stack/kafka-jars.lock"):
        assert f"{wheel.PACKAGE}/{wanted}" in names


def test_each_module_is_found_beside_somebody_elses(scripts: Path, tmp_path: Path) -> None:
    program = IMPORT_EVERYTHING.replace("{names}", repr(set(wheel.INSIDE)))
    done = subprocess.run(
        [scripts / "python", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout.strip(), done.returncode) == ("somebody else", 0), done.stderr


async def test_its_command_runs_a_whole_system(scripts: Path, tmp_path: Path) -> None:
    variables = {
        "LASTUNIT_STATE_DIR": str(tmp_path / "state"),
        "LASTUNIT_CACHE_DIR": str(load_settings().cache_dir),
        "LASTUNIT_KAFKA_HEAP_MB": "512",
    }
    process = await asyncio.create_subprocess_exec(
        *(scripts / "lastunit", "demo", "--orders", "50", "--json"),
        cwd=tmp_path,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert json.loads(output.splitlines()[-1])
