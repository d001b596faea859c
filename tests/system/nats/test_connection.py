"""Connections: what is asked of them is refused in time, what they need is theirs, and nothing is left of them."""

from __future__ import annotations

import asyncio
import gc
import logging
import ssl
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import nkeys
import pytest
import trustme
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import Error as NatsError
from nats.js.errors import APIError, ServiceUnavailableError
from support.fleet import Settings, made, until
from support.nats_server import Server

from hotsettings import LayerError
from hotsettings._schema.masking import MASK
from hotsettings.nats import NatsStore
from hotsettings.nats.connection import Servers, connected, described, servers, unreachable

pytestmark = pytest.mark.anyio

CANARY = "cAnArY"
ANY = st.text() | st.text(st.sampled_from(" \t\u00a0,@:/?#[]%\\'\"\n\r1a"))
SEED = b"SUAIBDPBAUTWCWBKIO6XHQNINK5FWJW4OHLXC3HQ2KFE4PEJUA44CNHTC4"


class TestWhatIsAsked:
    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("nats://one:4222", ("nats://one:4222",)),
            (" nats://one:4222, tls://two ,", ("nats://one:4222", "tls://two")),
            (["ws://one:80", "wss://two"], ("ws://one:80", "wss://two")),
            ("nats://[::1]:4222", ("nats://[::1]:4222",)),
        ],
    )
    def test_urls(self, url: Any, expected: tuple[str, ...]) -> None:
        assert servers(url, {}).urls == expected

    @pytest.mark.parametrize(
        "url",
        [
            "one:4222",
            "http://one",
            "nats://",
            "nats://:4222",
            "nats://one:port",
            "nats://one:0",
            "nats://me:can/ary@one",
            "nats://me:ary,can@one",
        ],
    )
    def test_what_is_no_url(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"is no URL of a NATS server; write nats://host:4222") as caught:
            servers(f"nats://fine:4222,{url}", {})
        assert "ary" not in str(caught.value)

    @pytest.mark.parametrize("url", ["", " , ", []])
    def test_none_at_all(self, url: Any) -> None:
        with pytest.raises(ValueError, match="no URL of a NATS server is given"):
            servers(url, {})

    def test_options_that_would_take_over(self) -> None:
        with pytest.raises(TypeError, match=r"^closed_cb, error_cb: the store connects again by itself; leave it out$"):
            NatsStore("nats://one", "settings", error_cb=print, closed_cb=print)

    def test_options_that_nobody_knows(self) -> None:
        with pytest.raises(TypeError, match=r"^pasword, self: neither the store nor nats-py knows such an option$"):
            servers("nats://one", {"pasword": "x", "self": None, "user": "me"})

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("nats://me:canary@one:4222", "nats://one:4222"),
            ("nats://me:can@ary@one:4222", "nats://one:4222"),
            ("nats://canary@one,tls://me:canary@two", "nats://one,tls://two"),
        ],
    )
    def test_credentials_are_not_shown(self, url: str, shown: str) -> None:
        where = servers(url, {"password": "canary", "user": "canary"})
        assert str(where) == shown
        assert repr(where) == f"Servers({shown!r})"
        assert where.redact(f"cannot reach {where.urls[0]}, sorry") == f"cannot reach {shown.partition(',')[0]}, sorry"

    @pytest.mark.parametrize(
        "url",
        [
            "nats://me:1/canary@one:4222",
            "nats://me:1?canary@one",
            "nats://me:1#canary@one",
            "nats://1/@canary/@one",
            "nats://me:can[ary@one",
            "nats://me:can\N{FULLWIDTH SOLIDUS}ary@one",
        ],
    )
    def test_a_password_that_ends_the_address_too_early(self, url: str) -> None:
        for each in (url, [url], f"nats://fine,{url}", ["nats://fine", url]):
            with pytest.raises(ValueError, match="one of them is no URL") as caught:
                servers(each, {})
            assert "ary" not in str(caught.value)
            assert caught.value.__suppress_context__ or caught.value.__context__ is None

    @given(st.lists(st.tuples(ANY, ANY), min_size=1, max_size=3), st.booleans())
    def test_nothing_before_the_last_at_is_shown(self, logins: list[tuple[str, str]], as_list: bool) -> None:
        urls = [f"nats://{user}{CANARY}:{CANARY}{password}@h{n}:4222" for n, (user, password) in enumerate(logins)]
        written = urls if as_list else ",".join(urls)
        try:
            where = servers(written, {"user": f"{CANARY}é", "password": f"p\t{CANARY}", "token": CANARY})
        except ValueError as error:
            refusal = str(error)
            where = Servers((), {})
        else:
            refusal = ""
        assert CANARY not in refusal
        if refusal:
            return
        assert CANARY not in str(where) + repr(where)
        for url in urls:
            for said in (url, repr(url), f"what {written} says", url.partition("://")[2].rpartition("@")[0]):
                for reason in (NatsError(said), OSError(5, said), ValueError(said), APIError(description=said)):
                    assert CANARY not in described(reason, where)
                    assert CANARY not in str(unreachable(where, reason))

    @given(ANY)
    def test_what_was_given_is_known_whole(self, password: str) -> None:
        where = servers("nats://h", {"user": "me", "password": password})
        text = described(NatsError(f"<{password}> is wrong"), where)
        # In one line, and one of up to three characters only as a word of its own.
        if len(password) > 3 and password.strip():
            assert text == f"<{MASK}> is wrong"

    def test_the_rest_stays_readable(self) -> None:
        where = servers("nats://me:pw@one:4222", {})
        assert described(OSError(f"me: pw of some pwd at {where.urls[0]}"), where) == (
            f"{MASK}: {MASK} of some pwd at nats://one:4222"
        )


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionRefusedError(111, "Connect call failed"), "connection refused"),
        (TimeoutError(), "no answer in time"),
        (NatsError("nats: 'Authorization Violation'"), "Authorization Violation"),
        (NatsError("nats://me:canary@one is\n  not there"), "nats://one is not there"),
        (NatsError("no canary is\n  right"), f"no {MASK} is right"),
        (ServiceUnavailableError(code=503, description="system 'x' temporarily away"), "system 'x' temporarily away"),
        (ServiceUnavailableError(code=503), "ServiceUnavailableError"),
        (EOFError(), "EOFError"),
    ],
)
def test_reasons_are_one_line(error: Exception, text: str) -> None:
    assert described(error, Servers(("nats://me:canary@one",), {})) == text


