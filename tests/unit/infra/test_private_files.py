from pathlib import Path

import pytest

from infra.base.private_files import lasting_text, write_private


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    assert lasting_text(file, lambda: "first") == "first"
    assert lasting_text(file, lambda: "second") == "first"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_a_crash_left_empty_gets_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.touch()
    assert lasting_text(file, lambda: "made") == "made"
    assert lasting_text(file, lambda: "again") == "made"


def test_a_crash_before_the_rename_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    write_private(file, "old")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        write_private(file, "new")
    assert file.read_text() == "old"
