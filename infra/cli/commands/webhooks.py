"""Tell other systems what happens to orders."""

from __future__ import annotations

import base64
import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import asyncpg
import msgspec
import typer
from rich.text import Text

from infra.base.connections import database
from infra.base.spans import moment
from infra.cli.arguments import SHOWN, name_argument
from infra.cli.arguments import url as url_
from infra.cli.groups import new_group
from infra.cli.output import MISUSED, AsJson, fail, print_json, quiet_settings, run, stdout
from schemas.ids import new_order_id
from topology.saga import NOTIFIED

KINDS: Final = tuple(dict.fromkeys(NOTIFIED.values()))
SECRET_BYTES: Final = 24
"""As many as Standard Webhooks recommends."""

ADD: Final = """
INSERT INTO webhook_subscriptions (subscription_id, url, secret, kinds) VALUES ($1, $2, $3, $4)
"""
LIST: Final = """
SELECT s.subscription_id, s.url, s.kinds, s.created_at, coalesce(s.disabled_because, '') AS disabled_because,
    count(d.*) FILTER (WHERE d.parked_because IS NULL) AS waiting,
    count(d.*) FILTER (WHERE d.parked_because IS NOT NULL) AS parked
FROM webhook_subscriptions s LEFT JOIN webhook_deliveries d USING (subscription_id)
GROUP BY s.subscription_id ORDER BY s.created_at
"""
PARKED: Final = """
SELECT subscription_id, notification_id, attempts, last_error, parked_because, next_attempt_at_ms
FROM webhook_deliveries WHERE parked_because IS NOT NULL AND ($1::text IS NULL OR subscription_id = $1)
ORDER BY subscription_id, next_attempt_at_ms
"""
RETRY: Final = """
WITH enabled AS (UPDATE webhook_subscriptions SET disabled_because = NULL WHERE subscription_id = $1)
UPDATE webhook_deliveries SET parked_because = NULL, attempts = 0, next_attempt_at_ms = 0
WHERE subscription_id = $1 AND parked_because IS NOT NULL
"""
DROP: Final = "DELETE FROM webhook_deliveries WHERE subscription_id = $1 AND parked_because IS NOT NULL"
REMOVE: Final = "DELETE FROM webhook_subscriptions WHERE subscription_id = $1"
KNOWN: Final = "SELECT count(*) FROM webhook_subscriptions WHERE subscription_id = $1"

app = new_group("webhooks", "Tell other systems what happens to orders.")

SubscriptionId = Annotated[str, name_argument("SUBSCRIPTION", "As `webhooks list` prints it.")]


class Subscription(msgspec.Struct):
    """A subscription; no `kinds` means all. `waiting` and `parked` count deliveries."""

    subscription_id: str
    url: str
    kinds: list[str]
    created_at: datetime
    disabled_because: str
    waiting: int
    parked: int


class Parked(msgspec.Struct):
    """A notification that its subscriber did not take; it is tried again only when asked for."""

    subscription_id: str
    notification_id: str
    attempts: int
    last_error: str
    parked_because: str
    last_attempt_at_ms: int


@app.command()
def add(
    url: Annotated[str, typer.Argument(metavar="URL", parser=url_, help="Where notifications are posted to.")],
    *,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="One kind to receive, repeatable; unset: all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send notifications to another system from now on. Prints the secret by which it knows that we are us; it is not shown again."""
    if unknown := sorted(set(kind or ()) - set(KINDS)):
        fail(f"There is no kind {', '.join(unknown)[:SHOWN]!r}; give some of {', '.join(KINDS)}.", MISUSED)
    if twice := [kind_ for kind_, times in Counter(kind or ()).items() if times > 1]:
        fail(f"{', '.join(twice)} is given twice; give each kind once.", MISUSED)
    subscription_id = f"sub-{new_order_id()}"
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    run(_execute(ADD, subscription_id, url, secret, kind or []))
    if as_json:
        print_json({"subscription_id": subscription_id, "url": url, "kinds": kind or [], "secret": secret})
    else:
        stdout().print(Text(f"{subscription_id} receives {', '.join(kind or ['everything'])}.\nSecret: {secret}"))


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List the subscriptions, and how many deliveries wait or are parked."""
    subscriptions = [Subscription(**row) for row in run(_fetch(LIST))]
    if as_json:
        print_json(subscriptions)
        return
    for subscription in subscriptions:
        disabled = f"\n  disabled: {subscription.disabled_because}; `lastunit webhooks retry` enables it" * bool(
            subscription.disabled_because
        )
        receives = f"\n  receives {', '.join(subscription.kinds) or 'everything'}; {subscription.waiting:,} waiting, {subscription.parked:,} parked"
        stdout().print(
            Text.assemble((subscription.subscription_id, "bold"), f"  {subscription.url}", receives, disabled)
        )
    if not subscriptions:
        stdout().print("There is no subscription; `lastunit webhooks add URL` makes one.")


@app.command()
def parked(
    subscription: Annotated[str | None, name_argument("SUBSCRIPTION", "Whose; unset: everybody's.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List what was tried for days and not taken."""
    deliveries = [Parked(*row) for row in run(_fetch(PARKED, subscription))]
    if as_json:
        print_json(deliveries)
        return
    for delivery in deliveries:
        last = f"\n  {delivery.parked_because}; the last at {moment(delivery.last_attempt_at_ms)[:19]} UTC: {delivery.last_error}"
        stdout().print(
            Text.assemble((delivery.subscription_id, "bold"), f"  notification {delivery.notification_id}", last)
        )
    stdout().print(
        "`lastunit webhooks retry SUBSCRIPTION` sends these once more, `drop` forgets them."
        if deliveries
        else "Nothing is parked."
    )


@app.command()
def retry(subscription: SubscriptionId, *, as_json: AsJson = False) -> None:
    """Deliver what is parked for a subscriber once more, and enable it again if it was disabled."""
    _report("retry", subscription, run(_of(subscription, RETRY)), as_json=as_json)


@app.command()
def drop(subscription: SubscriptionId, *, as_json: AsJson = False) -> None:
    """Forget what is parked for a subscriber."""
    _report("drop", subscription, run(_of(subscription, DROP)), as_json=as_json)


@app.command()
def remove(subscription: SubscriptionId, *, as_json: AsJson = False) -> None:
    """Remove a subscription with its deliveries that wait."""
    _report("remove", subscription, run(_of(subscription, REMOVE)), as_json=as_json)


def _report(what: str, subscription_id: str, done: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"subscription_id": subscription_id, "command": what, "done": done})
    else:
        stdout().print(Text(f"{subscription_id}: {done:,} done"))


async def _of(subscription_id: str, statement: str) -> int:
    """Do something about a subscription; return how many rows it was about."""
    async with database(quiet_settings()) as connection:
        if not await connection.fetchval(KNOWN, subscription_id):
            fail(f"There is no subscription {subscription_id!r}; `lastunit webhooks list` shows all.")
        done: str = await connection.execute(statement, subscription_id)
        return int(done.rsplit(maxsplit=1)[-1])


async def _execute(statement: str, *arguments: Any) -> None:
    async with database(quiet_settings()) as connection:
        await connection.execute(statement, *arguments)


async def _fetch(statement: str, *arguments: Any) -> Sequence[asyncpg.Record]:
    async with database(quiet_settings()) as connection:
        rows: Sequence[asyncpg.Record] = await connection.fetch(statement, *arguments)
        return rows
