"""What `up` proposes to try works as it stands there, whatever the state directory is."""

from __future__ import annotations

from pathlib import Path

from infra.base.settings import Settings
from infra.cli.commands.up import command_of


def test_the_hints_name_a_state_directory_of_ones_own() -> None:
    assert command_of(Settings(state_dir=Path("/srv/a shop"))) == "LASTUNIT_STATE_DIR='/srv/a shop' .venv/bin/lastunit"


def test_the_default_one_is_not_named() -> None:
    assert command_of(Settings()) == ".venv/bin/lastunit"
