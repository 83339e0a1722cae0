"""Prints a demo's result on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from infra.local.demo.inputs import Race
    from infra.local.demo.result import Result


def print_report(console: Console, race: Race, result: Result) -> None:
    """Print everything that `lastunit demo` found out, ending with the verdict."""
    console.print(Text(f"\n{race.title}, {result.lines:,} lines", "bold"))
    for note in race.notes:
        console.print(Text(note, "dim"))
    tables = Table.grid(padding=(0, 4))
    tables.add_row(_orders(result), _stock(result), _speed(result))
    console.print("", tables, "", Columns([_holds(*invariant) for invariant in result.invariants.items()]), "")
    for breach in result.breaches:
        console.print(Text(f"  {breach}", "red"))
    for name, count in result.unfinished.items():
        console.print(Text(f"  {count:,} {name}", "red"))
    console.print(_verdict(result))


def _holds(name: str, holds: bool) -> Text:
    return Text("holds " if holds else "BROKEN ", "green" if holds else "bold red").append(
        name.replace("_", " "), "default"
    )


def _verdict(result: Result) -> Text:
    if result.is_good:
        return Text("Every order is final. No unit was sold twice, none was lost.", "bold green")
    if result.oversold_units:
        return Text(f"{result.oversold_units:,} units were sold that were not there.", "bold red")
    return Text("This must not happen; see above.", "bold red")


def _orders(result: Result) -> Table:
    table = _table("orders", str(result.orders))
    for state, count in result.states.items():
        table.add_row(state, f"{count:,}")
    table.add_section()
    for reason, count in result.rejected_by_reason.items():
        table.add_row(reason.replace("_", " "), f"{count:,}")
    return table


def _stock(result: Result) -> Table:
    table = _table("units", "")
    table.add_row("received", f"{result.units_received:,}")
    table.add_row("sold", f"{result.units_sold:,}")
    table.add_row("available", f"{result.units_available:,}")
    table.add_row("oversold", f"{result.oversold_units:,}", style="bold red" if result.oversold_units else "green")
    if (flash := result.flash_sale) is not None:
        table.add_row()
        table.add_row(flash.sku, "", style="bold")
        table.add_row("received", f"{flash.stock:,}")
        table.add_row("wanted", f"{flash.demand:,}")
        table.add_row("sold", f"{flash.sold:,}")
    return table


def _speed(result: Result) -> Table:
    table = _table("speed", "")
    table.add_row("orders/s", f"{result.orders_per_second:,.0f}")
    table.add_row("seconds", f"{result.seconds:,.1f}")
    table.add_row("p50 until final", f"{result.publish_to_final_ms.p50:,} ms")
    table.add_row("p99 until final", f"{result.publish_to_final_ms.p99:,} ms")
    table.add_row()
    table.add_row("CPU per order", f"{sum(result.cpu_us_per_order.values()):,.0f} us", style="bold")
    for name, used_us in result.cpu_us_per_order.items():
        table.add_row(name, f"{used_us:,.0f} us")
    return table


def _table(title: str, figure: str) -> Table:
    table = Table(title, figure, box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.columns[1].justify = "right"
    return table
