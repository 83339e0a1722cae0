from __future__ import annotations

import io
import json
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from infra.base.errors import InfraError
from infra.local.demo.books import Books, Level, Position
from infra.local.demo.inputs import Race, file_race, race_of
from infra.local.demo.log import Claim, LogFigures
from infra.local.demo.page import page_of, under_way, write_page
from infra.local.demo.report import print_report, story
from infra.local.demo.result import Percentiles, Result, percentiles, result_of, unfinished
from infra.ops.audit import Report
from producers.clients.orders import OrderLine, OrderRequest
from producers.errors import InvalidOrderError
from tests.unit.importing.files import RETAIL

AUDIT = Report([])


def order(**quantities: int) -> OrderRequest:
    return OrderRequest(lines=tuple(OrderLine(sku, n, 100) for sku, n in quantities.items()), customer_id="somebody")


def race(*orders: OrderRequest, **stock: int) -> Race:
    return Race("a race", list(orders), stock, "MUG")


def ended(orders: dict[OrderRequest, tuple[str, str]], **stock: Level) -> Books:
    return Books({request.order_id: end for request, end in orders.items()}, stock)


def figures(race: Race, books: Books, position: Position | None = None, claims: list[Claim] | None = None) -> Result:
    return result_of(
        race,
        position=position or Position(books.states(), {}),
        books=books,
        log=LogFigures(
            {placed.order_id: (1000, 1000 + 500 * n) for n, placed in enumerate(race.orders, start=1)}, claims or []
        ),
        audit=AUDIT,
        cpu_seconds={"inventory": 0.001},
    )


def test_sold_and_refused_orders_add_up() -> None:
    sold, refused = order(MUG=1), order(MUG=2)
    books = ended(
        {sold: ("paid", ""), refused: ("rejected", "insufficient_stock")},
        MUG=Level(on_hand=2, reserved=0, allocated=1, received=2),
    )

    result = figures(race(sold, refused, MUG=2), books)

    assert result.is_good
    assert (result.units_received, result.units_sold, result.units_available, result.oversold_units) == (2, 1, 1, 0)
    assert result.rejected_by_reason == {"insufficient_stock": 1}
    assert (result.seconds, result.orders_per_second) == (1.0, 2.0)
    assert result.cpu_us_per_order == {"inventory": 500.0}
    assert result.flash_sale is not None
    assert msgspec.to_builtins(result.flash_sale) == {"sku": "MUG", "stock": 2, "demand": 3, "sold": 1}


def test_a_unit_sold_twice_shows_even_when_inventory_denies_it() -> None:
    first, second = order(MUG=1), order(MUG=1)
    books = ended(
        {first: ("paid", ""), second: ("paid", "")}, MUG=Level(on_hand=1, reserved=0, allocated=1, received=1)
    )

    result = figures(race(first, second, MUG=1), books)

    assert result.oversold_units == 1
    assert not result.invariants["allocated_is_what_was_paid_for"]
    assert not result.is_good


def test_a_lost_unit_shows() -> None:
    sold = order(MUG=1)
    books = ended({sold: ("paid", "")}, MUG=Level(on_hand=4, reserved=0, allocated=1, received=5))

    assert not figures(race(sold, MUG=5), books).invariants["received_is_sold_or_available"]


def test_what_is_stuck_is_named() -> None:
    orders = [order(MUG=1) for _ in range(4)]
    position = Position({"paid": 1, "reserved": 2}, {"payment calls without an answer": 2})

    assert unfinished(race(*orders), position) == {
        "orders unknown": 1,
        "orders still reserved": 2,
        "payment calls without an answer": 2,
    }


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [([], Percentiles(0, 0)), ([7], Percentiles(7, 7)), (list(range(1, 201)), Percentiles(100, 198))],
)
def test_percentiles_are_nearest_ranks(numbers: list[int], expected: Percentiles) -> None:
    assert percentiles(numbers) == expected


def test_the_screen_names_what_is_broken() -> None:
    first, second = order(MUG=1), order(MUG=1)
    books = ended({first: ("paid", ""), second: ("paid", "")}, MUG=Level(1, 0, 1, 1))
    contest = race(first, second, MUG=1)
    screen = io.StringIO()

    print_report(Console(file=screen, width=80), contest, figures(contest, books))

    assert "✗ What is allocated is not what was paid for" in screen.getvalue()
    assert "1 units were sold that were not there" in screen.getvalue()


def test_the_json_names_what_was_flash_sold_only_where_there_was_one() -> None:
    contest = msgspec.structs.replace(race(order(MUG=1), MUG=1), flash_sku=None)
    document = json.loads(msgspec.json.encode(figures(contest, Books({}, {}))))

    assert "flash_sale" not in document
    assert document["publish_to_final_ms"] == {"p50": 500, "p99": 500}


