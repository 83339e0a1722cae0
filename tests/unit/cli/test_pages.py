"""What `lastunit order show` prints stays usable on a narrow terminal: nothing that is copied or read as one is broken."""

from __future__ import annotations

from consumers.views.timeline import event_of, view_of
from infra.cli.commands.stock.ledger import ledger_lines
from infra.cli.tables import table
from infra.cli.timeline import timeline
from infra.ops.audit.ledger import Entry, Units
from schemas import messages as m
from schemas.ids import new_order_id

A = new_order_id()
URL = "https://bank.example/v1/actions/" + "0123456789" * 6


def page(*messages: m.Message, width: int = 80) -> list[str]:
    events = [
        event_of(message, event_id=f"e/{at}", at_ms=at * 90_000, offset=at) for at, message in enumerate(messages)
    ]
    return [line.plain for line in timeline(view_of(A, events), width)]


def test_the_address_at_which_a_payment_is_confirmed_is_shown_whole() -> None:
    assert any(URL in line for line in page(m.PaymentRequiresAction(A, "auth_1", URL, 900_000)))


def test_ids_amounts_and_arrows_are_whole_at_80_columns() -> None:
    lines = page(
        m.LineReserved(A, 1, 1, "MUG", 2, 1295, "GBP", "c-1", "tok_ok", 900_000),
        m.OrderReserved(A, 1, 2590, "GBP", "c-1", "tok_ok"),
        m.PaymentAuthorized(A, f"auth_{A}", 2590, "GBP", 0),
        m.OrderCommandRefused(A, "CancelOrder", f"shipment-{A}", "already_shipped"),
    )
    text = "\n".join(lines)
    assert all(len(line) <= 80 for line in lines)
    for whole in ("2 x MUG at GBP 12.95", A, f"shipment-{A}", "GBP 25.90", "(already_shipped)"):
        assert whole in text, whole
    assert "\u2500" in text
    assert all(line.rstrip()[-1] not in "\u2500\u2192" for line in lines if line.strip())
    assert "reason" not in text, "a column of its own would be empty in most rows"


def test_what_is_not_known_of_an_order_is_not_shown() -> None:
    head = page(m.OrderCancelled(A, "changed_mind", "customer"))[1]
    assert "customer" not in head
    assert "0 lines" not in head
    assert "none" not in head


def test_a_table_keeps_its_cells_whole_and_leaves_out_what_is_empty() -> None:
    rows = [("a" * 100, "1", "", "two words"), ("b", "22", "", "more words")]
    lines = [line.plain for line in table(("id", "n", "note", "text"), rows, right={"n"}, width=80)]
    assert lines[0].split() == ["id", "n", "text"]
    assert lines[1] == f"{'a' * 100}   1  two words"
    assert lines[2] == f"b{' ' * 99}  22  more words"


ORDER = f"{A}/1/shipment"
ENTRIES = [
    Entry(0, "inventory.commands/1/0", "receipt", f"receipt/{A}", "", Units(on_hand=5), Units(on_hand=5)),
    Entry(1_000, "inventory.commands/1/1", "shipment", ORDER, "", Units(-2, 0, -2), Units(3)),
    Entry(2_000, "inventory.commands/1/2", "refusal", "a", "AdjustStock: " + "on_hand 3 -9 " * 8, Units(), Units(3)),
]


def test_a_ledger_has_one_entry_a_line_where_it_fits_and_whole_ids_anywhere() -> None:
    wide = [line.plain for line in ledger_lines(ENTRIES, 170)]
    assert sum("1970-01-01" in line for line in wide) == 3
    assert any(ORDER in line and "shipment" in line for line in wide)
    narrow = [line.plain for line in ledger_lines(ENTRIES, 80)]
    assert f"  {ORDER}" in narrow
    assert len(narrow) == 1 + 2 * len(ENTRIES)
    assert all(len(line) <= 80 for line in (*wide, *narrow) if "AdjustStock" not in line and line in narrow)
