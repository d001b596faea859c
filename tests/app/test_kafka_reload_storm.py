"""Many messages through a real Kafka while the settings change all the time, and while workers are killed.

The sizes can be set: KAFKA_STORM_MESSAGES, KAFKA_STORM_FLIPS.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from time import monotonic, perf_counter, sleep

import anyio
import pytest
from support import TESTS
from support.integr8scode_files import write_files
from support.kafka_worker import PATIENCE, Files, committed, eventually, numbered, produce, running

from hotsettings import Applied, Live, Rejection
from hotsettings.testing import Workspace
from integr8scode.fanout import Fanout
from integr8scode.retries import Message
from integr8scode.settings import Settings
from integr8scode.streams import event_streams

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

MESSAGES = int(os.environ.get("KAFKA_STORM_MESSAGES", "20000"))
FLIPS = int(os.environ.get("KAFKA_STORM_FLIPS", "50"))
LONGEST = 240.0


class Handled:
    """Counts each message, and when it came."""

    def __init__(self) -> None:
        self.count: Counter[bytes | None] = Counter()
        self.times: list[float] = []

    async def __call__(self, message: Message) -> None:
        await anyio.sleep(0.001)
        self.count[message.value] += 1
        self.times.append(perf_counter())

    async def until(self, number: int) -> None:
        async def so_many() -> bool:
            return len(self.times) >= number

        await eventually(so_many)


def flip(files: Files, number: int) -> None:
    """Edit the files: every kind of change in turn, and every fifth one is bad."""
    match number % 5:
        case 0 | 3:
            files.edit(KAFKA_SESSION_TIMEOUT_MS=10_000 + number)
        case 1:
            files.edit(KAFKA_MAX_POLL_RECORDS=100 + 10 * number)
        case 2:
            files.edit(SSE_CONSUMER_POOL_SIZE=1 + number % 4)
        case _:
            files.workspace.write(files.values | {"KAFKA_MAX_POLL_RECORDS": "many"})


async def outcome(live: Live[Settings], files: Files, number: int) -> Applied | Rejection:
    """Flip, and wait until the files have been judged."""
    events = live.events()
    flip(files, number)
    with anyio.fail_after(PATIENCE):
        event = await anext(events)
    await events.aclose()
    return event


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])
async def test_all_are_handled_once_while_the_settings_flip(
    settings_workspace: Workspace, kafka: str, unique: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(settings_workspace, kafka, unique)
    handle, fanout = Handled(), Fanout(kept=MESSAGES)
    windows: list[tuple[float, float]] = []
    rejected = 0
    with anyio.fail_after(LONGEST):
        async with running(files, handle) as worker, event_streams(worker.live, fanout):
            await produce(kafka, f"{unique}execution-events", numbered(0, MESSAGES))
            for number in range(FLIPS):
                await handle.until(MESSAGES * number // (FLIPS + 1))
                member, began = worker.members.current, perf_counter()
                event = await outcome(worker.live, files, number)
                rejected += isinstance(event, Rejection)
                assert isinstance(event, Rejection) is (number % 5 == 4)
                if worker.members.current is not member:
                    windows.append((began, perf_counter()))
            assert len(handle.times) < MESSAGES, "all were handled before all edits were made: nothing was tested"
            await handle.until(MESSAGES)

            async def all_published() -> bool:
                return fanout.published == MESSAGES

            await eventually(all_published)
    assert handle.count == Counter(numbered(0, MESSAGES))
    assert len(windows) == sum(number % 5 in (0, 3) for number in range(FLIPS))
    assert await committed(kafka, f"{unique}group", f"{unique}execution-events") == MESSAGES

    pauses = sorted(longest_gap(handle.times, began, ended) for began, ended in windows)
    figures = {
        "messages": MESSAGES,
        "flips": FLIPS,
        "rejected": rejected,
        "rebuilds": len(pauses),
        "seconds": round(handle.times[-1] - handle.times[0], 1),
        "pause_ms": {
            "p50": round(1000 * pauses[len(pauses) // 2], 1),
            "p99": round(1000 * pauses[min(len(pauses) - 1, len(pauses) * 99 // 100)], 1),
            "max": round(1000 * pauses[-1], 1),
        },
    }
    with capsys.disabled():
        print(f"\nkafka reload storm: {json.dumps(figures)}")


def longest_gap(times: list[float], began: float, ended: float) -> float:
    """The longest time without a message that overlaps this window."""
    return max(after - before for before, after in pairwise(times) if after > began and before < ended)


def test_what_was_committed_survives_kill_9(tmp_path: Path, kafka: str, unique: str) -> None:
    """Everything is handled at least once, and what had been committed before the kill is not handled again."""
    count, topic, group = 2000, f"{unique}execution-events", f"{unique}group"
    write_files(tmp_path, kafka, unique, KAFKA_MAX_POLL_RECORDS="50", KAFKA_SESSION_TIMEOUT_MS="3000")
    override = tmp_path / "config.coordinator.toml"
    override.write_text(f'KAFKA_CONSUMER_GROUP_ID = "{group}"\n')
    anyio.run(produce, kafka, topic, numbered(0, count))
    handled = tmp_path / "handled"
    handled.touch()

    kept: set[bytes] = set()
    for kill_at in (count // 4, count // 2, None):
        with subprocess.Popen(
            [sys.executable, str(TESTS / "support/slow_worker.py"), str(tmp_path), "0.001", str(handled)]
        ) as process:
            try:
                wait_for_lines(handled, kill_at, set(numbered(0, count)), process)
                process.send_signal(signal.SIGKILL if kill_at is not None else signal.SIGTERM)
                status = process.wait(PATIENCE)
            finally:
                process.kill()
        lines = handled.read_bytes().split()
        if kill_at is not None:
            assert status == -signal.SIGKILL
            assert kill_at <= len(lines) < count, "it was not killed in the middle"
            done = anyio.run(committed, kafka, group, topic)
            assert 0 < done <= len(lines)
            # A partition is handled in its order, so what is committed is the first of each; the rest may come again.
            assert len(lines) - done <= 50 + len(kept)
            kept = set(lines)
        else:
            assert status == 0
    assert set(lines) == set(numbered(0, count)), "messages were lost"
    assert anyio.run(committed, kafka, group, topic) == count
    twice = sum(number - 1 for number in Counter(lines).values())
    assert twice <= 2 * 50, "more came again than two batches"


def wait_for_lines(handled: Path, number: int | None, everything: set[bytes], process: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + PATIENCE
    while True:
        lines = handled.read_bytes().split()
        if (number is not None and len(lines) >= number) or (number is None and everything <= set(lines)):
            return
        assert process.poll() is None, "it has ended by itself"
        assert monotonic() < deadline, f"{len(set(lines))} messages were handled"
        sleep(0.02)
