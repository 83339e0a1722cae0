"""Where a simulated payment processor listens, as it noted it in its data directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import psutil

if TYPE_CHECKING:
    from pathlib import Path


class Address(msgspec.Struct, frozen=True):
    """The ready line of `python -m infra.local.sandbox_processor`."""

    ready: bool
    url: str
    pid: int


def address_in(data_dir: Path) -> Address | None:
    """Return the address of the processor that runs on these books, or None; a killed one's file counts for nothing."""
    try:
        address = msgspec.json.decode((data_dir / "address.json").read_bytes(), type=Address)
    except (OSError, msgspec.DecodeError):
        return None
    return address if psutil.pid_exists(address.pid) else None
