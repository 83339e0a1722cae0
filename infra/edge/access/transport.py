"""From where a request came, and whether anybody could read it on its way."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any, Final

REMEMBERED: Final = 1_024
"""Addresses that are not parsed again: it takes longer than all else that is done about a request here."""


@lru_cache(REMEMBERED)
def is_loopback(host: str) -> bool:
    """Return whether an address or a name is that of this machine only."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def is_private(scope: dict[str, Any]) -> bool:
    """Return whether nobody could read a request on its way: it came over TLS, or from this machine."""
    return scope["scheme"] == "https" or is_loopback(_address(scope))


def sender_of(scope: dict[str, Any]) -> str:
    """Return what requests without credentials are counted by: the address they came from, of IPv6 its /64 network."""
    return _network_of(_address(scope))


@lru_cache(REMEMBERED)
def _network_of(host: str) -> str:
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return host
    return str(address.ipv4_mapped or ipaddress.IPv6Network((int(address), 64), strict=False))


def _address(scope: dict[str, Any]) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""
