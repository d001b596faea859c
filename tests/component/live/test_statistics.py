"""live.statistics(), live.describe() and what public objects show."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio import to_thread
from support.live import Ledger, Settings, given, idle

from hotsettings import Change, Explanation, Live, Rejected, Resource, Snapshot, Status
from hotsettings.testing import Workspace, live

pytestmark = pytest.mark.anyio


async def test_statistics() -> None:
    ledger = Ledger()

    def failing(_: object) -> None:
        raise ValueError

    async with live(given()) as held:
        before = held.statistics()
        assert (before.generation, before.accepted, before.subscribers, before.watching) == (1, 1, 0, True)
        assert before.accepted_at == held.snapshot.loaded_at
        async with held.resource(ledger.build, "A"):
            held.on_change(failing)
            changes = held.changes("A")
            await held.publish(given(A=1))
            held.prepare(failing)
            with pytest.raises(Rejected):
                await held.publish(given(A=2))
            await idle()
            counts = await to_thread.run_sync(held.statistics)
            assert (counts.generation, counts.accepted, counts.rejections) == (2, 2, 1)
            assert (counts.subscribers, counts.subscribers_behind, counts.callback_failures) == (2, 1, 1)
            assert (counts.resources, counts.rebuilds) == (1, 1)
            assert counts.accepted_at > before.accepted_at
            await changes.aclose()
        assert held.statistics().resources == 0
    assert not held.statistics().watching


@pytest.mark.async_only
async def test_looks_and_reads(settings_workspace: Workspace) -> None:
    async with Settings.watch(**settings_workspace.paths, settle=0.0) as held:
        before = held.statistics()
        settings_workspace.write(config="# no value differs")
        await held.reload()
        after = held.statistics()
        assert after.looks > before.looks
        assert after.reads > before.reads
        assert (after.accepted, after.generation) == (before.accepted + after.reads - before.reads, 1)


async def test_describe() -> None:
    async with live(given(A=1, WORKERS=4)) as held:
        await held.publish(given(A=2, WORKERS=9))
        described = {each.key: each for each in held.describe()}
        assert (described["A"].value, described["A"].default, described["A"].restart) == ("2", "0", False)
        assert (described["SECRET_KEY"].value, described["SECRET_KEY"].hidden) == ("********", True)
        workers = described["WORKERS"]
        assert (workers.value, workers.waiting, workers.restart) == ("4", "9", True)
        assert held.redact("it is first-secret") == "it is ********"


@pytest.mark.async_only
async def test_what_accompanies_a_live_object(caplog: pytest.LogCaptureFixture) -> None:
    said: list[str] = []

    async def stays() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            said.append("ended")

    async def fails() -> None:
        raise ValueError("first-secret")

    async with live(given()) as held:
        held.accompany(stays)
        held.accompany(fails)
        await idle()
        assert (said, held.statistics().callback_failures) == ([], 1)
    assert said == ["ended"]
    assert "fails raised" in caplog.text
    assert "first-secret" not in caplog.text


async def test_decorators() -> None:
    seen: list[Any] = []

    async with live(given()) as held:

        @held.on_change("A")
        def sync(change: Change[Settings]) -> None:
            seen.append(("sync", change.new.A))

        @held.on_change()
        async def coroutine(change: Change[Settings]) -> None:
            seen.append(("async", change.new.A))

        @held.prepare("B")
        async def refuse(change: Change[Settings]) -> None:
            raise ValueError("no")

        await held.publish(given(A=1))
        await held.wait_applied()
        assert sorted(seen) == [("async", 1), ("sync", 1)]
        with pytest.raises(Rejected, match="no"):
            await held.publish(given(A=1, B=1))
        assert [function.__name__ for function in (sync, coroutine, refuse)] == ["sync", "coroutine", "refuse"]
        with pytest.raises(ValueError, match="did you mean"):

            @held.on_change("KAFKA_HOTS")
            def never(change: object) -> None: ...


async def test_a_hook_that_returns_something_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Who returns False may take that for a veto."""

    async def allowed(_: object) -> bool:
        return False

    async with live(given()) as held:
        held.prepare(allowed)  # type: ignore[arg-type]
        held.prepare(lambda _: None)
        with caplog.at_level(logging.WARNING):
            assert await held.publish(given(A=1)) is not None
    told = [record.getMessage() for record in caplog.records if "returned" in record.getMessage()]
    assert len(told) == 1
    assert told[0].endswith("allowed returned bool, which means nothing: to veto a reload it has to raise")


@asynccontextmanager
async def build(_: object) -> Any:
    yield 1


@pytest.mark.async_only
async def test_public_objects_show_what_is_documented() -> None:
    shown: dict[type, set[str]] = {}
    async with live(given()) as held, held.resource(build) as resource:
        change = await held.publish(given(A=1))
        handle, changes, events = held.on_change(lambda _: None), held.changes(), held.events()
        for each in (held, held.snapshot, change, held.status, held.explain("A"), resource, handle, changes, events):
            shown[type(each)] = {name for name in dir(each) if not name.startswith("_")}
    members = {"current", "snapshot", "status", "changes", "on_change", "prepare", "resource", "events", "reload"}
    members |= {"wait_applied", "explain", "statistics"}
    assert shown.pop(type(held)) == members | {"publish"}
    assert shown.pop(type(handle)) == {"cancel", "failures"}
    assert shown.pop(type(changes)) == {"aclose"}
    assert shown.pop(type(events)) == {"aclose", "dropped"}
    for_integrations = {"accompany", "describe", "redact"}
    assert {name for name in dir(Live) if not name.startswith("_")} == members | for_integrations
    assert shown.pop(Snapshot) == {"settings", "generation", "loaded_at", "digest", "origins"}
    assert shown.pop(Change) == {"old", "new", "keys", "generation"}
    assert shown.pop(Status) == set(Status.__struct_fields__)
    assert shown.pop(Explanation) == {"key", "entries", "kept", "winner"}
    assert shown.pop(Resource) == {"current", "lease"}
    assert not shown
