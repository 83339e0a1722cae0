"""What a client sends as the name of a server is a name or none: every door that reads one refuses, none fails."""

from __future__ import annotations

from typing import Any, cast

import pytest
from litestar.exceptions import PermissionDeniedException

from infra.edge.authority import authority_of, hostname_of
from infra.edge.console.guard import local_path
from infra.edge.shop.administration import loopback_only
from infra.edge.shop.visitors import own_pages_only

BROKEN = ["http://[", "http://]", "http://[::1", "http://[x]", "//[", "http://\uff0f.example"]


class Asked:
    """A request with these headers."""

    def __init__(self, **headers: str) -> None:
        self.scope = {"method": "POST"}
        self.headers = headers


@pytest.mark.parametrize("address", BROKEN)
def test_what_is_no_address_has_no_authority_and_is_no_page_of_ours(address: str) -> None:
    assert authority_of(address) is None
    with pytest.raises(PermissionDeniedException):
        own_pages_only(cast("Any", Asked(host="127.0.0.1", origin=address)), cast("Any", None))
    assert local_path(address) == "/"


@pytest.mark.parametrize("host", ["[", "]", "[::1", "[x]", "", "evil.example", "127.0.0.1.evil.example"])
def test_what_is_no_name_of_this_machine_administers_nothing(host: str) -> None:
    assert hostname_of(host) in (None, "evil.example", "127.0.0.1.evil.example")
    with pytest.raises(PermissionDeniedException):
        loopback_only(cast("Any", Asked(host=host)), cast("Any", None))


def test_what_is_an_address_has_its_authority() -> None:
    assert authority_of("https://shop.example:8443") == "shop.example:8443"
    assert authority_of("/orders?id=1") == ""
    assert authority_of("null") == ""
    assert (hostname_of("127.0.0.1:8080"), hostname_of("[::1]:80"), hostname_of("LocalHost")) == (
        "127.0.0.1",
        "::1",
        "localhost",
    )
    assert local_path("/orders?id=[1]") == "/orders?id=[1]"
