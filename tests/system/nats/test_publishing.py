"""Publishing: exactly one wins, and however it ends, it is known."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio import to_thread
from nats.aio.client import Client
from nats.js.api import KeyValueConfig
from support.examples import first
from support.fleet import PATIENCE, taken
from support.nats_server import Cluster, Server

from hotsettings import LayerError
from hotsettings.nats import publishing
from hotsettings.nats.bucket import NoBucket, NoRevision, Refused, Revision, reached
from hotsettings.nats.connection import Servers, servers
from hotsettings.nats.publishing import Conflict, OutcomeUnknown, create_bucket, publish

pytestmark = pytest.mark.anyio
KEY = "config.toml"


@pytest.fixture
def where(nats: Server) -> Servers:
    return servers(nats.url, {})


@pytest.fixture
async def made(where: Servers, bucket: str) -> str:
    """A bucket as the library makes it."""
    await create_bucket(where, bucket)
    return bucket


async def history(where: Servers, bucket: str, key: str = KEY) -> list[Revision]:
    async with reached(where, bucket) as found:
        return await found.history(key)


async def test_each_publish_is_a_revision(where: Servers, made: str) -> None:
    first = await publish(where, made, KEY, b"a = 1", 0)
    other = await publish(where, made, "other.toml", b"", 0)
    second = await publish(where, made, KEY, b"a = 2", first)
    assert first < other < second
    kept = await history(where, made)
    assert [(each.number, each.data, each.operation) for each in kept] == [
        (second, b"a = 2", "PUT"),
        (first, b"a = 1", "PUT"),
    ]
    assert all(each.at is not None and each.at.utcoffset() is not None for each in kept)
    async with reached(where, made) as found:
        assert (await found.revision(KEY, first)).data == b"a = 1"
        newest = await found.newest("other.toml")
        assert newest is not None
        assert newest.data == b""
        assert await found.newest("nothing.toml") is None
        assert await found.history("nothing.toml") == []


async def test_whoever_has_not_seen_the_newest_is_told_of_it(where: Servers, made: str) -> None:
    first = await publish(where, made, KEY, b"a = 1", 0)
    second = await publish(where, made, KEY, b"a = 2", first)
    for expected, said in (
        (0, "come in between;"),
        (first, f"in between, after {first};"),
        (99, "no revision 99; the"),
    ):
        with pytest.raises(Conflict, match=said) as caught:
            await publish(where, made, KEY, b"a = 3", expected)
        assert (caught.value.expected, caught.value.revision) == (expected, second)
        assert f"revision {second}" in str(caught.value) or f"one is {second}" in str(caught.value)
        assert pickle.loads(pickle.dumps(caught.value)).revision == second
    with pytest.raises(Conflict, match="no revision 7, nor any other") as caught:
        await publish(where, made, "new.toml", b"", 7)
    assert caught.value.problems[0].code == "publish-conflict"
    assert len(await history(where, made)) == 2


async def test_of_many_at_once_exactly_one_wins(where: Servers, made: str) -> None:
    won: list[tuple[bytes, int]] = []
    lost: list[Conflict] = []

    async def try_it(data: bytes, expected: int) -> None:
        try:
            won.append((data, await publish(where, made, KEY, data, expected)))
        except Conflict as error:
            lost.append(error)

    expected = 0
    for round_number in range(5):
        won.clear()
        lost.clear()
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(try_it, f"a = {round_number}{number}".encode(), expected)
        [(data, revision)] = won
        assert {error.revision for error in lost} == {revision}
        newest, *_ = await history(where, made)
        assert (newest.number, newest.data) == (revision, data)
        expected = revision


async def test_a_deleted_key(where: Servers, made: str, client: Client) -> None:
    kv = await client.jetstream().key_value(made)
    first = await publish(where, made, KEY, b"a = 1", 0)
    await kv.delete(KEY)
    marker, put = await history(where, made)
    assert (marker.operation, marker.data, put.number) == ("DEL", None, first)
    with pytest.raises(Conflict):
        await publish(where, made, KEY, b"a = 2", 0)
    assert await publish(where, made, KEY, b"a = 2", marker.number) > marker.number
    await kv.purge(KEY)
    [purged] = await history(where, made)
    assert (purged.operation, purged.data) == ("PURGE", None)


async def test_64_revisions_are_kept(where: Servers, made: str) -> None:
    numbers = [0]
    for number in range(publishing.HISTORY + 1):
        numbers.append(await publish(where, made, KEY, b"a = %d" % number, numbers[-1]))
    assert [each.number for each in await history(where, made)] == numbers[:1:-1]
    async with reached(where, made) as found:
        with pytest.raises(NoRevision, match="no revision 1 "):
            await found.revision(KEY, numbers[1])
        with pytest.raises(NoRevision, match="no revision 9999 ") as caught:
            await found.revision(KEY, 9999)
        assert caught.value.problems[0].code == "missing-revision"
        with pytest.raises(NoRevision):
            await found.revision("other.toml", numbers[-1])


async def test_no_bucket_is_made_silently(where: Servers, bucket: str) -> None:
    with pytest.raises(NoBucket, match=f"{bucket}  there is no such bucket; .*--create-bucket") as caught:
        await publish(where, bucket, KEY, b"", 0)
    assert caught.value.problems[0].code == "missing-bucket"
    await create_bucket(where, bucket)
    assert await publish(where, bucket, KEY, b"", 0) == 1
    await create_bucket(where, bucket)  # nothing is lost
    assert len(await history(where, bucket)) == 1
    with pytest.raises(Refused, match=r"cannot be made: .*; there may be fewer servers"):
        await create_bucket(where, f"{bucket}-other", replicas=3)


@pytest.mark.parametrize("name", ["a b", ">", "*", "", ".a", "a.", "a..b", "é", "a\n"])
async def test_names_that_cannot_be(where: Servers, made: str, name: str) -> None:
    with pytest.raises(Refused, match="cannot be a key"):
        await publish(where, made, name, b"", 0)
    with pytest.raises(Refused, match="cannot be a key"):
        await history(where, made, name)
    with pytest.raises(Refused, match="cannot be a bucket") as caught:
        await create_bucket(where, f"{name}.")
    assert caught.value.problems[0].code == "publish-refused"


async def test_what_is_too_large(where: Servers, made: str) -> None:
    with pytest.raises(Refused, match="1048577 bytes are more than the server takes") as caught:
        await publish(where, made, KEY, b"#" * (1024 * 1024 + 1), 0)
    assert caught.value.problems[0].code == "publish-refused"


@asynccontextmanager
async def answers_lost(server: Server, times: int, to: bytes = b"PUB $KV.") -> AsyncGenerator[str, None]:
    """A way to the server on which the answer to the first writes is lost: they arrive, then the connection breaks."""
    left = times
    leading: set[asyncio.Task[None] | None] = set()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        leading.add(asyncio.current_task())
        host, _, port = server.address.partition(":")
        there, here = await asyncio.open_connection(host, int(port))
        writing = asyncio.Event()

        async def back() -> None:
            nonlocal left
            while data := await there.read(65536):
                if writing.is_set() and left:
                    left -= 1
                    break
                writer.write(data)
            writer.transport.abort()

        async def forth() -> None:
            while data := await reader.read(65536):
                if to in data:
                    writing.set()
                here.write(data)
            here.close()

        await asyncio.gather(forth(), back(), return_exceptions=True)
        writer.transport.abort()
        here.transport.abort()

    async with await asyncio.start_server(lead, "127.0.0.1", 0) as listening:
        yield f"nats://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    await asyncio.gather(*filter(None, leading))  # they end with their connections
    assert left == 0


@pytest.mark.parametrize("times", [1, 3])
async def test_a_write_whose_answer_is_lost_is_written_once(
    nats: Server, where: Servers, made: str, times: int
) -> None:
    first = await publish(where, made, KEY, b"a = 1", 0)
    async with answers_lost(nats, times) as url:
        second = await publish(servers(url, {}), made, KEY, b"a = 2", first)
    assert [each.number for each in await history(where, made)] == [second, first]


async def test_another_one_with_the_same_content_is_still_another_one(nats: Server, where: Servers, made: str) -> None:
    """What was written by somebody else is no proof, whatever it says."""
    await publish(where, made, KEY, b"a = 1", 0)
    async with answers_lost(nats, 1) as url:
        with pytest.raises(Conflict):
            await publish(servers(url, {}), made, KEY, b"a = 1", 0)


async def test_the_sign_decides_where_the_server_has_forgotten(own_nats: Server, bucket: str) -> None:
    """A server knows for two minutes which signs it has seen; what it has stored tells for ever."""
    where = servers(own_nats.url, {})
    await create_bucket(where, bucket)
    async with reached(where, bucket) as found:
        number = await publish(where, bucket, KEY, b"a = 1", 0)
        await publish(where, bucket, KEY, b"a = 2", number)
        newest, written = await found.history(KEY)
        assert written.sign != newest.sign
        assert await publishing._own(found, KEY, 0, written.sign) == number
        with pytest.raises(Conflict):
            await publishing._own(found, KEY, 0, newest.sign)


async def test_what_is_not_to_be_seen_yet_decides_nothing(where: Servers, made: str) -> None:
    number = await publish(where, made, KEY, b"a = 1", 0)
    async with reached(where, made) as found:
        with pytest.raises(publishing._Unclear) as caught:
            await publishing._own(found, KEY, number, "sign")
        assert caught.value.perhaps_written


async def test_where_the_stream_has_no_leader_nothing_was_written(where: Servers, made: str) -> None:
    async with reached(where, made) as found:
        await found.js.delete_stream(found.stream)  # which looks just like it
        with pytest.raises(publishing._Unclear) as caught:
            await publishing._attempt(found, KEY, b"", 0, "sign")
        assert not caught.value.perhaps_written


async def test_what_cannot_be_read_back_decides_nothing(own_nats: Server, bucket: str) -> None:
    where = servers(own_nats.url, {})
    await create_bucket(where, bucket)
    async with reached(where, bucket) as found:
        await to_thread.run_sync(own_nats.kill)
        with pytest.raises(publishing._Unclear) as caught:
            await publishing._own(found, KEY, 0, "sign")
        assert caught.value.perhaps_written


async def test_what_the_bucket_does_not_take(where: Servers, client: Client, bucket: str) -> None:
    await client.jetstream().create_key_value(KeyValueConfig(bucket, max_value_size=100))
    with pytest.raises(Refused, match=r"message size exceeds maximum allowed; the server's configuration says why"):
        await publish(where, bucket, KEY, b"#" * 101, 0)
    assert await history(where, bucket) == []


async def test_a_server_without_jetstream(tmp_path: Path, bucket: str) -> None:
    users = {"users": [{"user": "u", "password": "p"}]}
    with Server(tmp_path / "server", {"accounts": {"other": users}}) as server:
        where = servers(f"nats://u:p@{server.address}", {})
        for work in (publish(where, bucket, KEY, b"", 0, within=0), create_bucket(where, bucket)):
            with pytest.raises(LayerError, match="cannot be reached: JetStream not enabled for account"):
                await work


async def test_a_connection_that_breaks_while_a_bucket_is_made(nats: Server, bucket: str) -> None:
    async with answers_lost(nats, 1, b"STREAM.CREATE") as url:
        with pytest.raises(LayerError, match="cannot be reached: the connection was lost") as caught:
            await create_bucket(servers(url, {}), bucket)
        assert caught.value.problems[0].code == "store-unreachable"


@pytest.mark.slow
async def test_a_server_that_is_killed_in_the_middle(own_nats: Server, bucket: str) -> None:
    """Writers that go on through several crashes: each revision that was returned is there, and each one that is not is not."""
    where = servers(own_nats.url, {})
    await create_bucket(where, bucket)
    written: dict[int, bytes] = {}

    async def write(times: int) -> None:
        for _ in range(times):
            data = b"a = %d" % len(written)
            revision = await publish(where, bucket, KEY, data, max(written, default=0))
            written[revision] = data

    for _ in range(3):
        await write(5)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write, 20)
            await to_thread.run_sync(own_nats.restart)
    kept = await history(where, bucket)
    assert [(each.number, each.data) for each in kept[::-1]] == list(written.items())[-len(kept) :]
    assert [each.number for each in kept[::-1]] == list(range(kept[-1].number, kept[0].number + 1))


@pytest.mark.slow
async def test_nothing_answers(own_nats: Server, bucket: str) -> None:
    where = servers(own_nats.url, {"connect_timeout": 1})
    await create_bucket(where, bucket)
    await to_thread.run_sync(own_nats.kill)
    with pytest.raises(LayerError, match=r"cannot be reached: connection refused"):
        await publish(where, bucket, KEY, b"a = 1", 0, within=0.5)
    await to_thread.run_sync(own_nats.start)
    assert await publish(where, bucket, KEY, b"a = 1", 0) == 1


async def test_an_outcome_that_cannot_be_known_is_said_to_be_so(own_nats: Server, bucket: str) -> None:
    where = servers(own_nats.url, {})
    await create_bucket(where, bucket)
    async with answers_lost(own_nats, 1) as url:
        with pytest.raises(
            OutcomeUnknown, match=r"no answer within 0 s .*; see what hotsettings history shows"
        ) as caught:
            await publish(servers(url, {}), bucket, KEY, b"a = 1", 0, within=0)
    assert str(caught.value).startswith("Perhaps published: 1 problem\n")
    assert caught.value.problems[0].code == "publish-unknown"
    assert len(await history(where, bucket)) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of connections to a paused node
@pytest.mark.parametrize("how", first(1, ["kill", "pause"]))
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # elections take seconds, whichever event loop waits for them
async def test_a_cluster_that_loses_its_leader(cluster: Cluster, bucket: str, how: str) -> None:
    where = servers(cluster.urls, {"connect_timeout": 2})
    await taken(lambda: create_bucket(where, bucket, replicas=3))
    one = await publish(where, bucket, KEY, b"a = 1", 0, within=PATIENCE)
    leader = await to_thread.run_sync(cluster.leader, f"KV_{bucket}")
    await to_thread.run_sync(getattr(leader, how))
    # How long an election takes is up to the machine.
    two = await publish(where, bucket, KEY, b"a = 2", one, within=PATIENCE)
    running = servers([node.url for node in cluster.nodes if node is not leader], {})
    assert [each.number for each in await taken(lambda: history(running, bucket))] == [two, one]
