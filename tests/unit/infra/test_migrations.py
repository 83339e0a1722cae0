from __future__ import annotations

from pathlib import Path

import pytest

from infra.base.errors import MigrationError
from infra.base.migrate import MIGRATIONS, Migration, not_yet_applied, read_migrations

FIRST, SECOND, THIRD = (Migration(f"000{n}_step", f"SELECT {n}") for n in (1, 2, 3))


def applied(*migrations: Migration) -> dict[str, str]:
    return {migration.name: migration.sha256 for migration in migrations}


def test_what_is_applied_is_left_out() -> None:
    assert not_yet_applied([FIRST, SECOND, THIRD], applied(FIRST)) == [SECOND, THIRD]


def test_a_database_of_a_later_release_is_refused() -> None:
    with pytest.raises(MigrationError, match="does not know: 0003_step"):
        not_yet_applied([FIRST, SECOND], applied(FIRST, SECOND, THIRD))


def test_a_migration_below_an_applied_one_is_refused() -> None:
    with pytest.raises(MigrationError, match="0002_step was added below 0003_step"):
        not_yet_applied([FIRST, SECOND, THIRD], applied(FIRST, THIRD))


@pytest.mark.parametrize("name", ["1_short.sql", "0001-dashed.sql", "foundation.sql"])
def test_a_misnamed_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(MigrationError, match="name it like"):
        read_migrations(tmp_path)


def test_two_migrations_with_one_number_are_refused(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").touch()
    (tmp_path / "0001_b.sql").touch()
    with pytest.raises(MigrationError, match="have one number"):
        read_migrations(tmp_path)


def test_ours_have_a_number_each() -> None:
    assert read_migrations(MIGRATIONS)
