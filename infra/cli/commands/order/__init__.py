"""Place one order, see what becomes of it, and change it."""

from __future__ import annotations

from infra.cli.commands.order import changing, placing, showing
from infra.cli.groups import add, new_group

app = new_group("order", "Place one order, see what becomes of it, and change it.")
add(
    app,
    placing.place,
    showing.show,
    showing.watch,
    changing.cancel,
    changing.ship,
    changing.deliver,
    changing.lost,
)

returns = new_group("return", "Take delivered lines back.")
add(returns, changing.request, changing.approve, changing.refuse, changing.receive)
app.add_typer(returns)

add(app, changing.refund, changing.retry, changing.resolve)
