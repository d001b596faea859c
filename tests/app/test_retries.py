"""Messages that fail are tried again, later and later, and end as dead letters; the settings of that are live."""

from __future__ import annotations

import logging

import msgspec
import pytest
from support.kafka_worker import Files, Recorder, committed, eventually, numbered, produce, read_all, running, written

from hotsettings.testing import Workspace
from integr8scode.handlers import on_events
from integr8scode.retries import Message, count, delay, place_of
from integr8scode.settings import Settings
from integr8scode.topics import dead_letters_topic

HOUR = 3600.0


@pytest.fixture
def files(settings_workspace: Workspace, kafka: str, unique: str) -> Files:
    files = Files(settings_workspace, kafka, unique)
    files.edit(DLQ_RETRY_BASE_DELAY_SECONDS=0.01, DLQ_RETRY_MAX_ATTEMPTS=3)
    return files


@pytest.fixture
def topic(unique: str) -> str:
    return f"{unique}execution-events"


async def fail(message: Message) -> None:
    if message.value == b"bad":
        raise ValueError(f"password-in-the-text of {message.value!r}")


async def fail_twice(message: Message) -> None:
    if message.retry < 2:
        raise ValueError(message.value)


@pytest.mark.anyio
async def test_it_is_tried_again_until_it_succeeds(
    settings_workspace: Workspace, brokers: str, unique: str, topic: str
) -> None:
    files = Files(settings_workspace, brokers, unique)
    files.edit(DLQ_RETRY_BASE_DELAY_SECONDS=0.01)
    handle = Recorder(fail_twice)
    async with running(files, handle):
        await produce(brokers, topic, [b"message"])
        await handle.until(lambda handle: len(handle.messages) == 3)
    assert [message.retry for message in handle.messages] == [0, 1, 2]
    [origin] = {message.origin for message in handle.messages}
    assert origin.startswith(f"{topic}/")
    assert await committed(brokers, f"{unique}group", f"{unique}{unique}group-retries") == 2


@pytest.mark.anyio
async def test_the_others_do_not_wait_and_the_bad_one_ends_as_a_dead_letter(
    files: Files, kafka: str, unique: str, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "integr8scode")
    handle = Recorder(fail)
    async with running(files, handle):
        await produce(kafka, topic, [b"bad", *numbered(0, 20)])
        await handle.until_handled(numbered(0, 20))
        [letter] = await read_all(kafka, f"{unique}dead-letters", 1)
    headers = {key: value.decode() for key, value in letter.headers}
    assert letter.value == b"bad"
    assert headers["retry"] == "3"
    assert headers["origin"].startswith(f"{topic}/")
    assert headers["group"] == f"{unique}group"
    assert headers["error"].startswith("ValueError at fail:")
    assert handle.values[b"bad"] == 4  # the first attempt, and three retries
    assert "password-in-the-text" not in caplog.text


@pytest.mark.anyio
async def test_fewer_attempts_take_effect_on_what_waits_already(
    files: Files, kafka: str, unique: str, topic: str
) -> None:
    files.edit(DLQ_RETRY_BASE_DELAY_SECONDS=HOUR, DLQ_RETRY_MAX_DELAY_SECONDS=HOUR)
    handle = Recorder(fail)
    async with running(files, handle) as worker:
        await produce(kafka, topic, [b"bad"])
        await handle.until_handled([b"bad"])
        files.edit(DLQ_RETRY_MAX_ATTEMPTS=0)
        await worker.live.reload()
        [letter] = await read_all(kafka, f"{unique}dead-letters", 1)
    assert letter.value == b"bad"
    assert len(handle.messages) == 1


@pytest.mark.anyio
async def test_a_shorter_delay_takes_effect_on_what_waits_already(files: Files, kafka: str, topic: str) -> None:
    files.edit(DLQ_RETRY_BASE_DELAY_SECONDS=HOUR, DLQ_RETRY_MAX_DELAY_SECONDS=HOUR)
    handle = Recorder(fail_twice)
    async with running(files, handle) as worker:
        await produce(kafka, topic, [b"message"])
        await handle.until_handled([b"message"])
        files.edit(DLQ_RETRY_BASE_DELAY_SECONDS=0.0)
        await worker.live.reload()
        await handle.until(lambda handle: len(handle.messages) == 3)


@pytest.mark.anyio
@pytest.mark.parametrize("reset", ["earliest", "latest"])
async def test_what_waits_is_still_there_for_a_new_member(files: Files, kafka: str, topic: str, reset: str) -> None:
    """With "latest" too, which would skip what nobody of the group has committed anything of."""
    files.edit(DLQ_RETRY_BASE_DELAY_SECONDS=HOUR, DLQ_RETRY_MAX_DELAY_SECONDS=HOUR, KAFKA_AUTO_OFFSET_RESET=reset)
    handle = Recorder(fail_twice)
    async with running(files, handle) as worker:
        await produce(kafka, topic, [b"message"])
        await handle.until_handled([b"message"])
        files.edit(DLQ_RETRY_BASE_DELAY_SECONDS=0.0, KAFKA_SESSION_TIMEOUT_MS=4100)
        await worker.live.reload()
        await handle.until(lambda handle: len(handle.messages) == 3)


