"""Where the server listens and with which certificate, and what it says when that cannot be."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.hazmat.primitives.serialization import load_pem_private_key as load_key

from hotsettings import Live
from hotsettings.testing import Workspace
from integr8scode.listening import CannotListen, certificate, listening, url
from integr8scode.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def files(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    workspace.write(secrets={"SECRET_KEY": "k" * 32})
    return workspace


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@asynccontextmanager
async def live(files: Workspace, **config: Any) -> AsyncGenerator[Live[Settings], None]:
    files.write(config)
    async with Settings.watch(**files.paths) as watched:
        yield watched


def issue(authority: trustme.CA, folder: Path) -> dict[str, str]:
    """Write a certificate for this machine and its key; what the settings have to say then."""
    made = authority.issue_cert("localhost", "127.0.0.1")
    made.private_key_pem.write_to_path(folder / "server.key")
    made.cert_chain_pems[0].write_to_path(folder / "server.crt")
    return {"SSL_KEYFILE": str(folder / "server.key"), "SSL_CERTFILE": str(folder / "server.crt")}


async def test_the_files_say_where(files: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with live(files, SERVER_HOST="127.0.0.1", SERVER_PORT=port) as watched:
        with listening(watched) as sockets:
            assert [each.getsockname() for each in sockets] == [("127.0.0.1", port)]
            with pytest.raises(ConnectionRefusedError):  # nobody is let in before the server takes it
                socket.create_connection(("127.0.0.1", port), timeout=5)
        assert [each.fileno() for each in sockets] == [-1]


async def test_options_go_first(files: Workspace, taken: int) -> None:
    async with live(files, SERVER_HOST="192.0.2.1", SERVER_PORT=taken) as watched:
        with listening(watched, "127.0.0.1", 0) as sockets:
            assert sockets[0].getsockname()[1] not in (0, taken)


async def test_what_is_sent_is_not_held_back_for_more(files: Workspace) -> None:
    """Nagle's algorithm and delayed acknowledgements together cost 40 ms a response."""
    undelayed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        undelayed.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async with live(files) as watched:
        with listening(watched, "127.0.0.1", 0) as sockets:
            async with await asyncio.start_server(accepted, sock=sockets[0]):
                _, writer = await asyncio.open_connection(*sockets[0].getsockname())
                assert await asyncio.wait_for(undelayed, 10)
                writer.close()


async def test_every_address_of_a_host_gets_the_same_port(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.1", "127.0.0.2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    async with live(files) as watched:
        with listening(watched, "both", 0) as sockets:
            assert len({each.getsockname()[1] for each in sockets}) == 1
            assert {each.getsockname()[0] for each in sockets} == {"127.0.0.1", "127.0.0.2"}


async def test_an_address_that_is_found_twice_is_taken_once(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))] * 2
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    async with live(files) as watched:
        with listening(watched, "twice", 0) as sockets:
            for each in sockets:
                each.listen()
            assert len(sockets) == 1


async def test_an_address_that_the_machine_lacks_is_left_out(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("192.0.2.1", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    async with live(files) as watched:
        with listening(watched, "localhost", 0) as sockets:
            assert [each.getsockname()[0] for each in sockets] == ["127.0.0.1"]


async def refusal(files: Workspace, *options: Any, **config: Any) -> str:
    async with live(files, **config) as watched:
        with pytest.raises(CannotListen) as caught, listening(watched, *options):
            pass
    return str(caught.value)


async def test_what_is_taken_is_said_with_the_key_and_its_place(files: Workspace, taken: int) -> None:
    said = await refusal(files, SERVER_HOST="127.0.0.1", SERVER_PORT=taken)
    assert f"config.toml:2:15  SERVER_PORT: cannot listen on 127.0.0.1, port {taken}: address already in use" in said
    assert said.endswith("set another, or give one with --port")
    assert (await refusal(files, "127.0.0.1", taken)).startswith("--port: cannot listen")


async def test_a_port_that_needs_rights(files: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(socket.socket):
        def bind(self, address: Any) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "socket", Refused)
    said = await refusal(files, "127.0.0.1")
    assert said.startswith("SERVER_PORT, which no file sets: cannot listen on 127.0.0.1, port 443: permission denied;")
    assert "below 1024" in said


@pytest.mark.parametrize(
    ("host", "why"), [("192.0.2.1", "is no address of this machine"), ("no-such-host.invalid", "cannot be looked up")]
)
async def test_a_host_that_is_none_of_this_machine(files: Workspace, host: str, why: str) -> None:
    assert re.search(
        rf"config\.toml:1:15  SERVER_HOST: {host} {why}: .*--host$", await refusal(files, SERVER_HOST=host)
    )


async def no_certificate(files: Workspace, **config: Any) -> str:
    async with live(files, **config) as watched:
        with pytest.raises(CannotListen) as caught:
            certificate(watched)
    return str(caught.value)


async def test_a_certificate_and_its_key(files: Workspace, authority: trustme.CA) -> None:
    async with live(files, **issue(authority, files.folder)) as watched:
        assert certificate(watched) is not None


async def test_no_certificate_is_plain_http(files: Workspace) -> None:
    async with live(files, SSL_CERTFILE="") as watched:
        assert certificate(watched) is None


async def test_files_that_are_not_there(files: Workspace, authority: trustme.CA) -> None:
    said = await no_certificate(files)
    assert said.startswith("SSL_CERTFILE, which no file sets: cannot read /app/certs/server.crt: no such file")
    assert said.endswith('SSL_CERTFILE = "" or --http leaves TLS to a proxy')
    config = issue(authority, files.folder)
    said = await no_certificate(files, **config | {"SSL_KEYFILE": str(files.folder)})
    assert f"config.toml:1:15  SSL_KEYFILE: cannot read {files.folder}: is a directory" in said
    assert "a file without a name" in await no_certificate(files, **config | {"SSL_KEYFILE": ""})


async def test_files_that_do_not_belong_together(files: Workspace, authority: trustme.CA) -> None:
    config = issue(authority, files.folder)
    authority.issue_cert("localhost").private_key_pem.write_to_path(files.folder / "server.key")
    said = await no_certificate(files, **config)
    assert re.search(r"config\.toml:2:16  SSL_CERTFILE, .*config\.toml:1:15  SSL_KEYFILE: .*are no certificate", said)


async def test_an_encrypted_key_asks_nobody_for_its_password(files: Workspace, authority: trustme.CA) -> None:
    config = issue(authority, files.folder)
    key = load_key((files.folder / "server.key").read_bytes(), None)
    (files.folder / "server.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hidden"))
    )
    assert "the key is encrypted" in await no_certificate(files, **config)


@pytest.mark.parametrize(("host", "shown"), [("localhost", "localhost"), ("::1", "[::1]")])
def test_the_address_for_a_browser(host: str, shown: str) -> None:
    with ExitStack() as made:
        sockets = [made.enter_context(socket.create_server(("127.0.0.1", 0)))]
        port = sockets[0].getsockname()[1]
        assert url(sockets, host, tls=True) == f"https://{shown}:{port}"
        assert url(sockets, host, tls=False) == f"http://{shown}:{port}"


async def test_what_is_offered_is_modern(files: Workspace, authority: trustme.CA) -> None:
    async with live(files, **issue(authority, files.folder)) as watched:
        context = certificate(watched)
    assert context is not None
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
