"""What a shop charges beside its prices, as the file of its rules has it now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import structlog

from producers.checkout.charges import read_charges

if TYPE_CHECKING:
    from pathlib import Path

    from producers.checkout.charges import ChargeRules

log = structlog.get_logger()


class ChargeFile:
    """Reads the rules when it is made, and again whenever their file is another one, so that each quote is by the rules of its moment.

    Raises what read_charges does when it is made. A file that cannot be used later leaves the rules of before and is logged, once.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp = self._stamped()
        self._rules = read_charges(path)

    def current(self) -> ChargeRules:
        """Return the rules."""
        if (stamp := self._stamped()) != self._stamp:
            self._stamp = stamp
            try:
                self._rules = read_charges(self._path)
            except (OSError, msgspec.DecodeError) as error:
                log.error("charges_not_read", file=str(self._path), error=repr(error))  # noqa: TRY400  # it says the place
        return self._rules

    def _stamped(self) -> tuple[int, int, int] | None:
        """Return what differs when the file does; None where there is none."""
        if self._path is None:
            return None
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
