"""An OpenTelemetry sampler that follows the settings.

    pip install opentelemetry-sdk
    python main.py    # then edit SAMPLING_RATE in config.toml: 0 none, 1 all

A provider keeps its sampler for its whole life. This sampler reads the settings for each span, in any thread.
"""

import logging
import sys
from typing import Annotated, Any

import anyio
from msgspec import Meta
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, SamplingResult, TraceIdRatioBased

from hotsettings import BaseSettings, Live, RestartRequired, SettingsError


class Settings(BaseSettings):
    SERVICE_NAME: RestartRequired[str] = "example"
    SAMPLING_RATE: Annotated[float, Meta(ge=0, le=1)] = 0.1
    INTERVAL: Annotated[float, Meta(gt=0, description="Seconds between two spans.")] = 1.0


class FollowingSampler(Sampler):
    def __init__(self, live: Live[Settings]) -> None:
        self._live = live

    def should_sample(self, *arguments: Any, **named: Any) -> SamplingResult:
        sampler = ParentBased(TraceIdRatioBased(self._live.current.SAMPLING_RATE))
        return sampler.should_sample(*arguments, **named)

    def get_description(self) -> str:
        return f"FollowingSampler{{{self._live.current.SAMPLING_RATE}}}"


async def run() -> None:
    async with Settings.watch() as live:
        resource = Resource.create({"service.name": live.current.SERVICE_NAME})
        provider = TracerProvider(sampler=FollowingSampler(live), resource=resource)
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
        tracer = provider.get_tracer("example")
        try:
            while True:
                with tracer.start_as_current_span("work"), tracer.start_as_current_span("part of it"):
                    await anyio.sleep(live.current.INTERVAL)
        finally:
            provider.shutdown()


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # or nobody hears why an edit was rejected
    try:
        anyio.run(run)
    except SettingsError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
