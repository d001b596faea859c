"""The client of a request is the rightmost address in X-Forwarded-For that is not a trusted proxy's, or the peer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integr8scode.proxies import TrustedProxies, read_address

PROXIES = TrustedProxies(["10.0.0.0/8", "2001:db8::/32", "127.0.0.1"])


def asked(peer: str | None, *headers: str) -> dict[str, Any]:
    return {
        "client": (peer, 1234) if peer is not None else None,
        "headers": [(b"x-forwarded-for", each.encode("latin-1")) for each in headers],
    }


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),  # of nobody who is trusted
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),  # what the client has claimed does not count
        ("10.0.0.1", ["203.0.113.9", "198.51.100.7,10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.7", "10.0.0.3 , 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # of a proxy itself
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, unknown"], "10.0.0.1"),  # what a proxy says cannot be read
        ("10.0.0.1", ["203.0.113.9, "], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", ["[2001:db9::1]:80"], "2001:db9::1"),
        ("2001:db8::1", ["2001:db9::1"], "2001:db9::1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.7"], "198.51.100.7"),
        ("::ffff:192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("127.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("127.0.0.2", ["198.51.100.7"], "127.0.0.2"),
        ("testclient", ["198.51.100.7"], "testclient"),
        (None, ["198.51.100.7"], ""),
    ],
)
def test_who_counts(peer: str | None, headers: Sequence[str], client: str) -> None:
    assert PROXIES.client_of(asked(peer, *headers)) == client


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "10.0.0.1"])
def test_nobody_is_trusted_by_itself(peer: str) -> None:
    assert TrustedProxies().client_of(asked(peer, "198.51.100.7")) == peer


ADDRESSES = st.ip_addresses().map(str)
CLAIMS = st.lists(st.one_of(ADDRESSES, st.text(st.characters(codec="latin-1", exclude_characters=","))), max_size=5)


@given(claims=CLAIMS, client=ADDRESSES.filter(lambda each: not PROXIES._trusts(read_address(each))))  # type: ignore[arg-type]
def test_nothing_that_a_client_claims_makes_it_another(claims: list[str], client: str) -> None:
    """The proxy appends the address that it sees."""
    expected = str(read_address(client))
    assert PROXIES.client_of(asked("10.0.0.1", ",".join([*claims, client]))) == expected
    assert PROXIES.client_of(asked("10.0.0.1", *claims, client)) == expected
    assert PROXIES.client_of(asked(client, *claims)) == expected


@pytest.mark.parametrize("text", ["everybody", "10.0.0.1/8", "10.0.0.0/33", ""])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text is that of ipaddress
        TrustedProxies([text])
