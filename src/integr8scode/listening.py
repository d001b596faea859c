"""Where the server listens, and with which certificate: by the settings, unless an option says otherwise."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hotsettings import Live

from .settings import Settings

NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})
PROXIED = 'SSL_CERTFILE = "" or --http leaves TLS to a proxy'


class CannotListen(Exception):
    """The server cannot apply a setting. The message names it, its origin and a remedy."""


@contextmanager
def listening(
    live: Live[Settings], host: str | None = None, port: int | None = None
) -> Generator[list[socket.socket], None, None]:
    """Hold each address of the host bound to the port, 0 for a free one. Raises CannotListen.

    It does not accept connections yet: they are refused until a server takes the sockets.
    """
    by_host = written(live, "SERVER_HOST") if host is None else "--host"
    by_port = written(live, "SERVER_PORT") if port is None else "--port"
    host = live.current.SERVER_HOST if host is None else host
    port = live.current.SERVER_PORT if port is None else port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise CannotListen(
            f"{by_host}: {host} cannot be looked up: {error}; set another, or give one with --host"
        ) from None
    lacking: OSError | None = None
    with ExitStack() as made:
        sockets: list[socket.socket] = []
        for family, _, _, _, address in dict.fromkeys(found):  # a name may stand on two lines of a hosts file
            if sockets:  # all on one port, which the first may have found
                address = (address[0], sockets[0].getsockname()[1], *address[2:])
            try:
                sockets.append(made.enter_context(_bound(family, address)))
            except OSError as error:
                if error.errno not in NO_SUCH_ADDRESS:
                    reason = f"cannot listen on {host}, port {port}: {_said(error)}"
                    raise CannotListen(
                        f"{by_port}: {reason}; set another, or give one with --port{_privilege(error)}"
                    ) from None
                lacking = error  # localhost is ::1 too, also where there is no IPv6
        if not sockets and lacking is not None:
            raise CannotListen(
                f"{by_host}: {host} is no address of this machine: {_said(lacking)}; set another, or give one with --host"
            )
        yield sockets


def certificate(live: Live[Settings]) -> ssl.SSLContext | None:
    """The server's side of TLS, from SSL_CERTFILE and SSL_KEYFILE; None without them. Raises CannotListen."""
    settings = live.current
    if not settings.SSL_CERTFILE:
        return None
    for key, path in (("SSL_CERTFILE", settings.SSL_CERTFILE), ("SSL_KEYFILE", settings.SSL_KEYFILE)):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise CannotListen(
                f"{written(live, key)}: cannot read {path or 'a file without a name'}: {_said(error)}; "
                f"put the PEM file there or name another; {PROXIED}"
            ) from None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(settings.SSL_CERTFILE, settings.SSL_KEYFILE, _no_password)
    except (ssl.SSLError, ValueError) as error:
        raise CannotListen(
            f"{written(live, 'SSL_CERTFILE')}, {written(live, 'SSL_KEYFILE')}: "
            f"{settings.SSL_CERTFILE} and {settings.SSL_KEYFILE} are no certificate and its key: {error}"
        ) from None
    return context


def url(sockets: Sequence[socket.socket], host: str, *, tls: bool) -> str:
    """The address for a browser."""
    port = sockets[0].getsockname()[1]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def written(live: Live[Settings], key: str) -> str:
    """A setting and its origin, written as in all messages about settings."""
    origin = live.explain(key).winner.origin
    return f"{origin}  {key}" if origin.file else f"{key}, which no file sets"


def _bound(family: socket.AddressFamily, address: Any) -> socket.socket:
    # asyncio sends without delay only where it is told that this is TCP: otherwise a response waits 40 ms for its second half.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two servers have the same port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except BaseException:
        made.close()
        raise
    return made


def _said(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _privilege(error: OSError) -> str:
    return "; those below 1024 may be for the administrator only" if error.errno == errno.EACCES else ""


def _no_password() -> str:
    raise ValueError("the key is encrypted, and there is no setting for its password")
