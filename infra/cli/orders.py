"""`lastunit orders ...`: many orders at once. The commands stand in `orders_import.py` and `orders_stuck.py`."""

from __future__ import annotations

import typer

app = typer.Typer(name="orders", help="Many orders at once.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Many orders at once."""
