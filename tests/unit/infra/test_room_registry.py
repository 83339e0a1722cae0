"""One entry for each room: whatever else lists rooms agrees with it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import consumers
from infra.base.rooms import (
    API,
    CONSOLE,
    HOSTS,
    READERS,
    RECEIVER,
    REPLAYED,
    ROOMS,
    SHOP,
    SYSTEM,
    TRENDS,
    needs_of,
    replayed_rooms,
)
from infra.base.settings import Settings, load_settings
from infra.local.wiring import RUNNABLE
from producers.outage import Readiness
from producers.publisher import Publisher
from topology.saga import INTAKE, REACTIONS
from topology.topics import log_read_by

ROOT = Path(__file__).parents[3]


class Resources:
    """What a room is built with here: servers that nobody reaches."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.publisher = Publisher("nowhere:1")
        self.readiness = Readiness()

    @property
    def processor(self) -> None:
        return None


def test_every_folder_with_a_room_is_in_the_registry() -> None:
    folders = {path.parent.name for path in Path(consumers.__file__).parent.glob("*/room.py")} - {"runtime"}
    assert folders == {*ROOMS, *READERS}


def test_the_rooms_of_the_saga_are_those_of_the_registry() -> None:
    assert {INTAKE, *(reaction.room for reaction in REACTIONS)} == set(ROOMS)


@pytest.mark.parametrize("name", ROOMS)
async def test_an_entry_builds_the_room_of_its_name(name: str) -> None:
    room = ROOMS[name].build(Resources(load_settings()))  # type: ignore[arg-type]  # no processor is reached
    assert room.name == name
    assert room.source is log_read_by(name)


def test_a_replay_builds_its_rooms_without_a_way_to_the_outside() -> None:
    assert tuple(room.name for room in replayed_rooms()) == REPLAYED


def test_every_process_has_its_needs() -> None:
    assert set(RUNNABLE) == {*SYSTEM, *HOSTS, RECEIVER, SHOP, TRENDS, API, CONSOLE}
    assert all("kafka_bootstrap" in needs_of(name) for name in RUNNABLE)


def test_import_linter_keeps_all_rooms_apart() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [independent] = [set(contract["modules"]) for contract in contracts if contract["type"] == "independence"]
    assert independent == {f"consumers.{name}" for name in SYSTEM}
