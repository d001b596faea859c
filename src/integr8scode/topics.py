"""The names of the topics. Workers and event streams read the same topic of events."""

from __future__ import annotations

from .settings import Settings
from .streams import events_topic

__all__ = ["dead_letters_topic", "events_topic", "retries_topic"]


def retries_topic(settings: Settings) -> str:
    """The retries topic of a consumer group. Each group has its own, because other groups may not have failed."""
    return f"{settings.KAFKA_TOPIC_PREFIX}{settings.KAFKA_CONSUMER_GROUP_ID}-retries"


def dead_letters_topic(settings: Settings) -> str:
    return f"{settings.KAFKA_TOPIC_PREFIX}dead-letters"
