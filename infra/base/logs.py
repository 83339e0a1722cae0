"""How processes log: structlog, one line a fact, on standard error, for people or for collectors.

Our own libraries' standard logging (aiokafka, asyncio) goes the same way, so that one reader understands all lines.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog

if TYPE_CHECKING:
    from infra.base.settings import Settings

_NOISY: Final = {"aiokafka": logging.WARNING, "asyncio": logging.WARNING}
"""Libraries whose own "info" is chatter: every rejoin of a group, every slow callback."""


def set_up_logging(settings: Settings, *, for_good: bool = True, **facts: Any) -> None:
    """Log from now on as the settings have it; `facts` (such as room="inventory") stand on every line.

    What is set up `for_good` is the faster, but loggers that were used keep it whatever is set up afterwards.
    """
    configure(settings.log_level, settings.log_format, sys.stderr, facts, for_good=for_good)


def configure(level: str, form: str, stream: TextIO, facts: dict[str, Any], *, for_good: bool = True) -> None:
    """Set both structlog and standard logging up. `form` is `console` or `json`."""
    least = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**facts)
    structlog.configure(
        processors=[*shared, *_rendering(form, stream)],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=for_good,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(form, stream)],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    logging.basicConfig(level=least, handlers=[handler], force=True)
    for name, least_of_its_own in _NOISY.items():
        logging.getLogger(name).setLevel(max(least, least_of_its_own))


def _rendering(form: str, stream: TextIO) -> list[structlog.typing.Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    # Plain tracebacks: the rich ones show local variables, and those have passwords in them.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0, exception_formatter=plain)]
