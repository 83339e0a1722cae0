"""The command line as people and scripts meet it, on a whole running system: one for all tests here, each with SKUs of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from infra.local.stack import Stack
from infra.local.supervisor import Supervisor
from schemas.ids import is_order_id, new_order_id
from tests.harness.cli import lastunit
from tests.harness.odd_arguments import run_here
from tests.harness.servers import fresh_settings
from tests.harness.tables import give_tables
from tests.unit.importing.files import retail, row
from topology import admin


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """Topics, tables and all processes; the environment of whoever uses them."""
    async with fresh_settings(stack) as settings:
        small = settings.model_copy(update={"partitions": 2})
        await admin.apply(
            small.kafka_bootstrap or "",
            namespace=small.namespace,
            partitions=small.partitions,
            expected_cluster_id=small.cluster_id,
        )
        await give_tables(small.postgres_dsn or "")
        async with Supervisor(small, folder=tmp_path_factory.mktemp("shop")) as supervisor:
            await supervisor.start_all()
            yield {**os.environ, **supervisor.settings.environment()}


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has started nothing."""
    return {**os.environ, "LASTUNIT_STATE_DIR": str(tmp_path / "nothing")}


async def received(shop: dict[str, str], *items: str) -> None:
    answer = await lastunit(shop, "stock", "receive", *items, "--json")
    assert (answer.status, answer.errors) == (0, "")
    skus = [receipt["sku"] for receipt in answer.json]
    async with asyncio.timeout(180):
        while (await lastunit(shop, "stock", "show", *skus)).status:
            pass


async def caught_up_views(shop: dict[str, str]) -> None:
    """Wait until the view of orders is complete: before that nobody knows what it lacks."""
    async with asyncio.timeout(180):
        while "is incomplete" in (await lastunit(shop, "order", "show", new_order_id())).errors:
            pass


async def test_an_order_is_followed_to_its_end_and_shown(shop: dict[str, str]) -> None:
    await received(shop, "CUP=10", "TRAY=3")
    answer = await lastunit(
        shop, "order", "place", "--line", "CUP=2@9.99", "--line", "TRAY=1", "--wait", "--timeout", "60"
    )
    assert (answer.status, answer.errors) == (0, "")
    order_id, *lines = answer.output.splitlines()
    assert is_order_id(order_id)
    assert lines[-1] == f"Order {order_id} is paid (GBP 29.98)"
    assert any("2 x CUP at GBP 9.99" in line for line in lines)

    answer = await lastunit(shop, "order", "show", order_id)
    assert (answer.status, answer.errors) == (0, "")
    assert f"Order {order_id} is paid" in answer.output
    assert "GBP 29.98 is in" in answer.output

    view = (await lastunit(shop, "order", "show", order_id, "--json")).json
    assert (view["state"], view["payment"], view["amount_minor"]) == ("paid", "captured", 2998)
    assert [event["type"] for event in view["events"]][-1] == "OrderPaid"

    levels = (await lastunit(shop, "stock", "show", "--json")).json
    assert {level["sku"]: level for level in levels}["CUP"] == {
        "sku": "CUP",
        "on_hand": 10,
        "reserved": 0,
        "allocated": 2,
        "quarantined": 0,
        "available": 8,
        "purchase_limit": 0,
        "is_suspended": False,
        "is_retired": False,
        "parking": None,
    }


async def test_a_script_follows_an_order_that_ends_without_a_sale(shop: dict[str, str]) -> None:
    await received(shop, "BOWL", "1")
    placed = (await lastunit(shop, "order", "place", "--line", "BOWL=2", "--json")).json
    assert (placed["lines"], placed["amount_minor"], placed["currency"]) == (1, 2000, "GBP")
    answer = await lastunit(shop, "order", "watch", placed["order_id"], "--json", "--timeout", "60")
    assert (answer.status, answer.errors) == (0, "")
    *events, end = answer.json_lines
    assert [event["type"] for event in events] == ["LineRejected", "OrderRejected"]
    assert (end["state"], end["reason"], end["is_final"]) == ("rejected", "insufficient_stock", True)


async def test_an_order_that_is_no_sale_ends_with_status_1_and_an_unknown_sku_with_near_names(
    shop: dict[str, str],
) -> None:
    await received(shop, "JUG-BLUE=5", "POT=1")
    placing = ("order", "place", "--wait", "--timeout", "60")
    unknown = await lastunit(shop, *placing, "--line", "jug-blu=1")
    assert (unknown.status, unknown.errors) == (1, "")
    assert unknown.output.splitlines()[-1] == "jug-blu is unknown: no unit of it ever came in. Did you mean JUG-BLUE?"
    as_json = await lastunit(shop, *placing, "--line", "jug-blu=1", "--json")
    assert as_json.json_lines[-1]["unknown_skus"] == {"jug-blu": ["JUG-BLUE"]}

    sold_out = await lastunit(shop, *placing, "--line", "POT=9")
    assert (sold_out.status, sold_out.output.splitlines()[-1].endswith("(insufficient_stock)")) == (1, True)
    declined = await lastunit(shop, *placing, "--line", "POT=1", "--token", "tok_declined")
    assert declined.status == 1
    assert " is rejected " in declined.output.splitlines()[-1]
    by_parcel = await lastunit(shop, *placing, "--line", "JUG-BLUE=1", "--capture-at-shipping")
    assert by_parcel.status == 0, "it can be shipped: nobody waits for more"
    assert " is placed " in by_parcel.output.splitlines()[-1]


