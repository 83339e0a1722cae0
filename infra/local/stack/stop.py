"""Stop a stack that another process runs, for `make down` and `make clean`."""

from __future__ import annotations

import time

import psutil

from infra.base.errors import StackError
from infra.base.settings import Settings
from infra.base.state_lock import holder_of


def stop_running_stack(settings: Settings, within_seconds: float = 60.0) -> int | None:
    """Send SIGTERM to the process that holds the state directory and wait for its end; returns its pid.

    Returns None when nothing runs there. Raises StackError when it does not end in time or is not ours to stop.
    """
    pid = holder_of(settings.state_dir)
    if pid is None:
        return None
    try:
        holder = psutil.Process(pid)
        if holder_of(settings.state_dir) == pid:  # asked again, so that the pid is still the holder's
            holder.terminate()
        holder.wait(within_seconds)
    except psutil.NoSuchProcess:
        pass
    except psutil.AccessDenied as error:
        raise StackError(f"Process {pid} runs the stack in {settings.state_dir} as another user; ask them") from error
    except psutil.TimeoutExpired as error:
        raise StackError(
            f"Process {pid} is still stopping after {within_seconds:g} s; try again, or kill {pid}"
        ) from error
    _until_released(settings, time.monotonic() + 5)
    return pid


def _until_released(settings: Settings, deadline: float) -> None:
    """A process that is not our child may be gone a moment before its lock is."""
    while holder_of(settings.state_dir) is not None and time.monotonic() < deadline:
        time.sleep(0.02)
