"""Ports for the embedded servers: free ones on 127.0.0.1, the same ones again after a restart.

They are taken from below the range from which the kernel draws the ports of outgoing connections. Inside it, a
client that retries while its server restarts can be given the server's own port and connect to itself (TCP
simultaneous open), after which the server cannot have its port back.
"""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

from infra.base.errors import StackError

_LOWEST = 20_000
_HIGHEST = 32_000
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 500


def lasting_ports(path: Path, names: tuple[str, ...]) -> dict[str, int]:
    """Return a free port for each name: the one noted in the file `path` if it is still free, else a new one.

    The choice is written to `path`. Raises StackError when no port is free.
    """
    noted = _noted(path)
    ports: dict[str, int] = {}
    for name in names:
        port = noted.get(name, 0)
        ports[name] = port if port and _is_free(port) else _free_port(taken=set(ports.values()))
    path.write_text(json.dumps(ports, indent=2) + "\n")
    return ports


def _noted(path: Path) -> dict[str, int]:
    try:
        return {str(name): int(port) for name, port in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _free_port(taken: set[int]) -> int:
    highest = min(_HIGHEST, _lowest_ephemeral() - 1)
    lowest = min(_LOWEST, highest - 1000)
    for _ in range(_TRIES):
        port = random.randint(lowest, highest)  # noqa: S311  spreading, not secrecy
        if port not in taken and _is_free(port):
            return port
    raise StackError(f"No free port on 127.0.0.1 between {lowest} and {highest}; stop what occupies them")


def _lowest_ephemeral() -> int:
    try:
        return max(3000, int(_EPHEMERAL_RANGE.read_text().split()[0]))
    except (OSError, ValueError, IndexError):
        return _HIGHEST


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a closed connection's TIME_WAIT is no occupant
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