class TestThereIsNone:
    async def test_refused(self, own_nats: Server) -> None:
        own_nats.kill()
        assert await refusal(own_nats.url) == f"{own_nats.url}  cannot be reached: connection refused"

    async def test_a_server_that_says_nothing(self) -> None:
        async with silent_server() as url:
            with anyio.fail_after(5):
                assert await refusal(url, connect_timeout=0.1) == f"{url}  cannot be reached: no answer in time"

    async def test_a_server_that_says_nothing_is_passed_over(self, nats: Server) -> None:
        async with silent_server() as url:
            for _ in range(6):  # chance says which one is tried first
                async with connected(servers([url, nats.url], {"connect_timeout": 0.1})) as (client, lost):
                    assert client.is_connected
                    assert not lost.is_set()

    async def test_something_else_listens(self) -> None:
        async with silent_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
            assert "empty response from server when expecting INFO message" in await refusal(url)


class TestItIsLost:
    async def test_it_says_so(self, own_nats: Server) -> None:
        async with connected(servers(own_nats.url, {})) as (_, lost):
            own_nats.kill()
            with anyio.fail_after(10):
                await lost.wait()

    async def test_one_that_hangs(self, own_nats: Server) -> None:
        async with connected(servers(own_nats.url, {"ping_interval": 0.1, "max_outstanding_pings": 2})) as (_, lost):
            own_nats.pause()
            with anyio.fail_after(10):
                await lost.wait()

    async def test_leaving_waits_for_nobody(self, own_nats: Server) -> None:
        with anyio.fail_after(5):
            async with connected(servers(own_nats.url, {})):
                own_nats.pause()


