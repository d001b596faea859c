"""Finds the address of the client that sent a request, for rate limits.

Behind a proxy, every request comes from the proxy's address. The client's address is in X-Forwarded-For, which anybody
can forge. Each proxy appends the address that it sees. So the header is read from its right end, as far as trusted
proxies wrote it: the client is the rightmost address that is not a trusted proxy's. If a request does not come from a
trusted proxy, its sender is the client, whatever the headers say. The operator has to name every trusted proxy, even
one on this machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class TrustedProxies:
    """The proxies whose X-Forwarded-For counts.

    Args:
        networks: Networks such as ``10.0.0.0/8``, or single addresses.

    Raises:
        ValueError: One of them is neither.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks: tuple[Network, ...] = tuple(ip_network(each) for each in networks)

    def client_of(self, scope: Scope) -> str:
        """Return the address of the client. A peer without an IP address is returned as the server names it."""
        peer, _ = scope["client"] or ("", 0)
        client = read_address(peer)
        if client is None:
            return str(peer)
        hops = _forwarded_for(scope)
        while self._trusts(client):
            hop = read_address(next(hops, ""))
            if hop is None:  # no readable address is left: all clients behind this proxy count as one
                break
            client = hop
        return str(client)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def read_address(text: str) -> Address | None:
    """Read an address as proxies write it, perhaps with a port: ``10.0.0.1:80``, ``[::1]:80``. IPv4 in IPv6 is IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _forwarded_for(scope: Scope) -> Iterator[str]:
    """Yield the addresses in X-Forwarded-For from right to left. Several headers of this name form one list."""
    for name, value in reversed(scope["headers"]):
        if name.lower() == b"x-forwarded-for":
            rest = value.decode("latin-1")
            while rest:
                rest, _, hop = rest.rpartition(",")
                yield hop