def test_a_files_stock_is_a_share_of_each_skus_demand(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    rows = ["1,85123A,A,6,12/1/2010 8:26,2.55,17850,UK", "2,85123A,A,5,12/1/2010 8:28,2.55,13047,UK"]
    file.write_text("\n".join([RETAIL, *rows, "C3,85123A,A,-1,12/1/2010 9:00,2.55,17850,UK"]))

    contest = file_race(file, stock_factor=0.9)

    assert contest.stock == {"85123A": 10}  # 0.9 * 11, rounded up
    assert (len(contest.orders), contest.lines) == (2, 2)
    assert contest.notes == ("1 invoices of the file are no orders that can be placed.",)


def test_orders_are_a_number_or_a_file(tmp_path: Path) -> None:
    assert len(race_of("20", stock_factor=None, seed=1).orders) == 20
    for neither in ("0", "-5", "many", str(tmp_path / "none.csv")):
        with pytest.raises(InfraError, match="neither a number of orders nor a CSV file"):
            race_of(neither, stock_factor=None, seed=1)


def test_few_orders_may_want_nothing_of_the_flash_sale() -> None:
    contest = race_of("1", stock_factor=None, seed=1)
    (only,) = contest.orders

    result = figures(contest, ended({only: ("paid", "")}))

    assert "FLASH-1" not in contest.stock
    assert result.flash_sale is not None
    assert (result.flash_sale.stock, result.flash_sale.demand) == (0, 0)


def test_one_seed_is_one_race() -> None:
    once, again = (race_of("50", stock_factor=0.5, seed=7) for _ in range(2))

    assert [placed.lines for placed in once.orders] == [placed.lines for placed in again.orders]
    assert once.stock == again.stock


def test_the_screen_shows_who_got_the_last_unit_and_who_came_next_within_80_columns() -> None:
    early, last, late = order(MUG=1), order(MUG=2), order(MUG=2)
    books = ended(
        {early: ("paid", ""), last: ("paid", ""), late: ("rejected", "insufficient_stock")}, MUG=Level(3, 0, 3, 3)
    )
    contest = race(early, last, late, MUG=3)
    claims = [Claim(0, early.order_id, 1, None), Claim(1, last.order_id, 2, None), Claim(2, late.order_id, 2, 0)]
    screen = io.StringIO()

    print_report(Console(file=screen, width=80), contest, figures(contest, books, claims=claims))

    lines = screen.getvalue().splitlines()
    assert f"  {last.order_id} got the last 2 units." in lines
    assert f"  {late.order_id} came next: 2 units wanted, none there." in lines
    assert max(map(len, lines)) <= 80
    assert not any("CPU" in line for line in lines)


def test_orders_of_five_digits_and_every_reason_fit_into_80_columns() -> None:
    placed = order(MUG=1)
    contest = race(placed, MUG=1)
    result = msgspec.structs.replace(
        figures(contest, ended({placed: ("paid", "")}, MUG=Level(1, 0, 1, 1))),
        states={"paid": 36_450, "rejected": 13_550},
        rejected_by_reason={"insufficient_stock": 12_350, "payment_declined": 1_200},
    )
    lines = list(story(contest, result))
    assert "Orders: 36,450 paid, 13,550 rejected." in lines
    assert max(map(len, lines)) <= 80


def test_every_order_of_a_race_has_its_terms() -> None:
    contest = race_of("20", stock_factor=None, seed=1, terms="ship_available")
    assert {placed.terms for placed in contest.orders} == {"ship_available"}
    with pytest.raises(InvalidOrderError):
        race_of("20", stock_factor=None, seed=1, terms="by_tomorrow")


def test_the_page_has_the_race_the_orders_under_way_and_how_they_ended_and_needs_nothing_else(tmp_path: Path) -> None:
    early, late = order(MUG=2), order(MUG=2)
    books = ended({early: ("paid", ""), late: ("rejected", "insufficient_stock")}, MUG=Level(3, 0, 2, 3))
    contest = msgspec.structs.replace(race(early, late, MUG=3), title="a <race>")
    claims = [Claim(0, early.order_id, 2, None), Claim(1, late.order_id, 2, 1)]
    log = LogFigures({early.order_id: (0, 2_000), late.order_id: (500, 1_000)}, claims)
    path = write_page(tmp_path, contest, figures(contest, books, claims=claims), log)
    page = path.read_text(encoding="utf-8")
    assert page == page_of(contest, figures(contest, books, claims=claims), log)
    assert page.count("<svg") == 3
    assert "a &lt;race&gt;" in page
    assert "rejected: insufficient stock" in page
    assert not any(reference in page for reference in ("<script", "src=", "href=", "url("))


def test_orders_under_way_rise_as_they_are_placed_and_fall_as_they_end() -> None:
    assert under_way({"a": (1_000, 4_000), "b": (2_000, 3_000)}) == [(0.0, 1.0), (1.0, 2.0), (2.0, 1.0), (3.0, 0.0)]
