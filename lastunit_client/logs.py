"""Log lines of this package by way of `logging`: the wheel is built with this module in place of structlog.

A library must not print, which structlog does unless its host sets it up.
"""

from __future__ import annotations

import logging
from typing import Any, Final


class EventLogger:
    """Takes an event's name and its fields, as structlog's loggers do."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def info(self, event: str, **fields: Any) -> None:
        """Log what is in order."""
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log what somebody may want to look at."""
        self._log(logging.WARNING, event, fields)

    def _log(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if self._logger.isEnabledFor(level):
            shown = " ".join(f"{name}={value!r}" for name, value in fields.items() if value is not None)
            self._logger.log(level, "%s %s", event, shown)


_LOGGER: Final = EventLogger(logging.getLogger("lastunit_client"))


def get_logger() -> EventLogger:
    """Return the logger of this package."""
    return _LOGGER
