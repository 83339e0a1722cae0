"""Two systems on one database would each ask a payment sandbox of their own: the second one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.base.errors import SandboxConflictError
from infra.base.settings import Settings
from infra.local.sandbox_processor.identity import claim_database
from infra.local.supervisor import PROCESSOR, Supervisor
from tests.harness.tables import give_tables


async def test_a_second_system_with_a_sandbox_of_its_own_is_refused(settings: Settings, tmp_path: Path) -> None:
    await give_tables(settings.postgres_dsn or "")
    books = tmp_path / "first" / PROCESSOR
    books.mkdir(parents=True)
    await claim_database(settings.postgres_dsn or "", books)
    await claim_database(settings.postgres_dsn or "", books)

    async with Supervisor(settings, folder=tmp_path / "second") as second:
        with pytest.raises(SandboxConflictError, match=r"first/processor; .* LASTUNIT_PROCESSOR_URL"):
            await second.start_all()
        assert second.started == ()


async def test_a_sandbox_whose_folder_was_moved_is_still_the_one(settings: Settings, tmp_path: Path) -> None:
    await give_tables(settings.postgres_dsn or "")
    (tmp_path / "before").mkdir()
    await claim_database(settings.postgres_dsn or "", tmp_path / "before")

    moved = (tmp_path / "before").rename(tmp_path / "after")
    await claim_database(settings.postgres_dsn or "", moved)

    (tmp_path / "other").mkdir()
    with pytest.raises(SandboxConflictError, match="after;"):
        await claim_database(settings.postgres_dsn or "", tmp_path / "other")
