"""Messages whose handler failed: retries with growing delays, then the dead-letter topic.

The message is written to the retries topic of its group, so its own partition is not blocked. First retries go to one
partition of that topic, second retries to another, as far as there are enough of them. All messages of one partition wait
equally long, so its first message is always due first. The DLQ_* settings are read when a retry is due, so a change also
affects messages that already wait.

The headers of a message record its earlier attempts. Anybody who writes to a topic can set them, so they count only on
topics to which this application alone writes: the group's retries, and the dead letters. A record from any other topic
is at its first attempt, whatever its headers say.

A dead letter that is read again remembers how many retries it had (``died_after``), and its reader counts its own
attempts. It is never written to the dead letters a second time, where the same reader would get it again.
"""

from __future__ import annotations

import logging
import time
import traceback
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from hotsettings import Live, Resource

from .members import Record
from .settings import Settings
from .topics import dead_letters_topic, retries_topic

logger = logging.getLogger(__name__)

RETRY, ORIGIN, ERROR, GROUP, DIED_AFTER = "retry", "origin", "error", "group", "died-after"
"""Headers of messages that have failed."""
MOST_DIGITS = 9
"""Digits of a number of retries in a header; a longer one is ignored."""


class Message(NamedTuple):
    """A message as its handler sees it; it looks the same at every attempt."""

    key: bytes | None
    value: bytes | None
    origin: str
    """Where it was at first: topic/partition/offset."""
    retry: int
    """0 for the first attempt."""
    error: str
    """What went wrong at the attempt before."""
    group: str
    """The consumer group that has failed at it."""
    died_after: int | None = None
    """For a dead letter, the number of retries after which it was given up; ``error`` and ``group`` are from then."""


class Retries:
    """Decides which messages wait, which are retried and which become dead letters."""

    def __init__(self, live: Live[Settings], producers: Resource[AIOKafkaProducer | None]) -> None:
        self._live = live
        self._producers = producers
        self._topic = retries_topic(live.current)
        self._dead_letters = dead_letters_topic(live.current)

    def message(self, record: Record) -> Message:
        """Return the message in a record. Its earlier attempts count only if the topic can be trusted."""
        trusted = record.topic in (self._topic, self._dead_letters)
        headers = {key: value.decode(errors="replace") for key, value in record.headers} if trusted else {}
        origin = headers.get(ORIGIN, f"{record.topic}/{record.partition}/{record.offset}")
        retry, died_after = count(headers.get(RETRY)), None
        if record.topic == self._dead_letters:
            retry, died_after = 0, retry
        elif DIED_AFTER in headers:
            died_after = count(headers[DIED_AFTER])
        return Message(
            record.key, record.value, origin, retry, headers.get(ERROR, ""), headers.get(GROUP, ""), died_after
        )

    def wait(self, record: Record) -> float:
        """Seconds until a record is due."""
        if record.topic != self._topic:
            return 0.0
        settings, retry = self._live.current, self.message(record).retry
        if retry > settings.DLQ_RETRY_MAX_ATTEMPTS:
            return 0.0
        return record.timestamp / 1000 + delay(settings, retry) - time.time()

    def given_up(self, message: Message) -> bool:
        return message.retry > self._live.current.DLQ_RETRY_MAX_ATTEMPTS

    async def failed(self, message: Message, error: Exception) -> None:
        """Schedule a retry, or give the message up."""
        settings, retry, why = self._live.current, message.retry + 1, place_of(error)
        # A dead letter keeps the error that it died of.
        told = message if message.died_after is not None else message._replace(error=why)
        if retry > settings.DLQ_RETRY_MAX_ATTEMPTS:
            await self.give_up(told)
            return
        await self._send(self._topic, told._replace(retry=retry))
        seconds = delay(settings, retry)
        logger.warning(
            "%s failed: %s; retry %d of %d in %g s",
            *(message.origin, why, retry, settings.DLQ_RETRY_MAX_ATTEMPTS, seconds),
        )

    async def give_up(self, message: Message) -> None:
        """Make the message a dead letter. If it already is one, it stays in its topic until it expires."""
        if message.died_after is not None:
            logger.error("the dead letter %s could not be handled and is left as it is", message.origin)
            return
        await self._send(self._dead_letters, message)
        logger.error("%s is a dead letter: %s", message.origin, message.error)

    async def _send(self, topic: str, message: Message) -> None:
        settings = self._live.current
        headers = {
            RETRY: str(message.retry),
            ORIGIN: message.origin,
            ERROR: message.error,
            GROUP: settings.KAFKA_CONSUMER_GROUP_ID if message.died_after is None else message.group,
        }
        if message.died_after is not None:
            headers[DIED_AFTER] = str(message.died_after)
        encoded = [(key, value.encode()) for key, value in headers.items()]
        async with self._producers.lease() as producer:
            if producer is None:
                raise KafkaConnectionError("event streaming has been switched off")
            partition = None
            if topic == self._topic:
                partition = min(message.retry, len(await producer.partitions_for(topic))) - 1
            await producer.send_and_wait(topic, message.value, message.key, partition, headers=encoded)


def count(text: str | None) -> int:
    """Read a number of retries; 0 for anything else."""
    return int(text) if text and len(text) <= MOST_DIGITS and text.isascii() and text.isdigit() else 0


def delay(settings: Settings, retry: int) -> float:
    """Seconds before a retry: twice as many as before the previous one, within limits."""
    doubled = settings.DLQ_RETRY_BASE_DELAY_SECONDS * 2.0 ** min(retry - 1, 60)
    return min(doubled, settings.DLQ_RETRY_MAX_DELAY_SECONDS)


def place_of(error: Exception) -> str:
    """The type and place of an exception. Not its text, which may quote anything, even passwords."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
