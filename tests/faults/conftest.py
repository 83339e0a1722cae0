"""The shop of the fault tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from infra.base.settings import Settings
from tests.harness.shop import Shop, in_miniature, open_shop


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop with few partitions and short sessions; batches are small, so that a fault falls between two of them."""
    unlucky = ("--lost-answer-rate", "0.03", "--capture-failure-rate", "0.03", "--seed", "7")
    async with open_shop(in_miniature(settings, batch_records=20), tmp_path, unlucky) as opened:
        yield opened
