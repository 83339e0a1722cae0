"""What arguments and options may be: each is read here once, and refused in a line that names what to give instead."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

import typer

from producers.clients.requests import require_text
from producers.errors import InvalidRequestError

MAX_SECONDS: Final = 10**9
"""Thirty-one years, for whoever waits or looks back."""
MAX_DAYS: Final = 36_500
MAX_STOCK_FACTOR: Final = 1_000
MAX_INT: Final = 2**31 - 1
SHOWN: Final = 60
MAX_URL: Final = 2_000
MAX_HOST: Final = 253
MAX_LABEL: Final = 63
MOMENTS: Final = (
    "2026-01-31, 2026-01-31T12:00, 2026-01-31T12:00:00Z or 2026-01-31T12:00:00+01:00; UTC unless it says otherwise"
)
_NUMBER: Final = re.compile(r"\d{1,18}(\.\d{0,18})?|\.\d{1,18}", re.ASCII)
_AMOUNT: Final = re.compile(r"\d{1,18}(\.\d{1,18})?", re.ASCII)
_MOMENT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?(Z|[+-]\d{2}:?\d{2})?", re.ASCII
)


def seconds(given: str | float) -> float:
    """Return a span of time in seconds."""
    return _number(given, 0, MAX_SECONDS, " seconds")


def days(given: str | float) -> float:
    """Return a span of time in days."""
    return _number(given, 0, MAX_DAYS, " days")


def stock_factor(given: str | float) -> float:
    """Return the share of what is wanted that is there, as a number."""
    return _number(given, 0.01, MAX_STOCK_FACTOR, "")


def _number(given: str | float, least: float, most: int, unit: str) -> float:
    value = float(given) if isinstance(given, int | float) or _NUMBER.fullmatch(given) else math.nan
    if not least <= value <= most:
        raise typer.BadParameter(f"{str(given)[:SHOWN]!r}: give {least} to {most:,}{unit}.")
    return value


def moment(given: str | datetime) -> datetime:
    """Return a moment, in UTC unless it has an offset of its own."""
    if isinstance(given, datetime):
        return given
    text = given.strip()
    try:
        parsed = datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
        aware = parsed and (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        aware = None
    if aware is None:
        raise typer.BadParameter(f"{given[:SHOWN]!r} is no time; give one such as {MOMENTS}.")
    return aware


def amount(given: str | Decimal) -> Decimal:
    """Return an amount of money in major units, 0 or more."""
    if isinstance(given, Decimal):
        return given
    if not _AMOUNT.fullmatch(given):
        raise typer.BadParameter(f"{given[:SHOWN]!r} is no amount; give one such as 12.34.")
    return Decimal(given)


def name(given: str) -> str:
    """Return a text that may become a key or an id."""
    if not given:
        raise typer.BadParameter("it is empty.")
    try:
        require_text(InvalidRequestError, "it", given)
    except InvalidRequestError as error:
        raise typer.BadParameter(f"{error}.") from None
    return given


def url(given: str) -> str:
    """Return an address that can be posted to over HTTP."""
    try:
        parts = urlsplit(given)
        fault = _url_fault(given, parts.scheme, parts.hostname, parts.port)
        fault = fault or ("it has a user name or a password" if "@" in parts.netloc else "")
        fault = fault or ("it has a fragment" if parts.fragment or given.endswith("#") else "")
    except ValueError as error:
        fault = str(error)
    if fault:
        raise typer.BadParameter(f"{given[:SHOWN]!r}: {fault}; give one such as https://shop.example/hooks.")
    return given


def _url_fault(given: str, scheme: str, host: str | None, port: int | None) -> str:
    if len(given) > MAX_URL:
        return f"it has more than {MAX_URL:,} characters"
    if not given.isascii() or not given.isprintable() or " " in given:
        return "it has characters that must be percent-encoded"
    if scheme not in {"http", "https"} or not host:
        return "it is no http or https address"
    if port == 0:
        return "port 0 is no port"
    labels = host.strip("[]").rstrip(".").split(".")
    if len(host) > MAX_HOST or not all(0 < len(label) <= MAX_LABEL for label in labels):
        return "its host name is none"
    return ""


def seconds_option(help_: str) -> Any:
    """Return an option that takes seconds."""
    return typer.Option(metavar="SECONDS", parser=seconds, help=help_)


def name_argument(metavar: str, help_: str) -> Any:
    """Return an argument that takes a key or an id."""
    return typer.Argument(metavar=metavar, parser=name, help=help_)


def name_option(metavar: str, help_: str) -> Any:
    """Return an option that takes a key or an id."""
    return typer.Option(metavar=metavar, parser=name, help=help_)
