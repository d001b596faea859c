"""How what was read becomes the live snapshot. The watcher is a fake, and the test moves the clock."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from support.live import Settings, idle

from hotsettings import Applied, Change, InvalidSettings, LayerError, Live, Rejected, Rejection, UnforeseenError
from hotsettings._concurrency.tasks import background_tasks
from hotsettings._layers.file import FileLayer
from hotsettings._layers.layer import Document, parse
from hotsettings._layers.status import LayerState, LayerStatus
from hotsettings._live.core import Core
from hotsettings._live.reload import reloader, transaction
from hotsettings._live.reload.reloader import Reloader, first_load
from hotsettings._live.snapshot import Snapshot
from hotsettings._loading.load import Loaded, assemble
from hotsettings._redaction import Redactor
from hotsettings._schema.schema import Schema, schema_of
from hotsettings._watching.consistent_read import Read, Unchanged, Unsettled
from hotsettings._watching.watcher import Evaluated, Watcher

pytestmark = pytest.mark.anyio

LAYER = FileLayer("/config.toml", name="base", label="config.toml")
RESCAN = 2.0


@pytest.fixture(autouse=True)
async def no_deadlock() -> AsyncIterator[None]:
    with anyio.fail_after(20):
        yield


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class FakeWatcher:
    """Sees whatever the test says."""

    def __init__(self, clock: Clock, text: str) -> None:
        self.clock = clock
        self.text = text
        self.read: str | None = None
        self.unsettled = 0.0
        self.fault: Exception | None = None
        self.looks = 0
        self.times_accepted = 0
        self.writers: dict[str, float] = {}
        self.state: LayerState = "read"
        self.targets = ["/config.toml"]
        self.settle = 0.1
        self.stale_mounts: dict[str, str] = {}
        self.woken_up = False
        self.news = anyio.Event()
        self.go = anyio.Event()
        self.go.set()
        self.reader = self

    def wake_and_reread(self) -> None:
        self.woken_up = True
        self.news.set()

    def accepted(self) -> None:
        self.times_accepted += 1

    def invalidate(self) -> None:
        self.read = None

    def writing(self) -> dict[str, float]:
        return self.writers

    def statuses(self) -> list[LayerStatus]:
        return [LayerStatus(LAYER.name, LAYER.label, self.state)]

    async def wait_until_woken(self, within: float) -> None:
        await checkpoint()
        deadline = self.clock.now + within
        while not self.woken_up and self.clock.now < deadline:
            self.news = anyio.Event()
            await self.news.wait()
        self.woken_up = False

    async def check(
        self, evaluate: Callable[[Read], Any], slow: Callable[[list[str]], None], *, accept_open: bool = False
    ) -> Any:
        self.looks += 1
        self.slow = slow
        text = self.text
        await checkpoint()
        await self.go.wait()
        if self.fault is not None:
            raise self.fault
        if self.unsettled:
            return Unsettled(self.unsettled)
        if text == self.read:
            return Unchanged()
        self.read = text
        documents: Any
        try:
            documents = (parse(LAYER, text.encode()),)
        except LayerError as error:
            documents = error
        read = Read((text.encode(),), documents)
        return Evaluated(read, evaluate(read))

    async def say(self, text: str) -> None:
        self.text = text
        self.wake_and_reread()
        await idle()

    async def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.news.set()
        await idle()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(reloader, "time", clock)
    return clock


@asynccontextmanager
async def running(clock: Clock, text: str = "A = 0") -> AsyncIterator[tuple[Live[Settings], FakeWatcher]]:
    fake = FakeWatcher(clock, text)
    watcher: Watcher = fake  # type: ignore[assignment]
    schema = schema_of(Settings)
    redactor = Redactor(schema)
    with anyio.fail_after(20):
        async with background_tasks() as tasks:
            read, loaded = await first_load(schema, redactor, watcher)
            core: Core[Settings] = Core(schema, Snapshot(loaded, 1), tasks, redactor, 10.0)
            source = Reloader(core, watcher, read.contents, RESCAN)
            live = Live(core, source)
            tasks.start_soon(source.run)
            await idle()
            try:
                yield live, fake
            finally:
                core.close()


class Events:
    """What events() tells, collected."""

    def __init__(self, live: Live[Settings]) -> None:
        self._events = live.events()

    def __call__(self) -> list[Any]:
        seen = list(self._events._kept)
        self._events._kept.clear()
        return seen


async def outcome(live: Live[Settings], results: list[Any]) -> None:
    try:
        results.append(await live.reload())
    except Rejected as rejected:
        results.append(rejected.reason)


async def test_the_first_look_waits_until_the_files_stand_still(clock: Clock) -> None:
    fake = FakeWatcher(clock, "A = 7")
    fake.unsettled = 0.125
    loaded: list[Loaded] = []

    async def first() -> None:
        loaded.append((await first_load(schema, Redactor(schema), fake))[1])  # type: ignore[arg-type]

    schema = schema_of(Settings)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        await idle()
        assert fake.looks == 1
        await fake.pass_time(0.0625)
        assert fake.looks == 1
        fake.unsettled = 0.0
        await fake.pass_time(0.0625)
    assert loaded[0].settings.A == 7
    assert fake.times_accepted == 1


@pytest.mark.parametrize(("text", "error"), [("A = ", LayerError), ("A = 'x'", InvalidSettings)])
async def test_the_first_look_at_bad_files_raises(clock: Clock, text: str, error: type[Exception]) -> None:
    schema = schema_of(Settings)
    with pytest.raises(error):
        await first_load(schema, Redactor(schema), FakeWatcher(clock, text))  # type: ignore[arg-type]


async def test_new_content_goes_live(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running(clock) as (live, fake):
        events = Events(live)
        await fake.say("A = 1\nB = 2")
        assert (live.current.A, live.current.B, live.snapshot.generation) == (1, 2, 2)
        [applied] = events()
        assert isinstance(applied, Applied)
        assert (applied.generation, applied.keys) == (2, frozenset({"A", "B"}))
        assert fake.times_accepted == 2
        assert live.status.healthy
        assert live.snapshot.origins["B"].line == 2
        assert "generation 2 is live: A, B" in caplog.text


async def test_a_quiet_edit_wakes_nobody(clock: Clock) -> None:
    async with running(clock) as (live, fake):
        events, told = Events(live), list[Any]()
        live.on_change(told.append)
        await fake.say("# a comment\nA   =   0")
        assert events() == told == []
        assert live.snapshot.generation == 1
        assert fake.times_accepted == 2, "but it is what the layer says now"
        assert await live.reload() is None


async def test_what_was_judged_is_not_judged_again(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may have to be read again only because its times do not tell whether it has changed."""
    judged: list[Sequence[Document]] = []

    def counted(schema: Schema, documents: Sequence[Document], redactor: Redactor) -> Any:
        judged.append(documents)
        return assemble(schema, documents, redactor)

    monkeypatch.setattr(reloader, "assemble", counted)
    async with running(clock, "A = 1") as (live, fake):
        for text, times in [("A = 1", 1), ("A = 2", 2), ("A = 'x'", 3)]:
            await fake.say(text)
            for _ in range(2):
                fake.read = None
                looks = fake.looks
                await fake.say(text)
                assert fake.looks > looks
            assert len(judged) == times
        assert live.status.consecutive_failures == 1
        assert live.current.A == 2


