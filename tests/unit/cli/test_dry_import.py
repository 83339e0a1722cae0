"""`orders import --dry-run` needs no server, and its exit status is that of the import: never 0 where nothing is placed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.odd_arguments import run_here

MAP = "order=Order ID,sku=sku,quantity=quantity,price=price,customer=customer"


@pytest.mark.parametrize(
    ("rows", "status", "message"),
    [
        ("A1,MUG,1,2.00,c-1\n", 0, "would be placed       1"),
        ("A1,MUG,1,2.00,c-1\nA2,MUG,x,2.00,c-1\n", 1, "row 3, column quantity: 'x' is no number"),
        ("A1,MUG,x,2.00,c-1\n", 1, "row 2, column quantity: 'x' is no number"),
        ("", 1, "There is no order in the file."),
    ],
)
def test_a_file_of_which_not_every_order_is_placed_ends_with_status_1(
    rows: str, status: int, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("Order ID,sku,quantity,price,customer\n" + rows)
    arguments = ["orders", "import", str(file), "--dry-run", "--currency", "GBP", "--map", MAP]
    ended = run_here(arguments, {"LASTUNIT_STATE_DIR": str(tmp_path / "nothing"), "COLUMNS": "80"})
    assert (ended.status or 0, message in ended.output) == (status, True), ended
