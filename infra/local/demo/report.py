"""Prints a demo's result on one screen of 80 columns: what happened, what holds, what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from infra.ops.audit.report import PROMISES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from infra.local.demo.inputs import Race
    from infra.local.demo.result import FlashSale, Result

_OWN: Final = {
    "allocated_is_what_was_paid_for": ("What is allocated was paid for", "What is allocated is not what was paid for"),
    "received_is_sold_or_available": ("Every unit is sold or available", "Units are neither sold nor available"),
}
_NEXT: Final = "Next: `make up` keeps a system running; README.md goes on from there."
_COLUMN: Final = 40


def print_report(console: Console, race: Race, result: Result, *, pictures: str = "", verbose: bool = False) -> None:
    """Print everything that `lastunit demo` found out, and where its `pictures` are; the CPU figures only where it is `verbose`."""
    console.print()
    for line in story(race, result):
        console.print(line, style="bold" if line.startswith(race.title) else None)
    console.print()
    _print_promises(console, result)
    for breach in result.breaches:
        console.print(Text(f"  {breach}", "red"))
    for name, count in result.unfinished.items():
        console.print(Text(f"  {count:,} {name}", "red"))
    if verbose:
        _print_cpu(console, result)
    console.print()
    console.print(_verdict(result))
    if pictures:
        console.print(f"Pictures of this run: {pictures}")


def story(race: Race, result: Result) -> Iterator[str]:
    """Yield what happened, line by line."""
    yield f"{race.title}, {result.lines:,} lines, in {result.seconds:,.1f} s ({result.orders_per_second:,.0f} orders/s)"
    yield from race.notes
    yield ""
    if result.flash_sale is not None and result.flash_sale.stock:
        yield from _race_for(result.flash_sale)
        yield ""
    ends = ", ".join(f"{count:,} {state}" for state, count in result.states.items())
    reasons = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in result.rejected_by_reason.items())
    yield f"Orders: {ends}."
    if reasons:
        yield f"  Why they were rejected: {reasons}."
    yield f"Units: {result.units_sold:,} of {result.units_received:,} sold, {result.units_available:,} left."
    if result.units_available and result.rejected_by_reason:
        yield "An order is all or nothing: one short line leaves the units of its other lines"
        yield "to later orders. With --terms ship_available it would go on without that line."
    p50_s, p99_s = (ms / 1000 for ms in (result.publish_to_final_ms.p50, result.publish_to_final_ms.p99))
    yield f"All were placed at once: half were final after {p50_s:,.1f} s, 99 of 100 after {p99_s:,.1f} s."


def _race_for(sale: FlashSale) -> Iterator[str]:
    yield f"{sale.sku}: {sale.demand:,} units wanted, {sale.stock:,} there, {sale.sold:,} sold."
    if (last := sale.last_unit) is not None:
        yield f"  {last.order_id} got the last {'unit' if last.quantity == 1 else _units(last.quantity)}."
    if (first := sale.first_refused) is not None:
        there = f"{first.available} there" if first.available else "none there"
        yield f"  {first.order_id} came next: {_units(first.quantity)} wanted, {there}."
    if sale.refused:
        yield f"  {sale.refused:,} orders were refused it, each when too few units were free."
    if left := sale.stock - sale.sold:
        yield f"  {_units(left)} came back from orders that failed at another line or at the card."


def _units(count: int) -> str:
    return f"{count:,} unit{'' if count == 1 else 's'}"


def _print_promises(console: Console, result: Result) -> None:
    """Print each invariant as a sentence, two in a row."""
    texts = [_sentence(name, holds) for name, holds in result.invariants.items()]
    for left, right in zip(texts[::2], [*texts[1::2], Text()], strict=False):
        left.pad_right(max(0, _COLUMN - left.cell_len))
        console.print(left.append_text(right))


def _sentence(name: str, holds: bool) -> Text:
    mark = Text("✓ ", "green") if holds else Text("✗ ", "bold red")
    return mark.append(sentence_of(name, holds=holds), "default" if holds else "bold red")


def sentence_of(name: str, *, holds: bool) -> str:
    """Return an invariant in words, as it holds or is broken."""
    when_it_holds, when_broken = PROMISES[name][:2] if name in PROMISES else _OWN[name]
    return when_it_holds if holds else when_broken


def _print_cpu(console: Console, result: Result) -> None:
    console.print(f"\nCPU per order: {sum(result.cpu_us_per_order.values()):,.0f} us")
    for name, used_us in result.cpu_us_per_order.items():
        console.print(f"  {used_us:8,.0f} us  {name}")


def _verdict(result: Result) -> Text:
    if result.is_good:
        return Text("Every order is final. No unit was sold twice, none was lost.\n", "bold green").append(
            _NEXT, "default"
        )
    if result.oversold_units:
        return Text(f"{result.oversold_units:,} units were sold that were not there.", "bold red")
    return Text("This must not happen; see above.", "bold red")
