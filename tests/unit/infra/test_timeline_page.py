"""What `lastunit order show` prints stays usable on a narrow terminal."""

from __future__ import annotations

import io

from rich.console import Console

from consumers.views.timeline import event_of, view_of
from infra.cli.timeline import timeline
from schemas import messages as m
from schemas.ids import new_order_id

A = new_order_id()
URL = "https://bank.example/v1/actions/" + "0123456789" * 6


def test_the_address_at_which_a_payment_is_confirmed_is_shown_whole() -> None:
    said = m.PaymentRequiresAction(A, "auth_1", URL, 900_000)
    console = Console(width=80, file=io.StringIO(), highlight=False)
    console.print(timeline(view_of(A, [event_of(said, event_id="e", at_ms=1, offset=0)])))
    assert isinstance(console.file, io.StringIO)
    assert URL in "".join(console.file.getvalue().split())
