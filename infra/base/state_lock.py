"""One running stack for each state directory, held by an flock that ends with the process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from infra.base.errors import StackError, StateDirInUseError

_LOCK_NAME = "stack.lock"
_TRIES = 10
_PAUSE_SECONDS = 0.02  # `holder_of` of another process may have the lock for a moment


@contextlib.contextmanager
def hold_state_dir(state_dir: Path) -> Iterator[None]:
    """Create the directory if need be and hold its lock. Raises StateDirInUseError, naming the holder's pid."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        file = (state_dir / _LOCK_NAME).open("a+")
    except OSError as error:
        raise StackError(
            f"Cannot write to the state directory {state_dir} ({error}); name another in LASTUNIT_STATE_DIR"
        ) from error
    with file:
        if not _locked(file):
            raise StateDirInUseError(
                f"The stack in {state_dir} is already running, held by process {_noted_pid(file)}."
                " Use it as it is, stop it with `make down`,"
                " or set LASTUNIT_STATE_DIR to another directory to run a second one."
            )
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def holder_of(state_dir: Path) -> int | None:
    """Return the pid of the process that holds the directory's lock, or None when nobody does."""
    try:
        file = (state_dir / _LOCK_NAME).open()
    except OSError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _noted_pid(file)
        return None


def _locked(file: TextIO) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
        else:
            return True
    return False


def _noted_pid(file: TextIO) -> int:
    file.seek(0)
    text = file.read().strip()
    return int(text) if text.isdigit() else 0
