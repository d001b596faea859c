"""Which spans are recorded: a sampler that follows ENABLE_TRACING and TRACING_SAMPLING_RATE.

A provider keeps one sampler for its whole life, so this one reads the newest settings for each span.
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from hotsettings import Live

from .settings import Settings


class FollowingSampler(Sampler):
    """Records nothing while tracing is off, and otherwise a share of the traces, each of them whole."""

    def __init__(self, live: Live[Settings]) -> None:
        self._live = live
        self._made: tuple[float, Sampler] | None = None

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        return self._newest().should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"FollowingSampler{{{self._newest().get_description()}}}"

    def _newest(self) -> Sampler:
        settings = self._live.current
        if not settings.ENABLE_TRACING:
            return ALWAYS_OFF
        made, rate = self._made, settings.TRACING_SAMPLING_RATE
        if made is None or made[0] != rate:
            made = self._made = rate, ParentBased(TraceIdRatioBased(rate))
        return made[1]
