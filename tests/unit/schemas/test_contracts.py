"""The lock, its checker and its register, on copies of the schemas that each test spoils in one way."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import check, register
from schemas.codec.lock import Schema, canonical, fingerprint, read_current, read_lock
from schemas.errors import LockError
from schemas.messages import MESSAGES, Message


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the committed schemas."""
    for folder in ("avro", "history"):
        shutil.copytree(check.SOURCE / folder, tmp_path / folder)
    shutil.copy(check.SOURCE / "lock.json", tmp_path)
    return tmp_path


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def add_field(**field: Any) -> Callable[[Schema], None]:
    return lambda schema: schema["fields"].append(field)


def set_in_field(index: int, **values: Any) -> Callable[[Schema], None]:
    return lambda schema: schema["fields"][index].update(values)


class CommitLine(Message, frozen=True):
    """Turns a hold into an allocation; in this test's future it also says for which depot."""

    order_id: str
    line: int
    sku: str
    depot: str = "main"


@pytest.fixture
def _future_commit_line(monkeypatch: pytest.MonkeyPatch) -> None:
    future = tuple(CommitLine if message.__name__ == "CommitLine" else message for message in MESSAGES)
    for module in (check, register):
        monkeypatch.setattr(module, "MESSAGES", future)


DEPOT = {"name": "depot", "type": "string", "doc": "Where it is shipped from."}


# --- the checker ------------------------------------------------------------------------------------------------------


def test_the_committed_schemas_are_sound() -> None:
    assert check.find_all() == []


def test_the_command_reports_agreement_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main() == 0
    assert "agree" in capsys.readouterr().out


def test_a_new_field_without_a_default_cannot_read_older_records(root: Path) -> None:
    edit(root / "avro/CommitLine.avsc", add_field(**DEPOT))
    assert any(
        "id 3) any more: reader_field_missing_default_value: depot" in finding for finding in check.find_all(root)
    )


@pytest.mark.usefixtures("_future_commit_line")
def test_a_default_that_is_taken_away_later_is_missed(root: Path) -> None:
    edit(root / "avro/CommitLine.avsc", add_field(**DEPOT, default="main"))
    assert register.register(root)[1] == []
    assert check.find_all(root) == []
    edit(root / "avro/CommitLine.avsc", lambda schema: schema["fields"][-1].pop("default"))
    findings = check.find_all(root)
    assert any("reader_field_missing_default_value: depot" in finding for finding in findings)
    assert any("not in the lock as it stands" in finding for finding in findings)


def test_a_type_that_changes_is_caught(root: Path) -> None:
    edit(root / "avro/CommitLine.avsc", set_in_field(1, type="string"))
    findings = check.find_all(root)
    assert any("CommitLine cannot read its version 1 (id 3) any more: type_mismatch" in finding for finding in findings)
    assert any("CommitLine.line is string in Avro" in finding for finding in findings)


def test_every_earlier_version_must_be_readable_not_only_the_last(root: Path) -> None:
    edit(root / "avro/CommitLine.avsc", set_in_field(1, type="long"))
    assert register.register(root)[1] == []
    edit(root / "avro/CommitLine.avsc", set_in_field(1, type="int"))
    assert [finding for finding in check.find_all(root) if "version 2" in finding]
    edit(root / "avro/CommitLine.avsc", set_in_field(1, type="string"))
    assert {v for v in (1, 2) for finding in check.find_all(root) if f"its version {v} " in finding} == {1, 2}


def test_an_edited_history_file_is_caught(root: Path) -> None:
    edit(root / "history/3.avsc", set_in_field(1, type="long"))
    assert any("history/3.avsc is not the lastunit.CommitLine version 1" in finding for finding in check.find_all(root))


def test_a_missing_history_file_is_caught(root: Path) -> None:
    (root / "history/3.avsc").unlink()
    assert any("3.avsc cannot be read" in finding for finding in check.find_all(root))


def test_a_history_file_that_nobody_registered_is_caught(root: Path) -> None:
    shutil.copy(root / "history/3.avsc", root / "history/9999.avsc")
    assert any("history/9999.avsc is not in lock.json" in finding for finding in check.find_all(root))


def test_an_id_taken_out_of_the_lock_is_caught(root: Path) -> None:
    edit(root / "lock.json", lambda lock: lock.pop("3"))
    assert any("an id is never removed" in finding for finding in check.find_all(root))


def test_an_id_given_to_another_message_is_caught(root: Path) -> None:
    def swap(lock: dict[str, Any]) -> None:
        lock["3"], lock["4"] = lock["4"], lock["3"]

    edit(root / "lock.json", swap)
    assert any("history/3.avsc is not the lastunit.ReturnLine" in finding for finding in check.find_all(root))


def test_a_name_edited_in_the_lock_is_caught(root: Path) -> None:
    edit(root / "lock.json", lambda lock: lock["3"].update(name="lastunit.KeepLine"))
    assert any("history/3.avsc is not the lastunit.KeepLine" in finding for finding in check.find_all(root))


def test_a_version_that_is_skipped_is_caught(root: Path) -> None:
    edit(root / "lock.json", lambda lock: lock["3"].update(version=2))
    assert any("id 3 is lastunit.CommitLine 2, where 1 follows" in finding for finding in check.find_all(root))


def test_one_id_for_two_messages_after_a_merge_is_caught(root: Path) -> None:
    text = (root / "lock.json").read_text()
    (root / "lock.json").write_text(text.replace('"4":', '"3":'))
    assert any("occurs twice" in finding for finding in check.find_all(root))


