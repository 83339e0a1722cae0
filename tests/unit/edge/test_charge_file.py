"""A shop charges by the rules that stand in its file now."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from infra.edge.shop.charge_file import ChargeFile
from producers.checkout.charges import NO_RULES, ChargeRules


def test_rules_that_change_hold_for_the_next_quote(tmp_path: Path) -> None:
    path = tmp_path / "charges.json"
    path.write_text('{"shipping_minor": 495, "discounts": {"TEN": {"rate_bp": 1000}}}')
    charges = ChargeFile(path)
    assert "TEN" in charges.current().discounts
    path.write_text('{"shipping_minor": 395}')
    assert charges.current() == ChargeRules(395)


def test_a_file_that_cannot_be_used_leaves_the_rules_of_before(tmp_path: Path) -> None:
    path = tmp_path / "charges.json"
    path.write_text('{"shipping_minor": 495}')
    charges = ChargeFile(path)
    with capture_logs() as logged:
        for content in ('{"shipping_minor": -1}', "{", None):
            path.unlink() if content is None else path.write_text(content)
            assert [charges.current() for _ in range(3)] == [ChargeRules(495)] * 3
    assert [entry["event"] for entry in logged] == ["charges_not_read"] * 3
    path.write_text("{}")
    assert charges.current() == NO_RULES


def test_a_shop_without_a_file_charges_nothing_and_one_with_a_wrong_file_does_not_start(tmp_path: Path) -> None:
    assert ChargeFile(None).current() == NO_RULES
    (tmp_path / "charges.json").write_text("[]")
    with pytest.raises(msgspec.ValidationError):
        ChargeFile(tmp_path / "charges.json")
