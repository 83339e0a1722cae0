"""Whether others could read a request on its way, and what requests without credentials are counted by."""

from __future__ import annotations

import pytest

from infra.edge.access.transport import is_loopback, is_private, sender_of


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "localhost"])
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "localhost.evil.example", ""],  # noqa: S104
)
def test_others_are_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("scheme", "host", "private"),
    [("http", "127.0.0.1", True), ("https", "192.0.2.1", True), ("http", "192.0.2.1", False), ("http", "", False)],
)
def test_plain_http_is_private_only_on_this_machine(scheme: str, host: str, private: bool) -> None:
    assert is_private({"scheme": scheme, "client": (host, 1)}) is private
    assert not is_private({"scheme": "http", "client": None})


@pytest.mark.parametrize(
    ("host", "sender"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_an_address_of_ipv6_counts_as_its_network(host: str, sender: str) -> None:
    assert sender_of({"client": (host, 1)}) == sender
