from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from infra.base.logs import configure


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root, handlers, level = logging.getLogger(), logging.getLogger().handlers[:], logging.getLogger().level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_json_line_is_one_fact_with_what_stands_on_every_line() -> None:
    stream = io.StringIO()
    configure("info", "json", stream, {"room": "inventory"})

    structlog.get_logger().info("claimed", partition=3)
    structlog.get_logger().debug("too small a fact")

    (line,) = stream.getvalue().splitlines()
    fact = json.loads(line)
    assert (fact["event"], fact["room"], fact["partition"], fact["level"]) == ("claimed", "inventory", 3, "info")
    assert fact["timestamp"].endswith("Z")


def test_libraries_log_the_same_way_but_quieter() -> None:
    stream = io.StringIO()
    configure("info", "json", stream, {})

    logging.getLogger("aiokafka.consumer").info("chatter")
    logging.getLogger("aiokafka.consumer").error("lost %s", "a broker")

    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "lost a broker"


def test_an_exception_stays_on_its_json_line() -> None:
    stream = io.StringIO()
    configure("info", "json", stream, {})

    try:
        int("no")
    except ValueError:
        structlog.get_logger().exception("room_failed")

    (line,) = stream.getvalue().splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


def test_the_console_form_is_readable_without_colours_in_a_file() -> None:
    stream = io.StringIO()
    configure("info", "console", stream, {})

    structlog.get_logger().info("claimed", partition=3)

    assert "claimed partition=3" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
