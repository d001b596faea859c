"""Reports: what each process says of itself, and never a value."""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime

import pytest
from nats.js.api import StorageType
from nats.js.errors import NotFoundError
from nats.js.kv import KeyValue
from support.fleet import Settings, put, until
from support.nats_server import Server
from support.reports import reported, until_reported

from hotsettings import Live, RestartRequired
from hotsettings.nats import NatsStore, Report, report_reader
from hotsettings.nats.reports import RENEWAL, TTL, decoded, encoded, own_name, report_on, reports_bucket

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


class Restarting(Settings):
    PORT: RestartRequired[int] = 1


@pytest.fixture
def store(nats: Server, bucket: str) -> NatsStore:
    return NatsStore(nats.url, bucket, service="worker")


class TestWhatTheySay:
    async def test_all_is_well(self, store: NatsStore, kv: KeyValue) -> None:
        await put(kv, "config.toml", "A = 1\n")
        before = datetime.now(UTC)
        layers = [store.layer("config.toml", name="named"), store.layer("none", required=False)]
        async with Restarting.watch(layers=layers) as live:
            report = await until_reported(kv)
            assert before <= report.started_at <= report.at <= datetime.now(UTC)
            assert report == Report(
                instance=own_name(),
                service="worker",
                generation=1,
                digest=live.snapshot.digest,
                healthy=True,
                applied={"config.toml": 1, "none": 0},
                tried={"config.toml": 1, "none": 0},
                rejection=None,
                pending_restart=(),
                source="store",
                started_at=report.started_at,
                at=report.at,
            )
            await put(kv, "config.toml", "A = 2\nPORT = 2\n")
            await until_reported(kv, generation=2, applied={"config.toml": 2, "none": 0}, pending_restart=("PORT",))

    async def test_the_service_is_the_class_by_default(self, nats: Server, bucket: str, kv: KeyValue) -> None:
        await put(kv, "config", "A = 1\n")
        async with Settings.watch(layers=[NatsStore(nats.url, bucket).layer("config")]):
            assert (await until_reported(kv)).service == "Settings"

    async def test_the_same_settings_again(self, store: NatsStore, kv: KeyValue) -> None:
        await put(kv, "config", "A = 1\n")
        async with Settings.watch(layers=[store.layer("config")]) as live:
            digest = (await until_reported(kv)).digest
            await put(kv, "config", "# again\nA = 1\n")
            report = await until_reported(kv, applied={"config": 2}, tried={"config": 2})
            assert (report.generation, report.digest, report.healthy) == (1, digest, True)
            assert live.snapshot.generation == 1

    async def test_a_key_that_is_no_layer_is_not_in_it(self, store: NatsStore, kv: KeyValue, nats: Server) -> None:
        other = NatsStore(nats.url, store.bucket, reporting=False)
        await put(kv, "config", "A = 1\n")
        async with Settings.watch(layers=[store.layer("config"), other.layer("more", required=False)]):
            assert (await until_reported(kv)).tried == {"config": 1}


class TestRejections:
    async def test_places_keys_and_rules(self, store: NatsStore, kv: KeyValue) -> None:
        await put(kv, "config", "A = 1\n")
        async with Settings.watch(layers=[store.layer("config")]):
            await until_reported(kv, healthy=True)
            await put(kv, "config", f"A = 'canary'\nC = 'canary'\nB = '{101 * 'canary'}'\n")
            report = await until_reported(kv, healthy=False, tried={"config": 2})
            assert report.applied == {"config": 1}
            assert report.generation == 1
            place = f"{store.bucket}/config@2"
            assert str(report.rejection).split("; ") == [
                f"{place}:1:5  A: expected int, got str",
                f"{place}:2:1  C: unknown key",
                f"{place}:3:5  B: expected str of length <= 100",
            ]
            assert report.rejected_by == "settings"
            assert [(each.key, each.code, str(each.origin), each.message) for each in report.problems] == [
                ("A", "wrong-type", f"{place}:1:5", "expected int, got str"),
                ("C", "unknown-key", f"{place}:2:1", "unknown key"),
                ("B", "wrong-length", f"{place}:3:5", "expected str of length <= 100"),
            ]
            await put(kv, "config", "A = 3\n")
            await until_reported(kv, healthy=True, applied={"config": 3}, rejection=None, rejected_by="", problems=())

    @pytest.mark.parametrize(
        "text", ["A = -4711\nB = 'canary'", "A = = 'canary'", "B = 'canary", "A = 1\nA = 'canary'"]
    )
    async def test_what_could_quote_a_value_is_left_to_the_log(self, store: NatsStore, kv: KeyValue, text: str) -> None:
        """The rule of the class quotes two of them."""
        await put(kv, "config", "A = 1\n")
        async with Settings.watch(layers=[store.layer("config")]):
            await until_reported(kv, healthy=True)
            await put(kv, "config", text)
            report = await until_reported(kv, healthy=False)
            assert f"{store.bucket}/config@2" in str(report.rejection) or "(its log says which)" in str(
                report.rejection
            )
            assert not re.search("canary|4711", encoded(report).decode())

    async def test_a_hook_that_quotes_values(self, store: NatsStore, kv: KeyValue) -> None:
        await put(kv, "config", "A = 1\n")
        async with Settings.watch(layers=[store.layer("config")]) as live:
            name = hook_of_the_test(live)
            await put(kv, "config", "A = 2\nB = 'canary'\n")
            report = await until_reported(kv, rejection=f"refused by {name} (its log says why)")
            assert (report.healthy, report.rejected_by, report.problems) == (False, name, ())
            assert "canary" not in encoded(report).decode()

    async def test_a_rejection_is_reported_as_soon_as_the_status_knows_it(self, store: NatsStore, kv: KeyValue) -> None:
        await put(kv, "config", "A = 1\n")
        async with Settings.watch(layers=[store.layer("config")]) as live:
            await put(kv, "config", "A = 'canary'\n")
            await until(lambda: not live.status.healthy)
            report = report_on(live, (), store, "name", "worker", datetime.now(UTC))
            assert not report.healthy
            assert [problem.code for problem in report.problems] == ["wrong-type"]
            assert "canary" not in encoded(report).decode()


