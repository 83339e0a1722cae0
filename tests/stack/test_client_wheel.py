"""The wheel lastunit-client works alone, beside packages of somebody's own that have our names."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from docs.tools import client_wheel
from docs.tools.moved_package import UnfitSourceError, rewritten
from infra.base.settings import Settings
from schemas.ids import is_order_id
from tests.harness.client_wheel import program_environment
from tests.harness.shop import in_miniature, open_shop

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "docs/examples/place_order.py"


async def test_the_program_in_the_readme_places_an_order_from_an_environment_of_its_own(
    settings: Settings, tmp_path: Path
) -> None:
    assert PROGRAM.read_text().partition("\n\n")[2] in (ROOT / "README.md").read_text()
    python = await asyncio.to_thread(program_environment, tmp_path / "program")
    program = tmp_path / "program.py"
    program.write_text(
        "import schemas, producers\nassert schemas.OWNER == producers.OWNER == 'somebody else'\n" + PROGRAM.read_text()
    )
    async with open_shop(in_miniature(settings), tmp_path / "shop") as shop:
        await shop.receive(MUG=1, TEA=2)
        variables = {
            "LASTUNIT_KAFKA_BOOTSTRAP": shop.settings.kafka_bootstrap or "",
            "LASTUNIT_NAMESPACE": shop.settings.namespace,
        }
        async with shop.running():
            process = await asyncio.create_subprocess_exec(
                python,
                program,
                cwd=tmp_path,
                env={**os.environ, **variables},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            output, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (0, "")
    order_id, state = output.decode().split()
    assert (is_order_id(order_id), state) == (True, "paid")


def test_the_wheel_has_one_name_and_few_dependencies(tmp_path: Path) -> None:
    with ZipFile(client_wheel.build(tmp_path)) as wheel:
        names = {name.partition("/")[0] for name in wheel.namelist()}
        metadata = next(wheel.read(name).decode() for name in wheel.namelist() if name.endswith("/METADATA"))
        sources = [wheel.read(name).decode() for name in wheel.namelist() if name.endswith(".py")]
    assert sorted(name for name in names if not name.endswith(".dist-info")) == ["lastunit_client"]
    assert len(re.findall(r"^Requires-Dist: ", metadata, re.MULTILINE)) <= client_wheel.MAX_DEPENDENCIES
    import_of_ours = re.compile(
        rf"^\s*(?:from|import) (?:{'|'.join((*client_wheel.INSIDE, 'infra', 'structlog'))})\b", re.MULTILINE
    )
    assert not [line for source in sources for line in import_of_ours.findall(source)]


def test_a_text_that_names_a_module_is_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('load("schemas.codec.wire")\n')
    with pytest.raises(UnfitSourceError, match="names a module"):
        rewritten(module, client_wheel.MOVE)


@pytest.mark.slow
def test_the_tree_of_the_wheel_passes_mypy(tmp_path: Path) -> None:
    client_wheel.build(tmp_path)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "lastunit_client"],
        cwd=tmp_path / "tree",
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
