"""The handlers of each worker. The real work is not part of this example: a log record stands for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from opentelemetry.trace import Tracer
from opentelemetry.util.types import AttributeValue

from hotsettings import Live

from .consuming import Handle
from .dead_letters import keep_dead_letters, tell_of
from .retries import Message
from .settings import Settings
from .topics import dead_letters_topic, events_topic

logger = logging.getLogger(__name__)


class Event(Struct, frozen=True):
    execution_id: str
    kind: str
    detail: str = ""


class Worker(NamedTuple):
    """The differences between workers."""

    handle: Handle
    topic: Callable[[Settings], str] = events_topic
    beside: Callable[[Live[Settings]], Coroutine[Any, Any, None]] | None = None
    """What else it does all the time."""


def on_events(*kinds: str) -> Handle:
    """Handle events whose kind has this prefix. A message that is not an event raises, and ends as a dead letter."""

    async def handle(message: Message) -> None:
        event = msgspec.json.decode(message.value or b"", type=Event)
        if event.kind.startswith(kinds):
            logger.info("%s of execution %s (%s)", event.kind, event.execution_id, message.origin)

    return handle


WORKERS = {
    "coordinator": Worker(on_events("execution.")),
    "k8s-worker": Worker(on_events("pod.create", "pod.delete")),
    "pod-monitor": Worker(on_events("pod.")),
    "result-processor": Worker(on_events("result.", "execution.completed", "execution.failed")),
    "saga-orchestrator": Worker(on_events("execution.requested", "saga.")),
    "event-replay": Worker(on_events("replay.")),
    "dlq-processor": Worker(tell_of, dead_letters_topic, keep_dead_letters),
}


def traced(handle: Handle, tracer: Tracer) -> Handle:
    """Record a span for each attempt."""

    async def handle_in_span(message: Message) -> None:
        attributes: dict[str, AttributeValue] = {
            "messaging.message.id": message.origin,
            "messaging.retry": message.retry,
        }
        with tracer.start_as_current_span("handle", attributes=attributes, record_exception=False):
            await handle(message)

    return handle_in_span
