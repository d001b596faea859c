"""Nothing that the code of others raises or returns ends a blocking watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import anyio
import pytest
from support.examples import some_of
from support.hostile_exceptions import Refusal, hostile
from support.live import Settings
from support.threads import soon

from hotsettings import BlockingLive, Rejected
from hotsettings._concurrency import backoff
from hotsettings._concurrency.worker_thread import Workers
from hotsettings._log import logger

Live = BlockingLive[Settings]
Edit = Callable[..., Any]
Kind = Literal["overlap", "exclusive"]


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.001)
    monkeypatch.setattr(backoff, "LONGEST", 0.002)


@pytest.fixture
def edit(live: Live, edit: Edit) -> Iterator[Edit]:
    """What a callback raises beyond Exception is raised at the end, which has tests of its own."""
    yield edit
    try:
        live.stop()
    except BaseException:
        pass


class Attack:
    """Raises what the test says, or returns what raises it wherever it is asked."""

    def __init__(self, way: str) -> None:
        self.error: BaseException | None = None
        self.way = way
        self.called = 0

    def __call__(self, _: object = None) -> Any:
        error = self.error
        if error is None:
            return None
        self.called += 1
        if self.way == "raises":
            raise error

        def fail(*_: object) -> Any:
            raise error

        return type("Returned", (), {"__await__": fail, "__class__": property(fail), "__bool__": fail})()


def works(live: Live, edit: Edit, number: int) -> None:
    seen: list[int] = []
    handle = live.on_change(lambda change: seen.append(change.new.A))
    changes = live.changes("A", timeout=20)
    edit(A=number)
    assert number == next(changes).new.A
    changes.close()
    live.wait_applied(timeout=20)
    handle.cancel()
    assert seen == [number]
    assert live.status.healthy


@pytest.mark.parametrize("way", ["raises", "returns"])
def test_callbacks(live: Live, edit: Edit, way: str) -> None:
    attack = Attack(way)
    handle = live.on_change(attack, "B")
    number = 0
    for number, (_, attack.error) in enumerate(some_of(hostile()), 1):
        edit(B=number)
        live.wait_applied(timeout=20)
        assert attack.called == number
    assert handle.failures == number
    attack.error = None
    works(live, edit, 2)


@pytest.mark.parametrize("way", ["raises", "returns"])
def test_hooks(live: Live, edit: Edit, way: str) -> None:
    attack = Attack(way)
    handle = live.prepare(attack, "B")
    for number, (name, attack.error) in enumerate(some_of(hostile()), 1):
        before = attack.called
        with pytest.raises(Rejected):
            edit(B=number)
        assert attack.called > before, name
    attack.error = None
    soon(lambda: live.status.healthy)
    handle.cancel()
    works(live, edit, 2)


class Built:
    def __init__(self, enter: Attack, leave: Attack) -> None:
        self.enter, self.leave = enter, leave

    def __enter__(self) -> int:
        self.enter()
        return 1

    def __exit__(self, *_: object) -> None:
        self.leave()


@pytest.mark.parametrize("kind", ["overlap", "exclusive"])
@pytest.mark.parametrize("where", ["call", "enter", "leave", "what is called"])
def test_builds(live: Live, edit: Edit, kind: Kind, where: str) -> None:
    attacks = {each: Attack("raises") for each in ("call", "enter", "leave", "what is called")}
    attacks["what is called"].way = "returns"
    attack = attacks[where]

    def build(settings: Settings) -> Any:
        attacks["call"]()
        if (lie := attacks["what is called"]()) is not None:
            return lie
        return Built(attacks["enter"], attacks["leave"])

    with live.resource(build, "B", replace=kind) as resource:
        for number, (name, error) in enumerate(some_of(hostile()), 1):
            attack.error = error
            before = attack.called
            if where == "leave":
                edit(B=number)
            else:
                with pytest.raises(Rejected):
                    edit(B=number)
            soon(lambda before=before: attack.called > before)  # type: ignore[misc]
            attack.error = None
            soon(lambda: live.status.healthy)
            assert resource.current == 1, name
    live.wait_applied(timeout=20)
    works(live, edit, 2)


def test_first_builds(live: Live, edit: Edit) -> None:
    for name, error in some_of(hostile()):

        def build(settings: Settings, error: BaseException = error) -> Any:
            raise error

        raised: BaseException | None = None
        try:
            with live.resource(build):
                pytest.fail("it stands")
        except BaseException as caught:
            raised = caught
        assert raised is error or issubclass(type(raised), Refusal | RuntimeError), name
    assert live.statistics().resources == 0
    logger.info("all of them")
    works(live, edit, 2)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancellation_that_is_raised_in_a_thread_cancels_nothing(backend: str) -> None:
    """Where the call is cancelled at the same moment, nobody could tell it from that."""

    async def run() -> None:
        workers = Workers("of a test", 1, 1.0)
        error = anyio.get_cancelled_exc_class()
        cancellation: Any = error._create() if backend == "trio" else error()  # type: ignore[attr-defined]

        def raises() -> None:
            raise cancellation

        with pytest.raises(RuntimeError, match="something that it waited for was cancelled"):
            await workers.run(raises)
        workers.close()

    anyio.run(run, backend=backend)