@pytest.mark.parametrize("text", ["", "[]", '{"1": {}}', '{"one": {"name": "a", "version": 1, "sha256": ""}}'])
def test_a_broken_lock_is_one_finding_and_no_crash(root: Path, text: str) -> None:
    (root / "lock.json").write_text(text)
    assert ["lock.json cannot be read" in finding for finding in check.find_all(root)] == [True]


def test_a_field_without_a_doc_is_caught(root: Path) -> None:
    edit(root / "avro/CommitLine.avsc", lambda schema: schema["fields"][1].pop("doc"))
    assert check.find_all(root) == ["avro/CommitLine.avsc: line has no doc; say what it means and in which unit"]


def test_fields_in_another_order_than_the_struct_are_caught(root: Path) -> None:
    edit(root / "avro/CommitLine.avsc", lambda schema: schema["fields"].reverse())
    assert any("make names and order equal" in finding for finding in check.find_all(root))


def test_money_and_times_are_longs(root: Path) -> None:
    edit(root / "avro/LineReserved.avsc", set_in_field(5, type="int"))
    assert any("LineReserved.unit_price_minor is int in Avro" in finding for finding in check.find_all(root))


def test_a_logical_type_is_refused(root: Path) -> None:
    logical: Any = {"type": "long", "logicalType": "timestamp-millis"}
    edit(root / "avro/ExpireHolds.avsc", set_in_field(0, type=logical))
    assert any("ExpireHolds.as_of_ms is {" in finding for finding in check.find_all(root))


def test_a_message_without_a_schema_and_one_that_left_are_caught(root: Path) -> None:
    (root / "avro/CommitLine.avsc").unlink()
    findings = check.find_all(root)
    assert any("CommitLine has no avro/CommitLine.avsc" in finding for finding in findings)
    assert any("CommitLine is in the lock but has no schema" in finding for finding in findings)


def test_a_schema_without_a_message_or_under_another_name_is_caught(root: Path) -> None:
    shutil.copy(root / "avro/CommitLine.avsc", root / "avro/Unheard.avsc")
    findings = check.find_all(root)
    assert any("Unheard.avsc describes lastunit.CommitLine" in finding for finding in findings)
    assert any("Unheard.avsc has no struct" in finding for finding in findings)


# --- the register -----------------------------------------------------------------------------------------------------


def test_registering_what_is_registered_changes_nothing(root: Path) -> None:
    before = (root / "lock.json").read_text()
    assert register.register(root) == ([], [])
    assert (root / "lock.json").read_text() == before


@pytest.mark.usefixtures("_future_commit_line")
def test_a_compatible_change_is_the_next_version_under_a_new_id(root: Path) -> None:
    before = read_lock(root)
    edit(root / "avro/CommitLine.avsc", add_field(**DEPOT, default="main"))
    added, against = register.register(root)
    assert [(entry.id, entry.name, entry.version) for entry in added] == [(len(before) + 1, "lastunit.CommitLine", 2)]
    assert against == []
    assert read_lock(root) == (*before, *added)
    assert check.find_all(root) == []


def test_two_changes_at_once_get_an_id_each(root: Path) -> None:
    before = len(read_lock(root))
    for name in ("CommitLine", "ReturnLine"):
        edit(root / f"avro/{name}.avsc", set_in_field(1, type="long"))
    assert [entry.id for entry in register.register(root)[0]] == [before + 1, before + 2]
    assert check.find_all(root) == []


@pytest.mark.usefixtures("_future_commit_line")
def test_an_incompatible_change_is_refused_and_writes_nothing(root: Path) -> None:
    before = (root / "lock.json").read_text()
    edit(root / "avro/CommitLine.avsc", add_field(**DEPOT))
    added, against = register.register(root)
    assert added == []
    assert ["reader_field_missing_default_value" in reason for reason in against] == [True]
    assert (root / "lock.json").read_text() == before
    assert check.find_all(root) != []


def test_a_new_message_is_drafted_and_registered_once_it_has_docs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Greeted(Message, frozen=True):
        """Somebody was greeted."""

        name: str
        at_ms: int

    for module in (check, register):
        monkeypatch.setattr(module, "MESSAGES", (*MESSAGES, Greeted))
    assert register.draft_missing(root) == ["avro/Greeted.avsc"]
    assert [field["type"] for field in read_current(root)["Greeted"]["fields"]] == ["string", "long"]
    added, against = register.register(root)
    assert added == []
    assert len(against) == 2

    for index in (0, 1):
        edit(root / "avro/Greeted.avsc", set_in_field(index, doc="Said."))
    added, against = register.register(root)
    assert [(entry.name, entry.version) for entry in added] == [("lastunit.Greeted", 1)]
    assert check.find_all(root) == []


def test_the_canonical_form_forgets_docs_and_keeps_defaults() -> None:
    schema: Schema = {
        "type": "record",
        "name": "A",
        "namespace": "lastunit",
        "doc": "a",
        "fields": [{"name": "doc", "type": "string", "doc": "b", "default": "c"}],
    }
    assert json.loads(canonical(schema)) == {
        "type": "record",
        "name": "A",
        "namespace": "lastunit",
        "fields": [{"name": "doc", "type": "string", "default": "c"}],
    }
    assert fingerprint(schema) == fingerprint(json.loads(canonical(schema)))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"type": "record", "name": "A"}', '"string"'])
def test_a_file_that_is_no_record_schema_is_named(root: Path, text: str) -> None:
    (root / "avro/CommitLine.avsc").write_text(text)
    with pytest.raises(LockError, match=r"CommitLine\.avsc"):
        read_current(root)
