"""Whoever is refused is told what to do: the advice keeps up with the reasons that the rooms give."""

from __future__ import annotations

import re
from pathlib import Path

import consumers
from infra.cli.refusals import ADVICE, advice
from topology.states import OUTSIDE_WINDOW

ROOMS = [Path(consumers.__file__).parent / room for room in ("orders", "payments", "fulfilment")]
GIVEN = re.compile(r'refused\((?:command|message), (?:command\.\w+, |"", )?"(\w+)"')
"""The plain ones; what a function chooses among is not seen here."""


def test_every_reason_that_a_room_gives_for_a_refusal_has_advice() -> None:
    given = {reason for room in ROOMS for path in room.rglob("*.py") for reason in GIVEN.findall(path.read_text())}
    assert len(given) > 10
    assert {*given, OUTSIDE_WINDOW} - set(ADVICE) == set()


def test_a_reason_that_nobody_knows_has_none() -> None:
    assert advice("x") == ""
