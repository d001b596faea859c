"""What fails by itself is tried again with growing pauses, and told twice at most for each attempt."""

from __future__ import annotations

import itertools
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
import pytest
from hypothesis import given as cases
from hypothesis import strategies as st
from support.live import Ledger, given, idle, until

from hotsettings import ResourceDown
from hotsettings._concurrency import backoff
from hotsettings._concurrency.backoff import Backoff
from hotsettings._live.resource import Instance
from hotsettings.testing import live


def test_it_doubles_up_to_the_longest() -> None:
    delays = Backoff()
    assert [delays.next() for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    delays.reset()
    assert delays.next() == 1


def test_its_first_and_longest_delay_can_be_chosen() -> None:
    delays = Backoff(0.5, 3.0)
    assert [delays.next() for _ in range(5)] == [0.5, 1, 2, 3, 3]


def test_with_jitter_it_waits_for_a_part_of_each_delay() -> None:
    """The delays themselves double in any case."""
    delays = Backoff(1.0, 8.0, jitter=True)
    parts = [delays.next() / delays.delay for _ in range(200)]
    assert delays.delay == 8.0
    assert all(0 <= part < 1 for part in parts)
    assert min(parts) < 0.2 < 0.8 < max(parts), "it spreads over all of it"


@cases(st.lists(st.floats(0, 200)))
def test_it_begins_anew_only_after_what_has_worked_for_as_long_as_the_last_delay(worked: list[float]) -> None:
    delays, last = Backoff(), 0.0
    for seconds in worked:
        delay = delays.next(seconds)
        if seconds >= 60:
            assert delay == 0
        elif seconds >= last:
            assert delay == 1
        else:
            assert delay == min(2 * last, 60)
        last = delay


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["overlap", "exclusive"])
@pytest.mark.parametrize("how", ["raises", "ends", "raises at once"])
@pytest.mark.async_only
async def test_one_that_dies_as_soon_as_it_stands(
    kind: Literal["overlap", "exclusive"], how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.02)
    monkeypatch.setattr(Instance, "seconds_open", 0.0)  # on a busy machine it is some milliseconds
    caplog.set_level(logging.DEBUG)
    built: list[float] = []
    dies = False

    @asynccontextmanager
    async def build(_: Any) -> AsyncIterator[None]:
        built.append(anyio.current_time())
        async with anyio.create_task_group() as tasks:
            if dies and how == "raises":
                tasks.start_soon(fail)
            elif dies:
                tasks.cancel_scope.cancel()
            yield
            if dies and how == "raises at once":
                raise ConnectionError

    async def fail() -> None:
        raise ConnectionError

    async with live(given()) as held, held.resource(build, "A", replace=kind) as resource:
        dies = True
        assert resource.instance is not None
        resource.instance._scope.cancel()
        await until(lambda: len(built) >= 6)  # that first one, and five attempts
        pauses = [later - earlier for earlier, later in itertools.pairwise(built[1:])]
        assert all(pause >= 0.035 * 2**number for number, pause in enumerate(pauses)), pauses
        assert not held.status.healthy or resource.instance is not None
        records = [record for record in caplog.records if record.name == "hotsettings"]
        assert len(records) <= 2 * len(built)
        dies = False
        await until(lambda: len(built) == 7)
        await until(lambda: held.status.healthy)
        caplog.clear()
        await anyio.sleep(0.1)
        assert len(built) == 7


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["overlap", "exclusive"])
@pytest.mark.async_only
async def test_one_that_cannot_be_built_again(
    kind: Literal["overlap", "exclusive"], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.02)
    ledger, tried = Ledger(), list[float]()

    def fail(_: Any) -> Exception | None:
        tried.append(anyio.current_time())
        return ConnectionError("away") if len(tried) < 5 else None

    async with live(given()) as held, held.resource(ledger.build, "A", replace=kind) as resource:
        ledger.fail = fail
        resource.current.broken.set()
        await until(lambda: ledger.opened == 2)
        pauses = [later - earlier for earlier, later in itertools.pairwise(tried)]
        assert all(pause >= 0.035 * 2**number for number, pause in enumerate(pauses)), pauses
        await until(lambda: held.status.healthy)
        assert [record.levelname for record in caplog.records] == ["ERROR"] + ["WARNING"] * 4


@pytest.mark.anyio
@pytest.mark.async_only
async def test_one_that_has_stood_for_long_is_rebuilt_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 3600.0)
    monkeypatch.setattr(backoff, "LONGEST", 0.05)
    built = 0

    @asynccontextmanager
    async def build(_: Any) -> AsyncIterator[None]:
        nonlocal built
        built += 1
        yield

    async with live(given()) as held, held.resource(build, "A") as resource:
        await anyio.sleep(0.06)
        assert resource.instance is not None
        resource.instance._scope.cancel()
        await until(lambda: built == 2)
        await until(lambda: held.status.healthy)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("stands", "said"), [(True, "ended as soon as it was built"), (False, "the watching has ended")]
)
@pytest.mark.async_only
async def test_one_that_has_ended_before_anybody_could_use_it(stands: bool, said: str) -> None:
    """Whether its task or the one that waits for it runs first is up to the event loop."""

    @asynccontextmanager
    async def build(_: Any) -> AsyncIterator[None]:
        if not stands:
            await anyio.sleep_forever()
        async with anyio.create_task_group() as tasks:
            tasks.cancel_scope.cancel()
            yield

    instance: Instance[None] = Instance()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(instance.host, build, None, lambda *_: None)
        await idle()
        instance._scope.cancel()
        await instance.wait_until_ended()
        with pytest.raises(ResourceDown, match=said):
            await instance.built(0.0)