async def test_an_id_used_again_with_other_content_is_no_success(shop: dict[str, str]) -> None:
    await received(shop, "MUG=9", "LID=9")
    placed = await lastunit(shop, "order", "place", "--line", "MUG=1@5", "--line", "LID=1@5", "--wait", "--json")
    order_id = placed.json_lines[-1]["order_id"]
    shipping = ("order", "ship", order_id, "--carrier", "X", "--tracking", "T1", "--shipment", "s1", "--line")
    assert (await lastunit(shop, *shipping, "1")).status == 0
    assert (await lastunit(shop, *shipping, "1")).status == 0, "the same again is harmless"
    other = await lastunit(shop, *shipping, "2")
    assert (other.status, other.output) == (1, "")
    assert "conflicting_duplicate" in other.errors
    refunding = ("order", "refund", order_id, "--refund-id", "x")
    assert (await lastunit(shop, *refunding, "50")).status == 0
    other = await lastunit(shop, *refunding, "60")
    assert (other.status, other.output) == (1, "")
    assert "refund_id_used" in other.errors


async def test_a_file_is_imported_once_and_again_where_it_came_to_nothing(shop: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(retail(row("1"), row("1", "TIN"), row("2"), row("3", price="2.505"), row("C4", quantity="-2")))
    importing = ("orders", "import", str(path), "--wait", "--rejects", str(tmp_path / "rejects.csv"))

    answer = await lastunit(shop, *importing, "--json")
    assert (answer.status, answer.errors) == (1, "")
    report, outcomes = answer.json["report"], answer.json["outcomes"]
    assert (report["placed"], report["rejected"], report["credit_notes"]) == ({"orders": 2, "lines": 3}, 1, 1)
    assert (outcomes["states"], answer.json["skus_without_stock"]) == ({"rejected": 2}, ["22196", "TIN"])

    answer = await lastunit(shop, *importing, "--again", "--stock", "all", "--waive", "nothing")
    assert answer.status == 1, "one is still rejected"
    assert "2 of the orders placed now had ended without a sale before." in answer.output
    assert "Received before: 6 units of 2 SKUs." in answer.output
    assert "Outcome: 2 paid" in answer.output
    assert "3: row 5, column UnitPrice: the price of one 22196 is 2.505" in answer.output
    assert "Nothing in the file was left out as nothing." in answer.output

    (tmp_path / "rejects.csv").write_text((tmp_path / "rejects.csv").read_text().replace("2.505,12431", "2.50,12431"))
    answer = await lastunit(shop, "orders", "import", str(tmp_path / "rejects.csv"), "--stock", "all", "--wait")
    assert (answer.status, answer.errors) == (0, "")
    shown = await lastunit(shop, "order", "show", "1", columns=80)
    assert (shown.status, shown.errors) == (0, "")
    assert " is paid" in shown.output
    assert max(map(len, shown.output.splitlines())) <= 80
    answer = await lastunit(shop, "orders", "import", str(path), "--round", "half-up")
    assert [line.split() for line in answer.output.splitlines()[1:4]] == [
        ["orders", "lines"],
        ["placed", "now", "0", "0"],
        ["already", "imported", "2", "3"],
    ]


async def test_a_used_id_and_an_order_nobody_placed_are_refused_with_status_1(shop: dict[str, str]) -> None:
    """The first command's success was printed again, and an order of no lines was pending for ever."""
    await received(shop, "MUG=9", "LID=9")
    placed = await lastunit(
        shop, "order", "place", "--line", "MUG=1@5", "--line", "LID=1@5", "--wait", "--timeout", "90"
    )
    order_id = placed.output.split()[0]
    parcel = ("order", "ship", order_id, "--carrier", "X", "--tracking", "T1", "--shipment", "s1", "--line")
    nobodys = new_order_id()
    for arguments, status, expected in (
        ((*parcel, "1"), 0, ""),
        ((*parcel, "1"), 0, ""),
        ((*parcel, "2"), 1, "lines [1] was sent first, [2] now"),
        (("order", "refund", order_id, "50", "--refund-id", "x"), 0, ""),
        (("order", "refund", order_id, "60", "--refund-id", "x"), 1, "amount_minor 50 was sent first, 60 now"),
        (("order", "refund", order_id, "50", "--refund-id", "line:1"), 1, "an id that the saga gives itself"),
        (("order", "refund", nobodys, "100"), 1, "unknown_order"),
        (("order", "ship", nobodys, "--carrier", "X", "--tracking", "T"), 1, "unknown_order"),
        (("order", "return", "request", nobodys, "--reason", "x"), 1, "unknown_order"),
        (("order", "show", nobodys), 1, f"No order {nobodys} is known"),
        (("order", "cancel", nobodys), 1, f"No order {nobodys} is known, so nothing was cancelled"),
        (("order", "cancel", nobodys, "--even-if-unknown"), 0, ""),
    ):
        ended = await asyncio.to_thread(run_here, arguments, shop)
        assert (ended.status, expected in ended.errors) == (status, True), (arguments, ended)


async def test_what_is_not_known_is_reported_in_one_line(shop: dict[str, str]) -> None:
    await caught_up_views(shop)
    order_id = new_order_id()
    for arguments, expected in (
        (("order", "show", order_id), f"No order {order_id} is known"),
        (("order", "watch", order_id, "--timeout", "0"), f"No event of order {order_id} came"),
        (("order", "show", "553547"), "No order has the id or the reference '553547'"),
        (("order", "cancel", order_id), f"No order {order_id} is known, so nothing was cancelled"),
        (("stock", "show", "NOPE"), "NOPE is unknown: no unit of it ever came in"),
        (("order", "place", "--line", "MUG=0"), "the quantity of line 1 is 0"),
    ):
        answer = await lastunit(shop, *arguments)
        assert (answer.status in {1, 2}, answer.output) == (True, ""), arguments
        assert answer.errors.startswith(expected)
        assert answer.errors.count("\n") == 1


async def test_an_empty_database_is_distinguished_from_an_unknown_sku(environment: dict[str, str]) -> None:
    answer = await lastunit(environment, "stock", "show")
    assert (answer.status, answer.output) == (1, "")
    assert "lacks tables" in answer.errors


@pytest.mark.parametrize(
    "arguments",
    [
        ("order", "place", "--line", "MUG=1"),
        ("order", "show", new_order_id()),
        ("order", "watch", new_order_id()),
        ("stock", "receive", "MUG", "1"),
        ("stock", "show"),
    ],
)
async def test_without_a_system_a_command_names_how_to_start_one(
    nowhere: dict[str, str], arguments: tuple[str, ...]
) -> None:
    answer = await lastunit(nowhere, *arguments)
    assert (answer.status, answer.output) == (1, "")
    assert "Start the system with `make up`" in answer.errors
    assert answer.errors.count("\n") == 1


async def test_a_server_that_does_not_answer_is_named_without_its_password(nowhere: dict[str, str]) -> None:
    for variable, address, arguments in (
        ("KAFKA_BOOTSTRAP", "127.0.0.1:1", ("stock", "receive", "MUG", "1")),
        ("POSTGRES_DSN", "postgresql://me:hush@127.0.0.1:1/shop", ("stock", "show")),
        ("REDIS_URL", "redis://:hush@127.0.0.1:1/0", ("order", "show", new_order_id())),
    ):
        answer = await lastunit({**nowhere, f"LASTUNIT_{variable}": address}, *arguments)
        assert (answer.status, answer.output) == (1, "")
        assert f"correct LASTUNIT_{variable}" in answer.errors
        assert "127.0.0.1:1" in answer.errors
        assert "hush" not in answer.errors
        assert answer.errors.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("order", "place", "--line", "MUG"), "give SKU=QTY"),
        (("order", "place", "--line", "MUG=two"), "give SKU=QTY"),
        (("order", "place", "--line", "MUG=" + "9" * 5_000), "give SKU=QTY"),
        (("order", "place", "--line", "MUG=1@x"), "is no price"),
        (("order", "place", "--line", "MUG=1@1.234"), "no whole number of minor units"),
        (("order", "cancel", "abc"), "is no order id"),
        (("stock", "receive", "MUG"), "as in MUG 10"),
        (("stock", "receive", "MUG=1", "TIN=1", "--command-id", "x"), "names one receipt"),
        (("orders", "import", "x.csv", "--map", "order=A"), "the map lacks sku, quantity, price"),
        (("orders", "import", "x.csv", "--format", "etsy"), "give one of online-retail"),
        (("orders", "import", "x.csv", "--terms", "now"), "give ship_available"),
    ],
)
async def test_a_command_that_cannot_be_meant_ends_with_status_2(
    nowhere: dict[str, str], arguments: tuple[str, ...], expected: str
) -> None:
    answer = await lastunit(nowhere, *arguments)
    assert (answer.status, answer.output) == (2, "")
    assert expected in answer.errors


async def test_config_shows_every_setting_and_no_password(nowhere: dict[str, str]) -> None:
    environment = {**nowhere, "LASTUNIT_HOLD_SECONDS": "77", "LASTUNIT_REDIS_URL": "redis://:hush@127.0.0.1:1/0"}
    document = (await lastunit(environment, "config", "--json")).json
    assert (document["hold_seconds"], document["redis_url"]) == (77, "redis://:***@127.0.0.1:1/0")
    assert document.pop("codec_in_use") in {"c", "python"}
    answer = await lastunit(environment, "config")
    assert answer.status == 0
    assert all(f"LASTUNIT_{name.upper()}" in answer.output for name in document)
    assert "hush" not in answer.output

    answer = await lastunit({**nowhere, "LASTUNIT_HOLD_SECONDS": "soon"}, "config")
    assert (answer.status, answer.output) == (1, "")
    assert "LASTUNIT_HOLD_SECONDS" in answer.errors
