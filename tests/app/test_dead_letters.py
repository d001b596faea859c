"""The keeper of the dead-letter topic follows its settings."""

from __future__ import annotations

import logging
import time

import anyio
import pytest
from aiokafka import AIOKafkaProducer
from support.kafka_worker import Files, eventually

from hotsettings.testing import Workspace
from integr8scode.dead_letters import DAY, connected, keep_dead_letters
from integr8scode.settings import Settings
from integr8scode.topics import dead_letters_topic

pytestmark = pytest.mark.anyio


async def bury(settings: Settings, ages_in_days: list[float]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=settings.KAFKA_BOOTSTRAP_SERVERS) as producer:
        for age in ages_in_days:
            written = round(1000 * (time.time() - age * DAY))
            await producer.send_and_wait(dead_letters_topic(settings), b"letter", timestamp_ms=written, partition=0)


async def test_what_is_kept_longer_than_the_setting_says_is_deleted(
    settings_workspace: Workspace, kafka: str, unique: str
) -> None:
    files = Files(settings_workspace, kafka, unique)
    files.edit(DLQ_RETENTION_DAYS=5)
    async with Settings.watch(**settings_workspace.paths) as live, connected(live.current) as topic:
        await bury(live.current, [4.5, 3.5, 0.0])

        async def left(count: int) -> None:
            async def so_many() -> bool:
                return await topic.count() == count

            await eventually(so_many)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep_dead_letters, live)
            assert await topic.count() == 3
            files.edit(DLQ_RETENTION_DAYS=4)
            await live.reload()
            await left(2)
            files.edit(DLQ_RETENTION_DAYS=3)
            await live.reload()
            await left(1)
            tasks.cancel_scope.cancel()


async def test_too_many_are_told_when_a_threshold_is_crossed_or_moved(
    settings_workspace: Workspace, brokers: str, unique: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "integr8scode")
    files = Files(settings_workspace, brokers, unique)

    async def told(message: str) -> None:
        async def logged() -> bool:
            return message in [record.message for record in caplog.records]

        await eventually(logged)

    async with Settings.watch(**settings_workspace.paths) as live, anyio.create_task_group() as tasks:
        await bury(live.current, [0.0] * 3)
        tasks.start_soon(keep_dead_letters, live)
        for critical, warning, level in [(1000, 3, "warning"), (3, 3, "critical"), (1000, 100, "few")]:
            files.edit(DLQ_CRITICAL_THRESHOLD=critical, DLQ_WARNING_THRESHOLD=warning)
            await live.reload()
            await told(f"there are 3 dead letters: {level}")
        tasks.cancel_scope.cancel()