class TestHowTheyAreKept:
    async def test_the_bucket(self, store: NatsStore, kv: KeyValue) -> None:
        await put(kv, "config", "A = 1\n")
        async with Settings.watch(layers=[store.layer("config")]):
            await until_reported(kv)
            config = (await kv._js.stream_info(f"KV_{store.bucket}-reports")).config
            assert (config.max_age, config.storage, config.max_msgs_per_subject) == (TTL, StorageType.MEMORY, 1)
            assert RENEWAL * 2 < TTL, "one may be lost"

    async def test_it_is_withdrawn_at_the_end(self, store: NatsStore, kv: KeyValue) -> None:
        await put(kv, "config", "A = 1\n")
        async with Settings.watch(layers=[store.layer("config")]):
            await until_reported(kv)
        assert await reported(kv) is None

    async def test_several_in_one_process(self, store: NatsStore, kv: KeyValue, tmp_path: object) -> None:
        await put(kv, "config", "A = 1\n")
        name = own_name()
        async with Settings.watch(layers=[store.layer("config")]):
            await until_reported(kv, name)
            async with Settings.watch(layers=[store.layer("config")]):
                await until_reported(kv, f"{name}/2")
            assert await reported(kv, f"{name}/2") is None
            assert await reported(kv, name) is not None

    async def test_an_instance_of_ones_own(self, nats: Server, bucket: str, kv: KeyValue) -> None:
        await put(kv, "config", "A = 1\n")
        store = NatsStore(nats.url, bucket, instance="the.one")
        async with Settings.watch(layers=[store.layer("config")]):
            assert (await until_reported(kv, "the.one")).instance == "the.one"

    async def test_none_at_all(self, nats: Server, bucket: str, kv: KeyValue) -> None:
        await put(kv, "config", "A = 1\n")
        store = NatsStore(nats.url, bucket, reporting=False)
        async with Settings.watch(layers=[store.layer("config")]) as live:
            await put(kv, "config", "A = 2\n")
            await until(lambda: live.current.A == 2)
        with pytest.raises(NotFoundError):
            await kv._js.stream_info(f"KV_{bucket}-reports")


class TestHowTheyAreRead:
    async def test_those_that_come_after_all_were_said_to_be_there(
        self, nats: Server, bucket: str, kv: KeyValue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By a server that is behind its leader."""
        held = await reports_bucket(kv._js, bucket)
        now = datetime(2026, 1, 2, tzinfo=UTC)
        reports = [Report(name, "s", 1, "d", True, {}, {}, None, (), "store", now, now) for name in ("one", "two")]
        await held.put("one", encoded(reports[0]))
        updates = KeyValue.KeyWatcher.updates

        async def and_then_one_more(watcher: KeyValue.KeyWatcher, **options: float) -> object:
            update = await updates(watcher, **options)  # type: ignore[no-untyped-call]
            if update is None:
                await held.put("two", encoded(reports[1]))
            return update

        monkeypatch.setattr(KeyValue.KeyWatcher, "updates", and_then_one_more)
        received = (await report_reader._read_all(held, 2)).received
        assert [each.report for each in received.values()] == reports

    async def test_one_that_never_comes_is_not_waited_for(
        self, nats: Server, bucket: str, kv: KeyValue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The last one of the stream was removed from it."""
        monkeypatch.setattr(report_reader, "_CATCH_UP", 0.05)
        held = await reports_bucket(kv._js, bucket)
        await held.put("one", b"{}")
        assert await report_reader._read_all(held, 2) == report_reader.Reports()


class TestTexts:
    def test_it_is_json(self) -> None:
        now = datetime(2026, 1, 2, tzinfo=UTC)
        report = Report("me", "worker", 1, "d", True, {"a": 1}, {"a": 2}, None, ("X",), "copy", now, now)
        assert json.loads(encoded(report))["applied"] == {"a": 1}
        assert decoded(encoded(report)) == report

    @pytest.mark.parametrize("data", [None, b"", b"{}", b"\xff", b"[1]", b'{"instance": 1}'])
    def test_what_is_none(self, data: bytes | None) -> None:
        assert decoded(data) is None

    @pytest.mark.parametrize(
        ("host", "expected"), [("web-1.example.com", "web-1.example.com"), ("über host", "_ber_host"), (".", "host")]
    )
    def test_its_name_is_a_key(self, monkeypatch: pytest.MonkeyPatch, host: str, expected: str) -> None:
        monkeypatch.setattr(socket, "gethostname", lambda: host)
        assert re.fullmatch(rf"{re.escape(expected)}/\d+", own_name())


def hook_of_the_test(live: Live[Settings]) -> str:
    async def refuse_it(change: object) -> None:
        raise RuntimeError(f"no: {live.current.B} but canary")

    return live.prepare(refuse_it).name
