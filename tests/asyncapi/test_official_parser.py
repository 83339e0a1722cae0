"""The AsyncAPI document before AsyncAPI's own parser. Without it these tests are skipped: `make asyncapi` installs it."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from docs.tools import asyncapi
from topology.topics import TOPICS

ROOT: Final = Path(__file__).parents[2]
INSTALLED: Final = ROOT / ".lastunit" / "asyncapi"
NODE: Final = shutil.which("node") or ""
ERROR: Final = 0
"""The parser's severities: error, warning, information, hint."""


def _misspell_an_action(document: dict[str, Any]) -> None:
    document["operations"]["receiveOrderCommands"]["action"] = "take"


def _point_nowhere(document: dict[str, Any]) -> None:
    document["channels"]["orderEvents"]["messages"]["OrderPaid"]["$ref"] = "#/components/messages/OrderPayed"


def _name_no_avro_type(document: dict[str, Any]) -> None:
    document["components"]["messages"]["CancelOrder"]["payload"]["schema"]["fields"][0]["type"] = "text"


def _invent_a_topic_configuration(document: dict[str, Any]) -> None:
    configuration = document["channels"]["orderEvents"]["bindings"]["kafka"]["topicConfiguration"]
    configuration["cleanup.policy"] = "sometimes"


def _give_an_example_of_another_type(document: dict[str, Any]) -> None:
    document["components"]["messages"]["ReceiveStock"]["examples"][0]["payload"]["quantity"] = "many"


def _give_the_example_another_value(document: dict[str, Any]) -> None:
    document["components"]["messages"]["ReceiveStock"]["x-example-value"] += "00"


BREAKS: Final[tuple[Callable[[dict[str, Any]], None], ...]] = (
    _misspell_an_action,
    _point_nowhere,
    _name_no_avro_type,
    _invent_a_topic_configuration,
    _give_an_example_of_another_type,
    _give_the_example_another_value,
)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """How the parser judges the document, and it with each break."""
    if not NODE:
        pytest.skip("there is no node; `make asyncapi` needs it")
    if not (INSTALLED / "node_modules").is_dir():
        pytest.skip("there is no AsyncAPI parser; `make asyncapi` installs it")
    folder = tmp_path_factory.mktemp("asyncapi")
    whole = asyncapi.document()
    paths = [asyncapi.PATH]
    for wrong in BREAKS:
        document = copy.deepcopy(whole)
        wrong(document)
        paths.append(folder / f"{wrong.__name__}.yaml")
        paths[-1].write_text(json.dumps(document), encoding="utf-8")
    done = subprocess.run(
        [NODE, str(Path(__file__).with_name("validate.cjs")), *map(str, paths)],
        cwd=INSTALLED,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert not done.returncode, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def test_the_document_is_one_and_has_every_topic(judged: list[dict[str, Any]]) -> None:
    document = judged[0]
    # It recommends a version of AsyncAPI that code generators do not know yet.
    assert [fault["code"] for fault in document["faults"]] == ["asyncapi-latest-version"]
    assert set(document["channels"]) == {topic.name for topic in TOPICS}
    assert "PlaceOrderLine" in document["operations"]["receiveInventoryCommands"]
    assert "OrderPaid" in document["operations"]["sendOrderEvents"]


@pytest.mark.parametrize("place", range(len(BREAKS)), ids=[breakage.__name__.lstrip("_") for breakage in BREAKS])
def test_a_broken_one_is_refused(judged: list[dict[str, Any]], place: int) -> None:
    """The negative control."""
    assert any(fault["severity"] <= ERROR for fault in judged[1 + place]["faults"]), judged[1 + place]["faults"]
