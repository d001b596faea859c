"""What the workers' topics are called; the one of the events themselves is the event streams' too."""

from __future__ import annotations

from .settings import Settings
from .streams import events_topic

__all__ = ["dead_letters_topic", "events_topic", "retries_topic"]


def retries_topic(settings: Settings) -> str:
    """Each consumer group retries what it has failed at itself: the others may have had no trouble."""
    return f"{settings.KAFKA_TOPIC_PREFIX}{settings.KAFKA_CONSUMER_GROUP_ID}-retries"


def dead_letters_topic(settings: Settings) -> str:
    return f"{settings.KAFKA_TOPIC_PREFIX}dead-letters"