async def test_live_secrets_are_learnt_again_after_others(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many candidates are rejected, the live secrets stay among those that were learnt last."""
    learnt: list[Any] = []
    async with running(clock, "SECRET_KEY = 'live one'") as (_, fake):
        learn = Redactor.learn

        def counted(redactor: Redactor, documents: Sequence[Document], settings: Any = None) -> None:
            learnt.append(next(iter(documents)).values["SECRET_KEY"])
            learn(redactor, documents, settings)

        monkeypatch.setattr(Redactor, "learn", counted)
        await fake.say("SECRET_KEY = 'live two'")
        assert learnt == ["live two"]  # the one before was the last that was learnt
        await fake.say("SECRET_KEY = 'refused'\nA = 'x'")
        await fake.say("SECRET_KEY = 'live three'")
        assert learnt[1:] == ["refused", "live two", "live three"]


async def test_it_looks_again_by_itself(clock: Clock) -> None:
    async with running(clock) as (_, fake):
        looks = fake.looks
        await fake.pass_time(RESCAN - 0.125)
        assert fake.looks == looks
        await fake.pass_time(0.25)
        assert fake.looks == looks + 1
        await fake.pass_time(RESCAN)
        assert fake.looks == looks + 2


@pytest.mark.parametrize(("bad", "reason"), [("A = ", LayerError), ("A = 'x'", InvalidSettings)])
async def test_bad_content_waits_for_new_content(clock: Clock, bad: str, reason: type[Exception]) -> None:
    async with running(clock) as (live, fake):
        events = Events(live)
        await fake.say(bad)
        [rejection] = events()
        assert isinstance(rejection, Rejection)
        assert len(rejection.problems) == 1
        status = live.status
        assert (status.healthy, status.consecutive_failures, status.last_error) == (False, 1, rejection.reason)
        assert status.last_attempt_at == rejection.at
        for _ in range(10):
            await fake.pass_time(30)
        assert events() == []
        for _ in range(2):
            with pytest.raises(Rejected) as caught:
                await live.reload()
            assert isinstance(caught.value.reason, reason)
        assert events() == [], "asking does not try again what cannot succeed"
        await fake.say(bad + "#")
        assert live.status.consecutive_failures == 2
        await fake.say("A = 1")
        assert [type(event) for event in events()] == [Rejection, Applied]
        status = live.status
        assert (status.healthy, status.consecutive_failures, status.last_error) == (True, 0, None)
        assert live.snapshot.generation == 2


async def test_back_to_what_is_live_is_told_as_recovery(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running(clock) as (live, fake):
        events = Events(live)
        await fake.say("A = ")
        await fake.say("A = 0 #")
        [_, applied] = events()
        assert (applied.generation, applied.keys) == (1, frozenset())
        assert live.status.healthy
        assert "the files are good again" in caplog.text


class Hook:
    """Vetoes while ``veto`` is set, hangs while ``hang`` is."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.veto: str = ""
        self.hang = False
        self.go = anyio.Event()

    async def __call__(self, change: Change[Settings]) -> None:
        self.asked.append(change.new.A)
        if self.hang:
            await self.go.wait()
        if self.veto:
            raise ValueError(self.veto)


async def test_a_veto_is_tried_again_with_backoff(clock: Clock) -> None:
    async with running(clock) as (live, fake):
        hook, events = Hook(), Events(live)
        hook.veto = "the broker blinks"
        live.prepare(hook)
        await fake.say("A = 1")
        assert hook.asked == [1]
        waited: list[float] = []
        while len(hook.asked) < 10:
            before, seconds = len(hook.asked), 0.0
            while len(hook.asked) == before:
                await fake.pass_time(0.5)
                seconds += 0.5
            waited.append(seconds)
        assert waited == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert [event.consecutive_failures for event in events()] == list(range(1, 11))
        assert str(live.status.last_error).endswith("test_reloader.Hook: ValueError: the broker blinks")
        hook.veto = ""
        await fake.pass_time(60)
        assert live.current.A == 1
        assert live.status.healthy
        hook.veto = "again"
        await fake.say("A = 2")
        await fake.pass_time(1)
        assert hook.asked[11:] == [2, 2], "the backoff begins anew with new content"


async def test_new_content_ends_the_retries(clock: Clock) -> None:
    async with running(clock) as (live, fake):
        hook = Hook()
        hook.veto = "no"
        live.prepare(hook)
        await fake.say("A = 1")
        await fake.say("A = ")
        await fake.pass_time(100)
        assert hook.asked == [1]
        await fake.say("A = 0")
        assert live.status.healthy
        await fake.pass_time(100)
        assert hook.asked == [1]


async def test_newer_files_cancel_a_candidate(clock: Clock) -> None:
    async with running(clock) as (live, fake):
        hook, events = Hook(), Events(live)
        live.prepare(hook)
        hook.hang = True
        for number in range(1, 4):
            await fake.say(f"A = {number}")
            assert hook.asked[-1] == number
            assert live.current.A == 0
        hook.hang = False
        await fake.say("A = 4")
        assert (live.current.A, live.snapshot.generation) == (4, 2)
        [applied] = events()
        assert applied.generation == 2
        hook.hang = True
        await fake.say("A = 5")
        await fake.say("A = ")
        assert live.current.A == 4
        assert live.status.last_error is not None
        assert "TOML" in live.status.last_error
        await fake.say("A = 4")  # what is live
        assert live.status.healthy
        assert live.snapshot.generation == 2


async def test_a_candidate_that_is_through_when_newer_files_come(clock: Clock) -> None:
    async with running(clock) as (live, fake):
        hook = Hook()
        live.prepare(hook)
        hook.hang = True
        await fake.say("A = 1")
        hook.go.set()
        await fake.say("A = 2")
        assert live.current.A == 2
        assert live.snapshot.generation in (2, 3)
        hook.veto = "no"
        hook.go = anyio.Event()
        await fake.say("A = 3")
        hook.go.set()
        await fake.say("A = 4")
        assert live.current.A == 2
        asked = hook.asked.count(4)
        await fake.pass_time(1)
        assert hook.asked.count(4) == asked + 1, "the backoff is that of the newer content"


async def test_an_unread_edit_does_not_cancel(clock: Clock) -> None:
    async with running(clock) as (live, fake):
        hook = Hook()
        live.prepare(hook)
        hook.hang = True
        await fake.say("A = 1")
        fake.unsettled = 0.125
        await fake.say("A = 2")
        assert hook.asked == [1]
        hook.go.set()
        await idle()
        assert live.current.A == 1
        fake.unsettled = 0.0
        await fake.pass_time(0.125)
        assert live.current.A == 2


async def test_reload(clock: Clock) -> None:
    async with running(clock) as (live, fake):
        assert await live.reload() is None
        fake.text = "A = 1"  # and nobody wakes it
        change = await live.reload()
        assert change is not None
        assert (change.old.A, change.new.A, change.keys, change.generation) == (0, 1, frozenset({"A"}), 2)
        fake.text = "A = 'x'"
        with pytest.raises(Rejected) as caught:
            await live.reload()
        assert isinstance(caught.value.reason, InvalidSettings)
        assert caught.value.problems == caught.value.reason.problems


async def test_reload_looks_once(clock: Clock) -> None:
    async with running(clock) as (live, fake):
        looks = fake.looks
        fake.text = "A = 1"
        assert await live.reload() is not None
        await idle()
        assert fake.looks == looks + 1


async def test_reload_that_is_answered_during_another_look(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    async with running(clock) as (live, fake), anyio.create_task_group() as tasks:
        hook, results = Hook(), list[Any]()
        hook.hang = True
        live.prepare(hook)
        fake.text = "A = 1"
        tasks.start_soon(outcome, live, results)
        await idle()
        fake.go = anyio.Event()
        fake.wake_and_reread()
        await idle()
        hook.go.set()
        await idle()
        assert [result.new.A for result in results] == [1]
        fake.go.set()
        await idle()
        assert live.status.healthy
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_reload_is_not_answered_by_what_was_seen_before_it(clock: Clock) -> None:
    async with running(clock) as (live, fake), anyio.create_task_group() as tasks:
        hook, results = Hook(), list[Any]()
        hook.hang = True
        live.prepare(hook)
        await fake.say("A = 1")
        fake.text, fake.go = "A = 2", anyio.Event()
        tasks.start_soon(outcome, live, results)
        await idle()
        hook.go.set()
        await idle()
        assert live.current.A == 1
        assert results == []
        fake.go.set()
        await idle()
        assert [result.new.A for result in results] == [2]


async def test_reload_while_it_is_vetoed(clock: Clock) -> None:
    """Each reload asks the hooks once, at once, and tells what they said; the backoff goes on."""
    async with running(clock) as (live, fake):
        hook = Hook()
        hook.veto = "no"
        live.prepare(hook)
        fake.text = "A = 1"
        for number in range(1, 4):
            with pytest.raises(Rejected) as caught:
                await live.reload()
            assert repr(caught.value.reason) == "Redacted('no', 'ValueError')"
            assert hook.asked == [1] * number
        hook.veto = ""
        change = await live.reload()
        assert change is not None
        assert change.generation == 2
        assert live.status.healthy


async def test_reload_while_a_candidate_is_prepared(clock: Clock) -> None:
    async with running(clock) as (live, fake), anyio.create_task_group() as tasks:
        hook, results = Hook(), list[Any]()
        live.prepare(hook)
        hook.hang, hook.veto = True, "no"
        await fake.say("A = 1")
        for _ in range(2):
            tasks.start_soon(outcome, live, results)
        await idle()
        assert results == []
        await fake.pass_time(RESCAN)
        first, hook.go = hook.go, anyio.Event()
        first.set()
        await idle()
        assert hook.asked == [1, 1], "the one under way had begun before they asked: they share the next one"
        assert results == []
        hook.go.set()
        await idle()
        assert list(map(repr, results)) == ["Redacted('no', 'ValueError')"] * 2
        assert hook.asked == [1, 1]
        hook.veto, hook.go = "", anyio.Event()
        tasks.start_soon(outcome, live, results)
        await idle()
        fake.text = "A = 2"
        tasks.start_soon(outcome, live, results)
        await idle()
        assert hook.asked == [1, 1, 1, 2]
        hook.go.set()
        await idle()
        assert [result.new.A for result in results[2:]] == [2, 2], "newer files have taken over"


async def test_reload_waits_for_the_writer(clock: Clock) -> None:
    async with running(clock) as (live, fake), anyio.create_task_group() as tasks:
        results: list[Any] = []
        fake.unsettled = 0.125
        tasks.start_soon(outcome, live, results)
        await idle()
        fake.text = "A = 1"
        await fake.pass_time(0.125)
        assert results == []
        fake.unsettled = 0.0
        await fake.pass_time(0.125)
        assert [result.new.A for result in results] == [1]


async def test_reload_that_is_cancelled(clock: Clock) -> None:
    async with running(clock) as (live, fake):
        fake.unsettled = 0.125
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(live.reload)
                await idle()
                scope.cancel()
        fake.unsettled = 0.0
        await fake.pass_time(0.125)
        assert await live.reload() is None


async def test_reload_at_the_end_and_after_it(clock: Clock) -> None:
    results: list[Any] = []
    async with anyio.create_task_group() as tasks:
        async with running(clock) as (live, fake):
            fake.unsettled = 0.125
            tasks.start_soon(outcome, live, results)
            await idle()
        await outcome(live, results)
    assert results == [None, None]


async def test_a_retry_that_is_due_while_somebody_writes(clock: Clock) -> None:
    async with running(clock) as (live, fake):
        hook = Hook()
        hook.veto = "no"
        live.prepare(hook)
        await fake.say("A = 1")
        fake.unsettled = 1.5
        fake.wake_and_reread()
        await fake.pass_time(1.2)
        looks = fake.looks
        await idle()
        assert fake.looks <= looks + 1, "it does not look without pause"
        assert hook.asked == [1]
        fake.unsettled = 0.0
        await fake.pass_time(1.5)
        assert hook.asked == [1, 1]


async def test_what_nobody_foresaw_ends_nothing(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    async with running(clock, "SECRET_KEY = 'quoted-in-it'") as (live, fake), anyio.create_task_group() as tasks:
        hook, results = Hook(), list[Any]()
        hook.veto = "no"
        live.prepare(hook, "B")
        await fake.say("SECRET_KEY = 'quoted-in-it'\nB = 1")
        fake.fault = RuntimeError("can't start new thread for quoted-in-it")
        tasks.start_soon(outcome, live, results)
        await idle()
        looks = fake.looks
        await fake.pass_time(1.5)
        assert fake.looks == looks, "not even for a retry that is due"
        await fake.pass_time(0.6)
        assert fake.looks == looks + 1
        [error] = results
        assert isinstance(error, UnforeseenError)
        status = live.status
        assert not status.healthy
        assert "config.toml  unforeseen RuntimeError at _live/reload/reloader.py" in str(status.last_error)
        assert status.last_error == str(error)
        assert caplog.text.count("checking the layers failed") == 1
        assert "can't start" not in caplog.text + str(error) + repr(status), "it may quote what was read"
        fake.fault = None
        hook.veto = ""
        await fake.pass_time(RESCAN)
        assert live.status.healthy
        assert live.current.B == 1


async def test_what_nobody_foresaw_is_told_once_and_lasts_until_all_was_read_and_judged(
    clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the watcher has seen the change by then, and would say that nothing has changed since."""

    def broken(*_: object) -> frozenset[str]:
        raise KeyError("quoted-in-it")

    caplog.set_level(logging.INFO)
    async with running(clock, "SECRET_KEY = 'quoted-in-it'") as (live, fake):
        events = live.events()
        with monkeypatch.context() as patch:
            patch.setattr(reloader, "changed_keys", broken)
            await fake.say("SECRET_KEY = 'quoted-in-it'\nA = 1")
            for _ in range(3):
                assert not live.status.healthy
                assert live.status.consecutive_failures == 1
                assert "unforeseen KeyError" in str(live.status.last_error)
                await fake.pass_time(RESCAN)
        assert caplog.text.count("checking the layers failed") == 1
        rejection = await anext(events)
        assert isinstance(rejection, Rejection)
        assert [problem.origin.file for problem in rejection.problems] == ["config.toml"]
        await fake.pass_time(RESCAN)
        assert (live.current.A, live.status.healthy, live.status.last_error) == (1, True, None)
        applied = await anext(events)
        assert isinstance(applied, Applied)
        assert applied.keys == {"A"}
        fake.fault = OSError(5, "quoted-in-it")
        await fake.pass_time(RESCAN)
        assert "unforeseen OSError (Input/output error)" in str(live.status.last_error)
        fake.fault = None
        await fake.pass_time(RESCAN)
        assert live.status.healthy
        assert [type(await anext(events)) for _ in range(2)] == [Rejection, Applied], "of the same state as before"
        assert "quoted-in-it" not in caplog.text


async def test_a_mishap_in_a_reload_ends_nothing(
    clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody has thought of, once, in the middle of everything."""
    before, mishaps = transaction.apply, [OSError("no room left for quoted-in-it")]

    async def apply(*arguments: Any) -> Any:
        if mishaps:
            raise mishaps.pop()
        return await before(*arguments)

    monkeypatch.setattr(reloader, "apply", apply)
    async with running(clock, "SECRET_KEY = 'quoted-in-it'") as (live, fake):
        await fake.say("SECRET_KEY = 'quoted-in-it'\nB = 1")
        assert str(live.status.last_error) == "hotsettings: OSError: no room left for ********"
        assert "making new settings live failed" in caplog.text
        await fake.pass_time(1.1)
        assert (live.current.B, live.status.healthy, live.snapshot.generation) == (1, True, 2)
        await fake.say("SECRET_KEY = 'quoted-in-it'\nB = 2")
        assert live.current.B == 2
        assert "quoted-in-it" not in caplog.text


async def test_waiting_for_a_restart(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    async with running(clock, "WORKERS = 4") as (live, fake):
        events = Events(live)
        await fake.say("WORKERS = 8")
        assert live.current.WORKERS == 4
        assert live.status.pending_restart == {"WORKERS"}
        assert live.status.healthy
        assert caplog.text.count("waiting for a restart: WORKERS") == 1
        await fake.say("WORKERS = 8\nA = 1")
        assert (live.current.WORKERS, live.current.A) == (4, 1)
        assert "live until the restart" in str(live.explain("WORKERS"))
        await fake.say("WORKERS = 4\nA = 1")
        assert live.status.pending_restart == frozenset()
        assert [event.pending_restart for event in events()] == [{"WORKERS"}, {"WORKERS"}, frozenset()]
        assert caplog.text.count("waiting for a restart") == 1


async def test_status_of_the_layers(clock: Clock) -> None:
    async with running(clock) as (live, fake):

        def state() -> tuple[str, bool]:
            status = live.status
            [layer] = status.layers
            assert (layer.name, layer.file) == ("base", "config.toml")
            return layer.state, status.healthy

        assert state() == ("read", True)
        fake.state = "missing"
        assert state() == ("missing", True)
        not_well: LayerState
        for not_well in ("stale", "offline", "copy"):
            fake.state = not_well
            assert state() == (not_well, False)


async def test_mounts_of_single_files_are_told_of(
    clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reloader, "single_file_mounts", lambda targets: targets)
    async with running(clock):
        pass
    assert "/config.toml is a mount of a single file" in caplog.text
    assert "mount the folder instead" in caplog.text
