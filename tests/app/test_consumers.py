"""A worker's consumer follows the settings, and no message is lost or handled twice on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import pytest
from aiokafka.errors import KafkaConnectionError
from support.kafka_worker import Files, Recorder, committed, eventually, numbered, produce, running

from hotsettings import Rejected
from hotsettings.testing import Workspace
from integr8scode import consuming
from integr8scode.consumers import membership
from integr8scode.retries import Message, Retries
from integr8scode.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def files(settings_workspace: Workspace, kafka: str, unique: str) -> Files:
    return Files(settings_workspace, kafka, unique)


@pytest.fixture
def topic(unique: str) -> str:
    return f"{unique}execution-events"


async def test_a_new_member_goes_on_where_the_old_one_was(
    settings_workspace: Workspace, brokers: str, unique: str, topic: str
) -> None:
    files = Files(settings_workspace, brokers, unique)
    handle = Recorder()
    async with running(files, handle) as worker:
        first = worker.members.current
        await produce(brokers, topic, numbered(0, 50))
        await handle.until_handled(numbered(0, 50))

        files.edit(KAFKA_SESSION_TIMEOUT_MS=4100)
        await worker.live.reload()
        assert worker.members.current is not first
        await produce(brokers, topic, numbered(50, 100))
        await handle.until_handled(numbered(50, 100))
    assert set(handle.values.values()) == {1}
    assert await committed(brokers, f"{unique}group", topic) == 100


async def test_the_poll_size_needs_no_new_member(files: Files, kafka: str, topic: str) -> None:
    sizes: list[int] = []

    async def count(message: Message) -> None:
        sizes.append(len(batch_at_hand()))

    handle = Recorder(count)
    await produce(kafka, topic, numbered(0, 40))
    files.edit(KAFKA_MAX_POLL_RECORDS=3)
    async with running(files, handle) as worker:
        first = worker.members.current
        assert first is not None

        def batch_at_hand() -> list[object]:
            assert first._batch is not None
            return [record for _, records in first._batch for record in records]

        await handle.until_handled(numbered(0, 40))
        assert max(sizes) <= 3
        files.edit(KAFKA_MAX_POLL_RECORDS=30)
        await worker.live.reload()
        sizes.clear()
        await produce(kafka, topic, numbered(40, 400))
        await handle.until_handled(numbered(40, 400))
        assert 3 < max(sizes) <= 30
        assert worker.members.current is first


async def test_event_streaming_is_switched_off_and_on(files: Files, kafka: str, topic: str) -> None:
    handle = Recorder()
    async with running(files, handle) as worker:
        await produce(kafka, topic, numbered(0, 10))
        await handle.until_handled(numbered(0, 10))
        files.edit(ENABLE_EVENT_STREAMING=False)
        await worker.live.reload()
        assert worker.members.current is None
        await produce(kafka, topic, numbered(10, 20))
        with anyio.fail_after(10):
            await worker.live.wait_applied()
        assert len(handle.messages) == 10
        files.edit(ENABLE_EVENT_STREAMING=True)
        await worker.live.reload()
        await handle.until_handled(numbered(10, 20))
    assert set(handle.values.values()) == {1}


async def test_brokers_that_do_not_answer_are_refused_before_anything_is_touched(
    files: Files, kafka: str, topic: str
) -> None:
    handle = Recorder()
    async with running(files, handle) as worker:
        first = worker.members.current
        files.edit(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")  # where nobody listens
        with pytest.raises(Rejected, match="bootstrap"):
            await worker.live.reload()
        assert worker.members.current is first
        await produce(kafka, topic, numbered(0, 10))
        await handle.until_handled(numbered(0, 10))
        files.edit(KAFKA_BOOTSTRAP_SERVERS=kafka)
        await worker.live.reload()
        assert worker.live.status.healthy
        assert worker.members.current is first


async def test_the_consumer_asks_new_brokers_itself_before_it_leaves_the_old_ones(files: Files) -> None:
    """The producer, which would be built first and fail, is not there."""
    async with Settings.watch(**files.workspace.paths) as live, membership(live, "events") as members:
        first = members.current
        files.edit(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
        with pytest.raises(Rejected, match="bootstrap"):
            await live.reload()
        assert members.current is first


async def test_what_the_broker_refuses_is_rejected_and_the_old_member_joins_again(
    files: Files, kafka: str, topic: str
) -> None:
    handle = Recorder()
    async with running(files, handle) as worker:
        await produce(kafka, topic, numbered(0, 10))
        await handle.until_handled(numbered(0, 10))
        files.edit(KAFKA_SESSION_TIMEOUT_MS=2_000_000_000)
        with pytest.raises(Rejected, match="InvalidSessionTimeout"):
            await worker.live.reload()
        assert worker.live.current.KAFKA_SESSION_TIMEOUT_MS == 4000
        await produce(kafka, topic, numbered(10, 20))
        await handle.until_handled(numbered(10, 20))
    assert set(handle.values.values()) == {1}


@pytest.mark.parametrize("reset", ["latest", "earliest"])
async def test_nothing_that_arrives_between_two_members_is_skipped(
    files: Files, kafka: str, topic: str, reset: str
) -> None:
    files.edit(KAFKA_AUTO_OFFSET_RESET=reset)
    await produce(kafka, topic, [b"before"])
    handle = Recorder()
    async with running(files, handle) as worker:
        files.edit(ENABLE_EVENT_STREAMING=False)
        await worker.live.reload()
        await produce(kafka, topic, numbered(0, 20))
        files.edit(ENABLE_EVENT_STREAMING=True)
        await worker.live.reload()
        await handle.until_handled(numbered(0, 20))
    assert set(handle.values.values()) == {1}
    assert (b"before" in handle.values) is (reset == "earliest")


async def test_another_process_that_joins_waits_for_the_batch(
    settings_workspace: Workspace, files: Files, kafka: str, topic: str
) -> None:
    """Both are of one group: the second is here a second worker of this process."""
    await produce(kafka, topic, numbered(0, 400))
    slow = Recorder(paced(0.003))
    other = Recorder()
    async with running(files, slow):
        await slow.until(lambda handle: len(handle.messages) > 20)
        async with running(files, other):
            await produce(kafka, topic, numbered(400, 600))

            async def all_handled() -> bool:
                return set(numbered(0, 600)) <= slow.values.keys() | other.values.keys()

            await eventually(all_handled)
    assert set((slow.values + other.values).values()) == {1}
    assert other.messages


async def test_whoever_is_told_to_stop_finishes_and_commits_its_batch(
    files: Files, kafka: str, unique: str, topic: str
) -> None:
    await produce(kafka, topic, numbered(0, 30))
    handle = Recorder(paced(0.01))
    async with running(files, handle):
        await handle.until(lambda handle: len(handle.messages) > 3)
    assert await committed(kafka, f"{unique}group", topic) == len(handle.messages)


async def test_with_automatic_commits_an_orderly_replacement_doubles_nothing_either(
    files: Files, kafka: str, topic: str
) -> None:
    files.edit(KAFKA_ENABLE_AUTO_COMMIT=True)
    await produce(kafka, topic, numbered(0, 300))
    handle = Recorder(paced(0.001))
    async with running(files, handle) as worker:
        for number in range(3):
            await handle.until(partial(more_than, 40 * (number + 1)))
            files.edit(KAFKA_SESSION_TIMEOUT_MS=4100 + number, KAFKA_MAX_POLL_RECORDS=20)
            await worker.live.reload()
        await handle.until_handled(numbered(0, 300))
    assert set(handle.values.values()) == {1}


async def test_a_batch_that_takes_too_long_is_committed_in_parts(
    files: Files, kafka: str, unique: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "LONGEST_BATCH", 0.0)
    await produce(kafka, topic, numbered(0, 6))
    handle = Recorder(paced(0.001))
    async with running(files, handle):
        await handle.until_handled(numbered(0, 6))
    assert set(handle.values.values()) == {1}
    assert await committed(kafka, f"{unique}group", topic) == 6


async def test_what_could_neither_be_handled_nor_put_off_comes_again(
    files: Files, kafka: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "TRY_AGAIN", 0.0)
    outages = [KafkaConnectionError("no broker takes it")]

    async def fail_at_first(message: Message) -> None:
        if message.value == b"5" and outages:
            raise ValueError

    async def put_off(self: Retries, message: Message, error: Exception) -> None:
        raise outages.pop()

    monkeypatch.setattr(Retries, "failed", put_off)
    await produce(kafka, topic, numbered(0, 10))
    handle = Recorder(fail_at_first)
    async with running(files, handle):
        await handle.until(lambda handle: handle.values[b"5"] == 2)
        await handle.until_handled(numbered(0, 10))
    assert handle.values - Counter(numbered(0, 10)) == Counter([b"5"])


def more_than(count: int, handle: Recorder) -> bool:
    return len(handle.messages) > count


def paced(seconds: float) -> Callable[[Message], Awaitable[None]]:
    async def wait(_: Message) -> None:
        await anyio.sleep(seconds)

    return wait
