"""Become the command given after `--`, bound to the life of the parent; run as a script by ChildProcess.

A script of its own rather than a preexec_fn: after fork() in a process with threads almost nothing is safe to call.

The order matters. Linux clears the parent-death signal whenever credentials change, so it is set last, and
the parent may have died before that, so its pid is compared afterwards (prctl(2), PR_SET_PDEATHSIG).

As root, `--unprivileged` gives up root first: PostgreSQL refuses to run as root. The installation and the data may
lie below folders that only root can enter (a clone in /root, mode 0700), and widening the permissions of folders
that are not ours is no option. So the command runs as uid 65534 with one ambient capability, CAP_DAC_OVERRIDE,
which lets it through; containers have it by default (CAP_DAC_READ_SEARCH, which would be enough for the way
in, they have not). An ambient capability survives exec without making the program "secure", so the
loader still follows $ORIGIN and the parent-death signal is kept (capabilities(7)). access(2), by which initdb
looks for its neighbours, forgets capabilities unless the securebit NO_SETUID_FIXUP is set; it also keeps them over setuid.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from collections.abc import Callable

UNPRIVILEGED_ID = 65_534  # "nobody" everywhere; needs no entry in /etc/passwd

_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522


def _call(name: str, *args: object) -> None:
    """Call a C function that returns 0, or raise OSError from errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def _prctl(option: int, *values: int) -> None:
    padded = (*values, 0, 0, 0, 0)[:4]
    _call("prctl", option, *(ctypes.c_ulong(value) for value in padded))


def _set_capabilities(bits: int) -> None:
    """Reduce this process to these capabilities (capset(2), version 3: effective, permitted, inheritable, twice)."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)(bits, bits, bits, 0, 0, 0))


def _keep_only(capability: int) -> None:
    """Reduce this process to one capability that is handed on through exec."""
    _set_capabilities(1 << capability)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def _give_up_root() -> None:
    if sys.platform == "linux":
        _if_allowed("set securebits", lambda: _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP))
    os.setgroups([])
    os.setgid(UNPRIVILEGED_ID)
    os.setuid(UNPRIVILEGED_ID)
    if sys.platform == "linux" and not _if_allowed("keep CAP_DAC_OVERRIDE", lambda: _keep_only(_CAP_DAC_OVERRIDE)):
        _if_allowed("drop every capability", lambda: _set_capabilities(0))


def _if_allowed(what: str, step: Callable[[], None]) -> bool:
    """Try; a container with fewer rights goes on without, which works where every folder on the way is open."""
    try:
        step()
    except OSError as error:
        print(f"launch: cannot {what} ({error}); going on without", file=sys.stderr, flush=True)
        return False
    return True


def _end_with(parent: int, death_signal: int) -> None:
    if sys.platform != "linux":
        return
    _prctl(_PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit("launch: the parent is already gone")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Become a command that dies with its parent")
    parser.add_argument("--parent", type=int, required=True, help="pid that must still be the parent")
    parser.add_argument("--death-signal", type=int, required=True, help="sent to the command when the parent dies")
    parser.add_argument("--unprivileged", action="store_true", help="give up root first")
    parser.add_argument("command", nargs="+", help="program, as a path or a name on PATH, and its arguments")
    return parser.parse_args()


def main() -> None:
    """Change what must change, then exec."""
    arguments = _arguments()
    if arguments.unprivileged and os.geteuid() == 0:
        _give_up_root()
    _end_with(arguments.parent, arguments.death_signal)
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)  # exec would hand "ignored" on
    try:
        os.execvp(arguments.command[0], arguments.command)  # noqa: S606  no shell is what we want
    except OSError as error:
        sys.exit(f"launch: cannot run {arguments.command[0]}: {error}")


if __name__ == "__main__":
    main()