def past(retry: int) -> list[tuple[str, bytes]]:
    """The headers of a message that another group has given up."""
    texts = {"retry": str(retry), "origin": "elsewhere/0/7", "error": "ValueError at there:1", "group": "another"}
    return [(name, text.encode()) for name, text in texts.items()]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_headers_from_outside_decide_nothing(
    settings_workspace: Workspace, brokers: str, unique: str, topic: str
) -> None:
    files = Files(settings_workspace, brokers, unique)
    handle = Recorder()
    async with running(files, handle):
        await produce(brokers, topic, [b"event"], past(9))
        await handle.until_handled([b"event"])
    [message] = handle.messages
    assert message.origin.startswith(f"{topic}/")
    assert message[3:] == (0, "", "", None)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_fewer_attempts_do_not_multiply_dead_letters(
    settings_workspace: Workspace, brokers: str, unique: str
) -> None:
    files, letters = Files(settings_workspace, brokers, unique), f"{unique}dead-letters"
    files.edit(DLQ_RETRY_MAX_ATTEMPTS=0)
    handle = Recorder()

    async def all_committed() -> bool:
        return await committed(brokers, f"{unique}group", letters) >= 20

    async with running(files, handle, dead_letters_topic):
        await produce(brokers, letters, numbered(0, 20), past(5))
        await handle.until_handled(numbered(0, 20))
        await eventually(all_committed)
    assert await written(brokers, letters) == 20
    assert set(handle.values.values()) == {1}
    assert {message[2:] for message in handle.messages} == {("elsewhere/0/7", 0, "ValueError at there:1", "another", 5)}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("lowered", [False, True])
async def test_a_dead_letter_that_cannot_be_handled_is_no_dead_letter_again(
    files: Files, kafka: str, unique: str, lowered: bool, caplog: pytest.LogCaptureFixture
) -> None:
    letters = f"{unique}dead-letters"
    files.edit(DLQ_RETRY_BASE_DELAY_SECONDS=HOUR if lowered else 0.01, DLQ_RETRY_MAX_ATTEMPTS=2)
    handle = Recorder(fail)

    async def left() -> bool:
        return "is left as it is" in caplog.text

    async with running(files, handle, dead_letters_topic) as worker:
        await produce(kafka, letters, [b"bad"], past(5))
        await handle.until_handled([b"bad"])
        if lowered:  # while it waits for its first retry
            files.edit(DLQ_RETRY_MAX_ATTEMPTS=0)
            await worker.live.reload()
        await eventually(left)
    assert await written(kafka, letters) == 1
    assert [message.retry for message in handle.messages] == ([0] if lowered else [0, 1, 2])
    assert {message._replace(retry=0) for message in handle.messages} == {handle.messages[0]}
    assert handle.messages[0].died_after == 5


@pytest.mark.parametrize("text", [None, "", "-1", "1.0", "nine", "\u0663", "9" * 5000, "0" * 5000])
def test_what_is_no_number_of_retries_counts_as_none(text: str | None) -> None:
    assert count(text) == 0
    assert count("12") == 12


def test_each_delay_is_twice_the_last_one_up_to_the_longest() -> None:
    settings = Settings.from_values(
        SECRET_KEY="k" * 32, DLQ_RETRY_BASE_DELAY_SECONDS=60.0, DLQ_RETRY_MAX_DELAY_SECONDS=300.0
    )
    assert [delay(settings, retry) for retry in (1, 2, 3, 4, 5_000)] == [60.0, 120.0, 240.0, 300.0, 300.0]


def test_an_error_is_told_by_its_type_and_place_alone() -> None:
    with pytest.raises(ValueError, match="password") as raised:
        raise ValueError("mongodb://user:password@host")
    assert place_of(raised.value).startswith("ValueError at test_an_error_is_told")
    assert "password" not in place_of(raised.value)


@pytest.mark.anyio
async def test_what_is_no_event_fails() -> None:
    handle = on_events("execution.")
    await handle(Message(None, b'{"execution_id": "e", "kind": "execution.requested"}', "t/0/0", 0, "", ""))
    with pytest.raises(msgspec.DecodeError):
        await handle(Message(None, b'{"kind": 1}', "t/0/0", 0, "", ""))
    with pytest.raises(msgspec.DecodeError):
        await handle(Message(None, None, "t/0/0", 0, "", ""))
