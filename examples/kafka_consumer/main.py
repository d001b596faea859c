"""A Kafka consumer that follows the settings: each new consumer continues where the last one has committed.

    pip install aiokafka
    python main.py    # then edit config.toml: another TOPIC or SESSION_TIMEOUT_MS, or servers that do not answer

Two consumers of one process would share the partitions, so the new one joins after the old one has left the group. If the
new one cannot start, the edit is rejected and the old one joins again.
"""

import logging
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from msgspec import Meta

from hotsettings import BaseSettings, Live, Resource, ResourceDown, RestartRequired, SettingsError


class Settings(BaseSettings):
    BOOTSTRAP_SERVERS: str = "127.0.0.1:9092"
    TOPIC: str = "greetings"
    SESSION_TIMEOUT_MS: Annotated[int, Meta(ge=4000)] = 10_000
    MAX_RECORDS: Annotated[int, Meta(ge=1, description="Records in one batch.")] = 100
    GROUP: RestartRequired[str] = "greeters"


@asynccontextmanager
async def group_member(settings: Settings) -> AsyncGenerator[AIOKafkaConsumer, None]:
    consumer = AIOKafkaConsumer(
        settings.TOPIC,
        bootstrap_servers=settings.BOOTSTRAP_SERVERS,
        group_id=settings.GROUP,
        session_timeout_ms=settings.SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=settings.SESSION_TIMEOUT_MS // 4,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    try:
        await consumer.start()
        print(f"reading {settings.TOPIC}")
        yield consumer
    finally:
        with anyio.CancelScope(shield=True):
            await consumer.stop()


async def consume(live: Live[Settings], members: Resource[AIOKafkaConsumer]) -> None:
    while True:
        try:
            async with members.lease() as consumer:  # it is replaced between two batches
                # Read anew each time: this needs no new consumer.
                batch = await consumer.getmany(timeout_ms=500, max_records=live.current.MAX_RECORDS)
                with anyio.CancelScope(shield=True):  # what is handled is committed, also when this ends now
                    for records in batch.values():
                        for record in records:
                            handle(record.value)
                    if batch:
                        await consumer.commit()
        except (KafkaError, ResourceDown) as error:
            print(f"trying again: {error!r}")
            await anyio.sleep(1)


def handle(value: bytes | None) -> None:
    print(f"handled {value.decode() if value is not None else None}")


async def run() -> None:
    async with (
        Settings.watch(prepare_timeout=30) as live,
        live.resource(group_member, "BOOTSTRAP_SERVERS", "TOPIC", "SESSION_TIMEOUT_MS", replace="exclusive") as members,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(consume, live, members)
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            await anext(signals)
        tasks.cancel_scope.cancel()


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # or nobody hears why an edit was rejected
    try:
        anyio.run(run)
    except (SettingsError, KafkaError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
