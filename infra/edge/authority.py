"""Names of servers in what a client sends: whatever it sends is a name or none, never an error."""

from __future__ import annotations

from urllib.parse import urlsplit


def authority_of(address: str) -> str | None:
    """Return the host and port of an address, such as an Origin; empty where it has none, None where it is no address."""
    try:
        return urlsplit(address).netloc
    except ValueError:
        return None


def hostname_of(host: str) -> str | None:
    """Return the name in a Host header, in lower case, without its port; None where there is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
