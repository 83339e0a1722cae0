"""Every command against real servers, with arguments that its types allow and nobody means: an answer, never a traceback."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from infra.base.settings import Settings
from tests.harness.api import with_views
from tests.harness.odd_arguments import ODD, STARTS_SOMETHING, Leaf, commands, invocations, run_here
from tests.harness.shop import in_miniature, open_shop

WAITS: frozenset[str] = frozenset({"topology repartition"})
"""It waits for rooms to drain. Every other command ends by itself in seconds, with nothing but the views running."""


@pytest.mark.parametrize("every", [len(ODD), pytest.param(8, marks=pytest.mark.slow)])
async def test_whatever_an_option_is_the_servers_take_it_or_it_is_refused(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    monkeypatch.chdir(tmp_path)  # some values name a file to write
    async with open_shop(in_miniature(settings), tmp_path) as shop, with_views(shop):  # or a cancel waits for the views
        environment = {**shop.settings.environment(), "LASTUNIT_STATE_DIR": str(tmp_path / "state")}
        await asyncio.to_thread(_run_all, commands(), every, environment)


def _run_all(leaves: list[Leaf], every: int, environment: dict[str, str]) -> None:
    for leaf in leaves:
        if leaf.words[0] in STARTS_SOMETHING or leaf.name in WAITS:
            continue
        for arguments in invocations(leaf, every):
            ended = run_here(arguments, environment)
            assert ended.status in {0, 1, 2}, arguments
            assert "Traceback" not in ended.errors, arguments
