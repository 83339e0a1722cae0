"""Prints a demo's result on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from infra.demo.inputs import Race
    from infra.demo.result import Result


def print_report(console: Console, race: Race, result: Result) -> None:
    """Print everything that `lastunit demo` found out, ending with the verdict."""
    console.print()
    console.print(f"[bold]{race.title}[/bold], {result.lines:,} lines", highlight=False)
    for note in race.notes:
        console.print(note, style="dim", highlight=False)
    console.print()
    console.print(Columns([_orders(result), _stock(result), _speed(result), _cpu(result)], padding=(0, 4)))
    console.print()
    for name, holds in result.invariants.items():
        console.print(Text("holds   " if holds else "BROKEN  ", "green" if holds else "bold red") + Text(name))
    for name, count in result.unfinished.items():
        console.print(Text("LEFT    ", "bold red") + Text(f"{count:,} {name}"))
    console.print(_verdict(result))


def _verdict(result: Result) -> Text:
    if result.is_good:
        return Text("Every order is final. No unit was sold twice, none was lost.", "bold green")
    if result.oversold_units:
        return Text(f"{result.oversold_units:,} units were sold that were not there.", "bold red")
    return Text("This must not happen; see above.", "bold red")


def _orders(result: Result) -> Table:
    table = _table("orders")
    for state, count in result.states.items():
        table.add_row(state, f"{count:,}")
    for reason, count in result.rejected_by_reason.items():
        table.add_row(f"  {reason}", f"{count:,}", style="dim")
    return table


def _stock(result: Result) -> Table:
    table = _table("units")
    table.add_row("received", f"{result.units_received:,}")
    table.add_row("sold", f"{result.units_sold:,}")
    table.add_row("available", f"{result.units_available:,}")
    table.add_row("oversold", f"{result.oversold_units:,}", style="green" if not result.oversold_units else "bold red")
    if (flash := result.flash_sale) is not None:
        table.add_section()
        table.add_row(flash.sku, "", style="bold")
        table.add_row("  wanted", f"{flash.demand:,}")
        table.add_row("  there", f"{flash.stock:,}")
        table.add_row("  sold", f"{flash.sold:,}")
    return table


def _speed(result: Result) -> Table:
    table = _table("speed")
    table.add_row("orders/s", f"{result.orders_per_second:,.0f}")
    table.add_row("seconds", f"{result.seconds:,.1f}")
    table.add_section()
    table.add_row("publish to final", "")
    table.add_row("  p50", f"{result.publish_to_final_ms.p50:,} ms")
    table.add_row("  p99", f"{result.publish_to_final_ms.p99:,} ms")
    return table


def _cpu(result: Result) -> Table:
    table = _table("CPU per order")
    for name, used_us in result.cpu_us_per_order.items():
        table.add_row(name, f"{used_us:,.0f} us")
    table.add_section()
    table.add_row("all", f"{sum(result.cpu_us_per_order.values()):,.0f} us")
    return table


def _table(title: str) -> Table:
    table = Table(title, "", box=None, padding=(0, 1), header_style="bold underline")
    table.columns[1].justify = "right"
    return table
