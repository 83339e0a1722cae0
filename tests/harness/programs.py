"""Programs that tests need beside Python's: the system's own, or what `make tools` unpacked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

UNPACKED: Final = Path(__file__).parents[2] / ".lastunit" / "tools"
_FOLDERS: Final = ("/usr/sbin", UNPACKED / "usr/bin", UNPACKED / "usr/sbin")


def find_program(name: str) -> str:
    """Return the path of a program, or "" where there is none."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *map(str, _FOLDERS)))
    return shutil.which(name, path=path) or ""


def unpacked(pattern: str) -> list[Path]:
    """Return what was unpacked under /usr/lib that matches a pattern below the folder of this kind of machine."""
    return sorted(UNPACKED.glob(f"usr/lib/*-linux-gnu/{pattern}"))


def environment() -> dict[str, str]:
    """Return this process's environment, in which unpacked programs find their libraries."""
    folders = [str(folder) for folder in UNPACKED.glob("usr/lib/*-linux-gnu")]
    before = os.environ.get("LD_LIBRARY_PATH")
    libraries = os.pathsep.join([*folders, *([before] if before else [])])
    return {**os.environ, "LD_LIBRARY_PATH": libraries} if folders else dict(os.environ)
