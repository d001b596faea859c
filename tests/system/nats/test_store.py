"""Layers from a real store: alone, mixed with files, and while the store is away."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import anyio
import pytest
from nats.js.kv import KeyValue
from support.fleet import Settings, made, published, put, until
from support.nats_server import Server

from hotsettings import BaseSettings, FileLayer, LayerError, Origin, Rejected, RestartRequired
from hotsettings._layers.store import StoreValue
from hotsettings.nats import NatsStore

pytestmark = pytest.mark.anyio

QUICK: dict[str, Any] = {"check_interval": 0.2, "reporting": False}
AWAY: dict[str, Any] = QUICK | {"start_timeout": 1.0}
"""For a start without the store, which a test need not wait for."""


@pytest.fixture
def store(nats: Server, bucket: str) -> NatsStore:
    return NatsStore(nats.url, bucket, reporting=False)


class TestLayers:
    async def test_what_is_in_the_bucket_is_live(self, store: NatsStore, kv: KeyValue) -> None:
        await put(kv, "config.toml", "A = 1\n")
        async with Settings.watch(layers=[store.layer("config.toml")]) as live:
            assert live.current.A == 1
            [layer] = live.status.layers
            assert (layer.name, layer.file, layer.state, layer.revision) == (
                "config.toml",
                f"{store.bucket}/config.toml",
                "read",
                1,
            )
            assert live.status.healthy

    async def test_a_publish_goes_live(self, store: NatsStore, kv: KeyValue) -> None:
        await put(kv, "config.toml", "A = 1\n")
        async with Settings.watch(layers=[store.layer("config.toml")]) as live:
            changes = live.changes()
            await put(kv, "config.toml", "\n  A = 2\n")
            change = await anext(changes)
            assert (change.old.A, change.new.A) == (1, 2)
            assert change.keys == {"A"}
            assert live.snapshot.origins["A"] == Origin("config.toml", f"{store.bucket}/config.toml", 2, 7, 2)
            assert str(live.snapshot.origins["A"]) == f"{store.bucket}/config.toml@2:2:7"
            assert f"{store.bucket}/config.toml@2:2:7" in str(live.explain("A"))
            assert store.position == 2

    async def test_precedence_is_that_of_the_list(self, store: NatsStore, kv: KeyValue, tmp_path: Path) -> None:
        local = tmp_path / "local.toml"
        local.write_text("B = 'file'\n")
        await put(kv, "low", "A = 1\nB = 'low'\n")
        await put(kv, "high", "A = 2\n")
        layers = [store.layer("low"), FileLayer(local), store.layer("high", name="top")]
        async with Settings.watch(layers=layers) as live:
            assert (live.current.A, live.current.B) == (2, "file")
            assert [layer.name for layer in live.status.layers] == ["low", "local.toml", "top"]
            local.write_text("B = 'edited'\n")
            await until(lambda: live.current.B == "edited")
            await put(kv, "low", "B = 'below'\n")
            await put(kv, "high", "B = 'above'\n")
            await until(lambda: live.current.B == "above")
            assert live.current.A == 0

    async def test_problems_name_bucket_key_revision_and_place(self, store: NatsStore, kv: KeyValue) -> None:
        await put(kv, "config.toml", "A = 1\n")
        async with Settings.watch(layers=[store.layer("config.toml")]) as live:
            await put(kv, "config.toml", "A = 'x'\nC = 1\n")
            await until(lambda: not live.status.healthy)
            with pytest.raises(Rejected, match="2 problems"):
                await live.reload()
            said = str(live.status.last_error)
            assert f"{store.bucket}/config.toml@2:1:5  A: expected int, got str" in said
            assert f"{store.bucket}/config.toml@2:2:1  C: unknown key" in said
            assert not live.status.healthy
            assert live.status.layers[0].revision == 2
            await put(kv, "config.toml", "A = 3\n")
            await until(lambda: live.status.healthy)
            assert live.current.A == 3

    async def test_a_key_that_is_missing(self, store: NatsStore, kv: KeyValue) -> None:
        await put(kv, "config.toml", "A = 1\n")
        with pytest.raises(LayerError, match=r"/other\.toml  there is no such key; publish it") as caught:
            async with Settings.watch(layers=[store.layer("config.toml"), store.layer("other.toml")]):
                pass
        assert caught.value.problems[0].code == "missing-key"
        async with Settings.watch(
            layers=[store.layer("config.toml"), store.layer("other.toml", required=False)]
        ) as live:
            assert live.status.layers[1].state == "missing"
            assert live.status.healthy
            await put(kv, "other.toml", "A = 7\n")
            await until(lambda: live.current.A == 7)

    async def test_what_had_content_may_not_lose_it(self, store: NatsStore, kv: KeyValue) -> None:
        await put(kv, "config.toml", "A = 1\n")
        async with Settings.watch(layers=[store.layer("config.toml", required=False)]) as live:
            await kv.delete("config.toml")
            await until(lambda: not live.status.healthy)
            assert "it was deleted, and there was content before; publish it again" in str(live.status.last_error)
            await put(kv, "config.toml", "")
            await until(lambda: "the document is empty" in str(live.status.last_error))
            assert live.current.A == 1
            await put(kv, "config.toml", "# nothing any more\n")
            await until(lambda: live.status.healthy)
            assert live.current.A == 0

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"A = \xff", "not UTF-8"),
            (b"A = = 1", "not valid TOML"),
            (b"A = " + b"[" * 50 + b"]" * 50, "nested"),
            (b"#" * (1024 * 1024 - 2000), ""),
        ],
        ids=["not UTF-8", "not TOML", "nested", "large"],
    )
    async def test_any_bytes(self, store: NatsStore, kv: KeyValue, data: bytes, said: str) -> None:
        await put(kv, "config.toml", "A = 1\n")
        async with Settings.watch(layers=[store.layer("config.toml")]) as live:
            await kv.put("config.toml", data)
            await until(lambda: live.status.layers[0].revision == 2)
            expected = 1 if said else 0
            await until(lambda: said in str(live.status.last_error) and expected == live.current.A)

    async def test_a_layer_of_secrets_shows_none(
        self, store: NatsStore, kv: KeyValue, caplog: pytest.LogCaptureFixture
    ) -> None:
        await put(kv, "secrets.toml", "TOKEN = 'first-canary'\n")
        caplog.set_level(logging.DEBUG)
        async with Settings.watch(layers=[store.layer("secrets.toml", secret=True)]) as live:
            for text in (
                "TOKEN = 'second-canary'",
                "TOKEN = 'third-canary",
                "TOKEN = 4711147",
                "B = 'fourth-canary'\nA = 'fifth-canary'",
            ):
                await put(kv, "secrets.toml", text)
                revision = (await kv.get("secrets.toml")).revision
                await until(lambda: live.status.layers[0].revision == revision)  # noqa: B023 - it is awaited in here
                said = f"{live.status}{live.snapshot}{live.explain('TOKEN')}{live.explain('B')}{caplog.text}{store!r}"
                assert "canary" not in said
                assert "4711147" not in said


class TestTogether:
    async def test_two_keys_stand_at_one_position(self, store: NatsStore, kv: KeyValue) -> None:
        """Each pair is published one after the other; a reader never sees what stood at no position."""
        await put(kv, "one", "A = 0\n")
        await put(kv, "two", "B = '0'\n")
        seen: list[tuple[int, int]] = []
        async with Settings.watch(layers=[store.layer("one"), store.layer("two")]) as live:
            live.on_change(lambda change: seen.append((change.new.A, int(change.new.B))))
            for number in range(1, 60):
                await put(kv, "one", f"A = {number}\n")
                await put(kv, "two", f"B = '{number}'\n")
            await until(lambda: live.current.B == "59")
            await live.wait_applied()
        assert {a - b for a, b in seen} <= {0, 1}, "two was never ahead"
        assert seen == sorted(seen)

    async def test_quiet(self, store: NatsStore, kv: KeyValue) -> None:
        """The same content again makes no generation, and yet it is known where it stands now."""
        await put(kv, "config.toml", "A = 1\n")
        async with Settings.watch(layers=[store.layer("config.toml")]) as live:
            live.on_change(lambda change: pytest.fail(str(change)))
            await put(kv, "config.toml", "A = 1\n")
            await until(lambda: live.status.layers[0].revision == 2)
            await live.reload()
            assert live.snapshot.generation == 1
            assert "@2:1:5" in str(live.explain("A"))

    async def test_a_key_of_others_wakes_nobody(self, store: NatsStore, kv: KeyValue) -> None:
        await put(kv, "config.toml", "A = 1\n")
        async with Settings.watch(layers=[store.layer("config.toml")]) as live:
            live.on_change(lambda change: pytest.fail(str(change)))
            await put(kv, "of-others", "not TOML")
            await until(lambda: store.position == 2)
            await live.reload()
            assert live.status.healthy

    async def test_several_classes_share_one_store(self, store: NatsStore, kv: KeyValue, nats: Server) -> None:
        class Other(BaseSettings):
            C: RestartRequired[int] = 0

        await put(kv, "one", "A = 1\n")
        await put(kv, "two", "C = 1\n")
        async with Settings.watch(layers=[store.layer("one")]) as one:
            async with Other.watch(layers=[store.layer("two")]) as two:
                assert nats.monitor("/connz").get("num_connections") == 2, "the test's and the store's"
                await put(kv, "one", "A = 2\n")
                await put(kv, "two", "C = 2\n")
                await until(lambda: one.current.A == 2 and two.status.pending_restart)
            await put(kv, "one", "A = 3\n")
            await until(lambda: one.current.A == 3)
        await until(lambda: nats.monitor("/connz").get("num_connections") == 1)

    async def test_it_can_be_opened_again(self, store: NatsStore, kv: KeyValue) -> None:
        for number in range(3):
            await put(kv, "config.toml", f"A = {number}\n")
            async with store.opened(), Settings.watch(layers=[store.layer("config.toml")]) as live:
                assert number == live.current.A
                assert str(store.state) == "read"
            assert str(store.state) == "offline"
            assert store.client is None


@pytest.mark.slow
class TestAway:
    async def test_what_it_held_last_serves(
        self, own_nats: Server, bucket: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        await made(own_nats.url, bucket, config="A = 1\n")
        store = NatsStore(own_nats.url, bucket, **QUICK)
        async with Settings.watch(layers=[store.layer("config")]) as live:
            own_nats.kill()
            await until(lambda: live.status.layers[0].state == "offline")
            assert not live.status.healthy
            assert live.current.A == 1
            assert await live.reload() is None, "what it held last is what there is"
            own_nats.start()
            await published(own_nats.url, bucket, config="A = 2\n")
            await until(lambda: live.current.A == 2)
            await until(lambda: live.status.healthy)
        assert caplog.text.count("the last known settings stay live") == 1
        assert caplog.text.count(f"{bucket} can be reached again") == 1

    async def test_what_was_published_while_it_was_paused(self, own_nats: Server, bucket: str) -> None:
        await made(own_nats.url, bucket, config="A = 1\n")
        store = NatsStore(own_nats.url, bucket, **QUICK)
        async with Settings.watch(layers=[store.layer("config")]) as live:
            own_nats.pause()
            await until(lambda: live.status.layers[0].state == "offline")
            own_nats.resume()
            await published(own_nats.url, bucket, config="A = 2\n")
            await until(lambda: live.current.A == 2 and live.status.healthy)

    async def test_nothing_to_begin_with(self, own_nats: Server, bucket: str, tmp_path: Path) -> None:
        await made(own_nats.url, bucket, config="A = 1\n")
        own_nats.kill()
        for copy, hint in ((None, ""), (tmp_path / "copy", f"; there is no copy in {tmp_path / 'copy'} yet")):
            store = NatsStore(own_nats.url, bucket, copy=copy, **AWAY)
            with pytest.raises(LayerError) as caught:
                async with Settings.watch(layers=[store.layer("config")]):
                    pass
            expected = f"  {own_nats.url} {bucket}  cannot be reached: connection refused{hint}"
            assert str(caught.value).splitlines()[1] == expected
            assert store.state == "offline"

    async def test_no_such_bucket_yet(self, own_nats: Server, bucket: str) -> None:
        store = NatsStore(own_nats.url, bucket, **AWAY)
        with pytest.raises(LayerError, match="there is no such bucket; publish into it first"):
            async with Settings.watch(layers=[store.layer("config")]):
                pass
        store = NatsStore(own_nats.url, bucket, **(QUICK | {"start_timeout": 30.0}))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: made(own_nats.url, bucket, config="A = 5\n"))
            async with Settings.watch(layers=[store.layer("config", required=False)]) as live:
                await until(lambda: live.current.A == 5)

    async def test_a_bucket_made_anew(self, own_nats: Server, bucket: str) -> None:
        await made(own_nats.url, bucket, config="A = 1\n")
        for number in range(2, 6):
            await published(own_nats.url, bucket, config=f"A = {number}\n")
        store = NatsStore(own_nats.url, bucket, **QUICK)
        async with Settings.watch(layers=[store.layer("config")]) as live:
            assert live.current.A == 5
            async with _jetstream(own_nats) as js:
                await js.delete_key_value(bucket)
            await until(lambda: live.status.layers[0].state == "offline")
            assert live.current.A == 5
            await made(own_nats.url, bucket, config="A = 6\n")
            await until(lambda: live.current.A == 6 and live.status.healthy)
            assert store.position == 1

    async def test_a_watch_that_has_fallen_silent(self, nats: Server, bucket: str, kv: KeyValue) -> None:
        """Its consumer is gone on the server, and nobody tells: the next question finds out."""
        await put(kv, "config", "A = 1\n")
        store = NatsStore(nats.url, bucket, **QUICK)
        async with Settings.watch(layers=[store.layer("config")]) as live:
            async with _jetstream(nats) as js:
                for consumer in await js.consumers_info(f"KV_{bucket}"):
                    await js.delete_consumer(f"KV_{bucket}", consumer.name)
            await put(kv, "config", "A = 2\n")
            await until(lambda: live.current.A == 2)


@pytest.mark.slow
class TestCopy:
    async def test_a_start_without_the_store(
        self, own_nats: Server, bucket: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        copy = tmp_path / "copy"
        await made(own_nats.url, bucket, one="A = 1\n", two="B = 'x'\n")

        def layers(options: dict[str, Any]) -> list[Any]:
            store = NatsStore(own_nats.url, bucket, copy=copy, **options)
            return [store.layer("one"), store.layer("two"), store.layer("none", required=False)]

        async with Settings.watch(layers=layers(QUICK)) as live:
            await published(own_nats.url, bucket, one="A = 2\n")
            await until(lambda: copy.exists() and b"A = 2" in copy.read_bytes())
            await published(own_nats.url, bucket, one="A = 'refused'\n")
            await until(lambda: not live.status.healthy)
        assert b"refused" not in copy.read_bytes(), "it is the last good one"
        own_nats.kill()
        async with Settings.watch(layers=layers(AWAY)) as live:
            assert (live.current.A, live.current.B) == (2, "x")
            assert [layer.state for layer in live.status.layers] == ["copy", "copy", "copy"]
            assert [layer.revision for layer in live.status.layers] == [3, 2, None]
            assert not live.status.healthy
            assert "cannot be reached (connection refused): starting with the copy on disk" in caplog.text
            own_nats.start()
            await published(own_nats.url, bucket, one="A = 3\n")
            await until(lambda: live.current.A == 3 and live.status.healthy)

    async def test_a_damaged_copy(self, own_nats: Server, bucket: str, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        copy.touch(mode=0o600)
        copy.write_text("damaged")
        own_nats.kill()
        store = NatsStore(own_nats.url, bucket, copy=copy, **AWAY)
        with pytest.raises(LayerError, match="not a copy of a store, or damaged; delete it") as caught:
            async with Settings.watch(layers=[store.layer("one")]):
                pass
        assert caught.value.problems[0].code == "unusable-copy"

    async def test_what_is_secret_is_not_in_it(self, own_nats: Server, bucket: str, tmp_path: Path) -> None:
        copy, secrets = tmp_path / "copy", tmp_path / "secrets.toml"
        secrets.write_text("TOKEN = 'canary-of-the-file'\n")
        texts = {
            "good": "A = 1\n",
            "layer": "B = 'canary of a layer'\n",
            "forced": "TOKEN = 'canary-by-force'\n",
            "quoting": "# canary-of-the-file\n",
        }
        await made(own_nats.url, bucket, **texts)

        def layers(options: dict[str, Any]) -> list[Any]:
            store = NatsStore(own_nats.url, bucket, copy=copy, **options)
            return [*(store.layer(key, secret=key == "layer") for key in texts), FileLayer(secrets, secret=True)]

        async with Settings.watch(layers=layers(QUICK)):
            await until(copy.exists)
            assert "A = 1" in copy.read_text()
            assert "canary" not in copy.read_text()
            await published(own_nats.url, bucket, good="TOKEN = 'canary-of-later'\n", quoting="# nothing\n")
            await until(lambda: "nothing" in copy.read_text())
            await until(lambda: "A = 1" not in copy.read_text())
            assert "canary" not in copy.read_text()
        own_nats.kill()
        with pytest.raises(
            LayerError, match="it is not in the copy on disk, which leaves out what is secret"
        ) as caught:
            async with Settings.watch(layers=layers(AWAY)):
                pass
        assert caught.value.problems[0].code == "not-in-copy"

    async def test_it_cannot_be_written(
        self, nats: Server, bucket: str, kv: KeyValue, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        await put(kv, "config", "A = 1\n")
        store = NatsStore(nats.url, bucket, copy=tmp_path / "none" / "copy", **QUICK)
        async with Settings.watch(layers=[store.layer("config")]) as live:
            await until(lambda: "could not be written: No such file or directory" in caplog.text)
            await put(kv, "config", "A = 2\n")
            await until(lambda: live.current.A == 2)

    async def test_several_classes_share_it(self, own_nats: Server, bucket: str, tmp_path: Path) -> None:
        class Other(BaseSettings):
            C: int = 0

        copy = tmp_path / "copy"
        await made(own_nats.url, bucket, one="A = 1\n", two="C = 1\n")
        store = NatsStore(own_nats.url, bucket, copy=copy, **QUICK)
        async with Settings.watch(layers=[store.layer("one")]), Other.watch(layers=[store.layer("two")]):
            await until(lambda: copy.exists() and "A = 1" in copy.read_text() and "C = 1" in copy.read_text())
        own_nats.kill()
        store = NatsStore(own_nats.url, bucket, copy=copy, **AWAY)
        async with Settings.watch(layers=[store.layer("one")]) as one, Other.watch(layers=[store.layer("two")]) as two:
            assert (one.current.A, two.current.C) == (1, 1)


@pytest.mark.slow
class TestLeaving:
    @pytest.mark.parametrize("away", ["there", "killed", "paused"])
    async def test_nothing_is_left(self, own_nats: Server, bucket: str, away: str) -> None:
        await made(own_nats.url, bucket, config="A = 1\n")
        before = asyncio.all_tasks()
        store = NatsStore(own_nats.url, bucket, **(QUICK | {"reporting": True}))
        async with Settings.watch(layers=[store.layer("config")]) as live:
            if away != "there":
                own_nats.kill() if away == "killed" else own_nats.pause()
                await until(lambda: not live.status.healthy)
        await until(lambda: asyncio.all_tasks() <= before)

    async def test_often(self, nats: Server, bucket: str, kv: KeyValue) -> None:
        await put(kv, "config", "A = 1\n")
        before = len(asyncio.all_tasks())
        for _ in range(30):
            store = NatsStore(nats.url, bucket, reporting=False)
            async with Settings.watch(layers=[store.layer("config")]):
                pass
        await until(lambda: len(asyncio.all_tasks()) == before)
        await until(lambda: nats.monitor("/connz").get("num_connections") == 1)

    async def test_cancelled_while_it_waits_for_the_store(self, own_nats: Server, bucket: str) -> None:
        own_nats.pause()
        before = asyncio.all_tasks()
        store = NatsStore(own_nats.url, bucket, start_timeout=60)
        with anyio.move_on_after(0.2) as scope:
            async with Settings.watch(layers=[store.layer("config")]):
                pass
        assert scope.cancelled_caught
        await until(lambda: asyncio.all_tasks() <= before)


class TestMisuse:
    def test_on_trio(self, bucket: str) -> None:
        store = NatsStore("nats://127.0.0.1:1", bucket)

        async def watch() -> None:
            async with Settings.watch(layers=[store.layer("config")]):
                pass

        with pytest.raises(RuntimeError, match="NatsStore needs asyncio, because nats-py does"):
            anyio.run(watch, backend="trio")

    async def test_on_two_event_loops(self, store: NatsStore, kv: KeyValue) -> None:
        async def elsewhere() -> None:
            async with store.opened():
                pass

        async with store.opened():
            with pytest.raises(RuntimeError, match="open on another event loop"):
                await asyncio.to_thread(asyncio.run, elsewhere())

    @pytest.mark.parametrize("name", ["start_timeout", "check_interval"])
    def test_senseless_times(self, name: str) -> None:
        times: dict[str, Any] = {name: 0}
        with pytest.raises(ValueError, match=f"{name} must be more than 0 seconds, not 0"):
            NatsStore("nats://127.0.0.1", "settings", **times)

    @pytest.mark.parametrize("name", ["", "two words", "a*b", "ends.", "a..b", "ä", "a\n"])
    def test_names_that_a_store_does_not_take(self, name: str) -> None:
        with pytest.raises(ValueError, match="cannot be a bucket: use letters"):
            NatsStore("nats://127.0.0.1", name)
        with pytest.raises(ValueError, match="cannot be an instance: use letters"):
            NatsStore("nats://127.0.0.1", "settings", instance=name)
        with pytest.raises(ValueError, match="cannot be a key: use letters"):
            NatsStore("nats://127.0.0.1", "settings").layer(name)

    def test_its_repr_has_no_password(self) -> None:
        store = NatsStore("nats://me:canary@127.0.0.1:4222,nats://token@other:4222", "settings")
        assert repr(store) == "NatsStore('nats://127.0.0.1:4222,nats://other:4222', 'settings')"

    def test_paths_and_layers(self) -> None:
        layers = [FileLayer("config.toml")]
        with pytest.raises(TypeError, match="paths or layers, not both"):
            Settings.watch("config.toml", override_path="x.toml", layers=layers)
        with pytest.raises(TypeError, match="paths or layers, not both"):
            Settings.watch("other.toml", layers=layers)

    @pytest.mark.parametrize(
        ("layers", "error", "said"),
        [
            ([], ValueError, "layers is empty: name at least one"),
            ([FileLayer("a/x.toml"), FileLayer("b/x.toml")], ValueError, "are both named 'x.toml'"),
            (
                ["config.toml"],
                TypeError,
                "is a str; watch.. takes FileLayer, FolderLayer, ValuesLayer or a layer of a store",
            ),
        ],
    )
    async def test_layers_that_are_none(self, layers: Any, error: type[Exception], said: str) -> None:
        with pytest.raises(error, match=said):
            async with Settings.watch(layers=layers):
                pass


async def test_larger_than_any_document_may_be(tmp_path: Path, bucket: str) -> None:
    """A server may take more than a layer does."""
    with Server(tmp_path / "server", {"max_payload": 4 * 1024 * 1024}) as server:
        await made(server.url, bucket, config="A = 1\n")
        store = NatsStore(server.url, bucket, **QUICK)
        async with Settings.watch(layers=[store.layer("config")]) as live:
            await published(server.url, bucket, config="#" * (1024 * 1024 + 1))
            await until(lambda: "larger than 1048576 bytes (1 MiB)" in str(live.status.last_error))
            assert live.current.A == 1
            await published(server.url, bucket, config="A = 2\n")
            await until(lambda: live.current.A == 2)


def test_a_key_that_was_never_written() -> None:
    assert NatsStore("nats://127.0.0.1", "settings").value("x") == StoreValue()


def _jetstream(server: Server) -> Any:
    from contextlib import asynccontextmanager

    from support.nats_client import connected

    @asynccontextmanager
    async def opened() -> Any:
        async with connected(server.url) as client:
            yield client.jetstream()

    return opened()