class TestWithCredentials:
    @pytest.fixture
    def guarded(self, tmp_path: Path) -> Iterator[Callable[..., Server]]:
        started: list[Server] = []

        def start(**settings: Any) -> Server:
            started.append(Server(tmp_path / f"guarded{len(started)}", settings))
            started[-1].start()
            return started[-1]

        yield start
        for server in started:
            server.close()

    async def test_a_password(
        self, guarded: Callable[..., Server], bucket: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        server = guarded(authorization={"user": "me", "password": "right-canary"})
        right = server.url.replace("://", "://me:right-canary@")
        await made(right, bucket, config="A = 1\n")
        given: list[dict[str, Any]] = [{}, {"user": "me", "password": "right-canary"}]
        for options in given:
            store = NatsStore(server.url if options else right, bucket, reporting=False, **options)
            async with Settings.watch(layers=[store.layer("config")]) as live:
                assert live.current.A == 1
        wrong: dict[str, Any] = {"user": "me", "password": "wrong-canary"}
        for url, options in ((server.url.replace("://", "://me:wrong-canary@"), {}), (server.url, wrong)):
            assert await refusal(url, **options) == f"{server.url}  cannot be reached: Authorization Violation"
            with pytest.raises(LayerError) as caught:
                async with NatsStore(url, bucket, start_timeout=0.3, **options).opened():
                    pass
            assert "canary" not in str(caught.value)
        assert "canary" not in caplog.text

    async def test_an_nkey(self, guarded: Callable[..., Server], tmp_path: Path) -> None:
        public = nkeys.from_seed(bytearray(SEED)).public_key.decode()
        server = guarded(authorization={"users": [{"nkey": public}]})
        async with connected(servers(server.url, {"nkeys_seed_str": SEED.decode()})) as (client, _):
            assert client.is_connected
        assert "Authorization Violation" in await refusal(server.url)
        missing = str(tmp_path / "none")
        assert f"No such file or directory: '{missing}'" in await refusal(server.url, user_credentials=missing)

    async def test_tls(
        self, guarded: Callable[..., Server], bucket: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        authority, other = trustme.CA(), trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
        files = {"cert_file": str(tmp_path / "both.pem"), "key_file": str(tmp_path / "both.pem")}
        server = guarded(tls=files)
        trusting, strange = (ssl.create_default_context() for _ in range(2))
        authority.configure_trust(trusting)
        other.configure_trust(strange)
        store = NatsStore(server.url, bucket, tls=trusting, start_timeout=20)
        async with connected(servers(server.url, {"tls": trusting})) as (client, _):
            kv = await client.jetstream().create_key_value(bucket=bucket)
            await kv.put("config", b"A = 1\n")
            async with Settings.watch(layers=[store.layer("config")]) as live:
                await kv.put("config", b"A = 2\n")
                await until(lambda: live.current.A == 2)
        assert "CERTIFICATE_VERIFY_FAILED" in await refusal(server.url, tls=strange)
        gc.collect()


class TestNothingIsLeft:
    @pytest.mark.parametrize("kind", ["real", "silent"])
    async def test_cancelled_anywhere(self, nats: Server, kind: str) -> None:
        """ResourceWarnings are errors here, and come when the garbage is collected."""
        before = asyncio.all_tasks()

        async def use(url: str) -> None:
            async with connected(servers(url, {})):
                await checkpoint()

        async with silent_server() as silent:
            url = silent if kind == "silent" else nats.url
            for steps in range(40):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(use, url)
                    for _ in range(steps):
                        await checkpoint()
                    if steps % 4 == 0:
                        await anyio.sleep(0.001 * steps / 10)
                    tasks.cancel_scope.cancel()
        await until(lambda: asyncio.all_tasks() <= before)
        if kind == "real":
            await until(lambda: nats.monitor("/connz").get("num_connections") == 0)
        gc.collect()


async def refusal(url: str, **options: Any) -> str:
    """What is said where no connection can be had."""
    with pytest.raises(LayerError) as caught:
        async with connected(servers(url, options)):
            pass
    gc.collect()  # a socket that was left open would say so now
    [problem] = caught.value.problems
    return f"{problem.origin}  {problem.message}"


@asynccontextmanager
async def silent_server(greeting: bytes = b"") -> AsyncGenerator[str, None]:
    """A server that takes every connection, and says nothing but its greeting."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        try:
            await reader.read()
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"nats://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
