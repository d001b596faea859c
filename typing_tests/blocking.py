"""What type checkers know of the two faces of a watch. Never run, like the rest of this folder."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import assert_type

from hotsettings import Applied, BaseSettings, BlockingLive, BlockingResource, Change, Live, Rejection, Statistics
from hotsettings._live.blocking.live import BlockingHandle


class Settings(BaseSettings):
    A: int = 0


async def with_an_event_loop() -> None:
    async with Settings.watch() as live:
        assert_type(live, Live[Settings])
        assert_type(live.current.A, int)
        async for change in live.changes():
            assert_type(change, Change[Settings])
        assert_type(await live.reload(), Change[Settings] | None)


def without_one() -> None:
    with Settings.watch() as live:
        assert_type(live, BlockingLive[Settings])
        assert_type(live.current, Settings)
        assert_type(live.current.A, int)
        for change in live.changes("A", timeout=5.0):
            assert_type(change, Change[Settings])
            assert_type(change.new.A, int)
        assert_type(next(live.changes()), Change[Settings])
        assert_type(next(live.events()), Applied | Rejection)
        assert_type(live.reload(timeout=1.0), Change[Settings] | None)
        assert_type(live.snapshot.settings.A, int)
        assert_type(live.statistics(), Statistics)


def for_the_life_of_the_process() -> None:
    live = Settings.watch(follow_forks=False).start()
    assert_type(live, BlockingLive[Settings])
    live.wait_applied(2, timeout=1.0)
    live.stop()


@contextmanager
def build(settings: Settings) -> Generator[str]:
    yield "one"


class Pool:
    def __init__(self, settings: Settings) -> None: ...
    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None: ...


def resources(live: BlockingLive[Settings]) -> None:
    with live.resource(build, "A", replace="exclusive") as resource, resource.lease() as leased:
        assert_type(resource, BlockingResource[str])
        assert_type(leased, str)
        assert_type(resource.current, str)


def after(change: Change[Settings]) -> None: ...


async def coroutine(change: Change[Settings]) -> None: ...


def functions(live: BlockingLive[Settings]) -> None:
    assert_type(live.on_change(after, "A"), BlockingHandle)
    assert_type(live.on_change(lambda change: change.new.A), BlockingHandle)
    assert_type(live.prepare(after), BlockingHandle)

    @live.on_change("A")
    def decorated(change: Change[Settings]) -> int:
        return change.new.A

    @live.prepare()
    def hook(change: Change[Settings]) -> None: ...

    assert_type(decorated(Change(live.current, live.current, frozenset(), 1)), int)
    hook(Change(live.current, live.current, frozenset(), 1))


def mistakes(live: BlockingLive[Settings]) -> None:
    print(live.current.B)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    live.prepare(coroutine)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    live.stop(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def the_other_face(live: BlockingLive[Settings], other: Live[Settings]) -> None:
    async for _ in live.changes():  # pyright: ignore[reportGeneralTypeIssues]
        pass
    await live.reload()  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    for _ in other.changes():  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    other.stop()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    await Settings.watch()
