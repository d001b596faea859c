"""The loop of a worker: read a batch, handle it, commit it. Between two batches the consumer may be replaced."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import anyio
from aiokafka.errors import KafkaError

from hotsettings import Live, Resource, ResourceDown

from .members import Batch, Member
from .retries import Message, Retries
from .settings import Settings
from .stopping import FINISHING, shielded

logger = logging.getLogger(__name__)

Handle = Callable[[Message], Awaitable[None]]

LONGEST_BATCH = 5.0
"""Seconds after which a batch is committed though it has not been handled whole, so that nobody waits for it for long."""
TRY_AGAIN = 1.0


async def consume(live: Live[Settings], members: Resource[Member | None], retries: Retries, handle: Handle) -> None:
    """Handle messages until cancelled. The current batch is finished and committed first.

    If the process is stopping, the batch gets FINISHING seconds. The messages handled by then are committed; the next
    owner of the partitions reads the rest again.
    """
    while True:
        try:
            async with members.lease() as member:
                if member is not None:
                    # How much is read is asked for each time: it needs no new consumer.
                    batch = await member.poll(live.current.KAFKA_MAX_POLL_RECORDS, retries.wait)
                    with shielded(once_stopping=FINISHING):
                        await work_through(batch, member, retries, handle)
                    continue
                # Still with the lease, under which it cannot have been switched on.
                switched = live.changes("ENABLE_EVENT_STREAMING")
            async with aclosing(switched):
                async for _ in switched:
                    break
        except (KafkaError, ResourceDown, TimeoutError) as error:
            logger.warning("cannot read, trying again: %r", error)
            await anyio.sleep(TRY_AGAIN)


async def work_through(batch: Batch, member: Member, retries: Retries, handle: Handle) -> None:
    ends_at = anyio.current_time() + LONGEST_BATCH
    async with batch:
        for partition, records in batch:
            for record in records:
                if retries.wait(record) > 0:
                    member.halt(partition, record)
                    break
                await attempt(retries.message(record), retries, handle)
                batch.done(partition, record)
                if anyio.current_time() > ends_at:
                    return


async def attempt(message: Message, retries: Retries, handle: Handle) -> None:
    if retries.given_up(message):  # there are fewer attempts now than when it was put off
        await retries.give_up(message)
        return
    try:
        await handle(message)
    except Exception as error:
        await retries.failed(message, error)
