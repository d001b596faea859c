"""The tracer, with the stock OTLP exporter, against real gRPC servers and real edits."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest
from anyio import to_thread
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from support.otlp_collector import OtlpCollector, otlp_collector

from hotsettings import Change, Live, Rejected
from hotsettings.testing import Workspace
from hotsettings.testing import live as given_live
from integr8scode import exporting
from integr8scode import tracing as tracing_module
from integr8scode.exporting import COLLECTOR, FollowingExporter, Unsent, collector
from integr8scode.sampling import FollowingSampler
from integr8scode.settings import Settings
from integr8scode.tracing import QUEUE, identity, tracing

pytestmark = pytest.mark.anyio

ALL = {"TRACING_SAMPLING_RATE": 1.0}
KEY = {"SECRET_KEY": "a key that only these tests use, never shown"}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def here() -> Iterator[OtlpCollector]:
    with otlp_collector() as collector:
        yield collector


@pytest.fixture
def there() -> Iterator[OtlpCollector]:
    with otlp_collector() as collector:
        yield collector


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def to(address: str, **more: Any) -> dict[str, Any]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": address, **ALL, **more}


@asynccontextmanager
async def traced(
    workspace: Workspace, values: dict[str, Any]
) -> AsyncGenerator[tuple[Live[Settings], TracerProvider], None]:
    workspace.write(values, secrets=KEY)
    async with Settings.watch(**workspace.paths) as live, tracing(live) as provider:
        yield live, provider


async def edit(live: Live[Settings], workspace: Workspace, values: dict[str, Any]) -> None:
    workspace.write(values)
    await live.reload()


def spans(provider: TracerProvider, *names: str) -> None:
    tracer = provider.get_tracer("tests")
    for name in names:
        tracer.start_span(name).end()


async def flush(provider: TracerProvider) -> None:
    await to_thread.run_sync(provider.force_flush)


async def test_spans_arrive_at_the_latest_when_the_block_is_left(
    settings_workspace: Workspace, here: OtlpCollector
) -> None:
    async with traced(settings_workspace, to(here.address)) as (_, provider):
        spans(provider, "a", "b")
    assert here.names == ["a", "b"]
    spans(provider, "too late")
    assert here.names == ["a", "b"]


async def test_switched_on_and_off_while_it_runs(settings_workspace: Workspace, here: OtlpCollector) -> None:
    async with traced(settings_workspace, to(here.address, ENABLE_TRACING=False)) as (live, provider):
        spans(provider, "off")
        await edit(live, settings_workspace, to(here.address, ENABLE_TRACING=True))
        spans(provider, "on")
        began = provider.get_tracer("tests").start_span("began while it was on")
        await edit(live, settings_workspace, to(here.address, ENABLE_TRACING=False))
        with trace.use_span(began):
            spans(provider, "off, though its parent is not")
        began.end()
    assert here.names == ["on", "began while it was on"]


async def test_the_sampling_rate_follows(settings_workspace: Workspace, here: OtlpCollector) -> None:
    async with traced(settings_workspace, to(here.address, TRACING_SAMPLING_RATE=0.0)) as (live, provider):
        spans(provider, "none")
        await edit(live, settings_workspace, to(here.address, TRACING_SAMPLING_RATE=1.0))
        spans(provider, "all")
        await edit(live, settings_workspace, to(here.address, TRACING_SAMPLING_RATE=0.0))
        spans(provider, "none again")
    assert here.names == ["all"]


def settings_with(**values: Any) -> Settings:
    return Settings.from_values(**KEY, **values)


async def test_which_traces_are_kept() -> None:
    async with given_live(settings_with(TRACING_SAMPLING_RATE=0.25)) as live:
        sampler = FollowingSampler(live)

        def kept(quarter: int) -> bool:
            """Whether a trace is kept whose number lies in the middle of this quarter of all numbers."""
            return sampler.should_sample(None, (2 * quarter + 1) << 61, "x").decision is Decision.RECORD_AND_SAMPLE

        assert [kept(quarter) for quarter in range(4)] == [True, False, False, False]
        await live.publish(settings_with(TRACING_SAMPLING_RATE=0.75))
        assert [kept(quarter) for quarter in range(4)] == [True, True, True, False]
        assert "0.75" in sampler.get_description()


@pytest.mark.parametrize("remote", [True, False])
async def test_a_trace_is_kept_whole(remote: bool) -> None:
    async with given_live(settings_with(TRACING_SAMPLING_RATE=0.0)) as live:
        sampler = FollowingSampler(live)

        def follows(parent: TraceFlags) -> bool:
            context = trace.set_span_in_context(NonRecordingSpan(SpanContext(1, 2, remote, parent)))
            return sampler.should_sample(context, 1, "child").decision is Decision.RECORD_AND_SAMPLE

        assert follows(TraceFlags(TraceFlags.SAMPLED))
        await live.publish(settings_with(TRACING_SAMPLING_RATE=1.0))
        assert not follows(TraceFlags(TraceFlags.DEFAULT))


async def test_another_collector(settings_workspace: Workspace, here: OtlpCollector, there: OtlpCollector) -> None:
    async with traced(settings_workspace, to(here.address)) as (live, provider):
        spans(provider, "to the first")
        await flush(provider)
        spans(provider, "still waiting")
        await edit(live, settings_workspace, to(there.address))
        spans(provider, "to the second")
        await flush(provider)
        await edit(live, settings_workspace, to(here.address))
        spans(provider, "to the first again")
    assert sorted(here.names) == ["to the first", "to the first again"]
    assert sorted(there.names) == ["still waiting", "to the second"]


async def test_none_at_first_and_none_in_the_end(settings_workspace: Workspace, here: OtlpCollector) -> None:
    async with traced(settings_workspace, ALL) as (live, provider):
        spans(provider, "nowhere")
        await flush(provider)
        await edit(live, settings_workspace, to(here.address))
        spans(provider, "somewhere")
        await flush(provider)
        await edit(live, settings_workspace, ALL)
        spans(provider, "nowhere again")
    assert here.names == ["somewhere"]


async def test_jaeger_where_no_other_is_given(
    settings_workspace: Workspace, here: OtlpCollector, there: OtlpCollector
) -> None:
    values = {**ALL, "JAEGER_COLLECTOR_ENDPOINT": here.address}
    async with traced(settings_workspace, values) as (live, provider):
        spans(provider, "jaeger")
        await flush(provider)
        await edit(live, settings_workspace, to(there.address, JAEGER_COLLECTOR_ENDPOINT=here.address))
        spans(provider, "collector")
    assert (here.names, there.names) == (["jaeger"], ["collector"])


async def test_a_rejected_reload_leaves_the_collector(
    settings_workspace: Workspace, here: OtlpCollector, there: OtlpCollector
) -> None:
    def veto(change: Change[Settings]) -> None:
        raise ValueError("not now")

    async with traced(settings_workspace, to(here.address)) as (live, provider):
        live.prepare(veto, "LOG_LEVEL")
        with pytest.raises(Rejected):
            await edit(live, settings_workspace, to(there.address, LOG_LEVEL="INFO"))
        spans(provider, "to the old one")
    assert (here.names, there.names) == (["to the old one"], [])


async def test_an_address_that_is_none_is_rejected(settings_workspace: Workspace, here: OtlpCollector) -> None:
    async with traced(settings_workspace, to(here.address)) as (live, provider):
        with pytest.raises(Rejected):
            await edit(live, settings_workspace, to("http://[broken"))
        spans(provider, "to the old one")
    assert here.names == ["to the old one"]


async def test_a_batch_that_the_old_collector_does_not_take_goes_to_the_new_one(
    settings_workspace: Workspace, here: OtlpCollector, there: OtlpCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a collector that hangs does not hold up the reload."""
    monkeypatch.setattr(exporting, "EXPORT_TIMEOUT", 60.0)
    here.answers.clear()
    async with traced(settings_workspace, to(here.address)) as (live, provider):
        spans(provider, *map(str, range(1000)))
        await to_thread.run_sync(here.asked.wait)
        with anyio.fail_after(30):
            await edit(live, settings_workspace, to(there.address))
            assert live.snapshot.generation == 2
            await flush(provider)
        assert Counter(there.names) == Counter(map(str, range(1000)))


async def test_a_dead_collector_delays_the_end_for_a_bounded_time_only(
    settings_workspace: Workspace, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing_module, "LEAVING", 0.2)
    monkeypatch.setattr(exporting, "EXPORT_TIMEOUT", 60.0)
    with anyio.fail_after(30):
        async with traced(settings_workspace, to(silent)) as (live, provider):
            spans(provider, *map(str, range(QUEUE)))
            await edit(live, settings_workspace, to(silent, LOG_LEVEL="INFO"))
            assert live.current.LOG_LEVEL == "INFO"


async def test_what_has_been_given_up_goes_to_no_newer_collector(here: OtlpCollector) -> None:
    async with given_live(settings_with()) as live:
        async with live.resource(partial(collector, unsent=Unsent()), *COLLECTOR) as resource:
            exporter = FollowingExporter(resource)
            exporter.give_up()
            await live.publish(settings_with(OTEL_EXPORTER_OTLP_ENDPOINT=here.address))
            assert resource.current is not None
            assert exporter.export(()) is SpanExportResult.FAILURE
    assert not here.asked.is_set()


async def test_spans_that_find_no_collector_are_dropped_and_later_ones_arrive(
    settings_workspace: Workspace, silent: str, here: OtlpCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "EXPORT_TIMEOUT", 0.2)
    async with traced(settings_workspace, to(silent)) as (live, provider):
        spans(provider, "lost")
        with anyio.fail_after(30):
            await flush(provider)
        await edit(live, settings_workspace, to(here.address))
        spans(provider, "found")
    assert here.names == ["found"]


async def test_no_more_wait_than_the_queue_holds(settings_workspace: Workspace, here: OtlpCollector) -> None:
    """The oldest are dropped, and nothing blocks."""
    here.answers.clear()
    async with traced(settings_workspace, to(here.address)) as (_, provider):
        spans(provider, *map(str, range(600)))
        await to_thread.run_sync(here.asked.wait)
        spans(provider, *map(str, range(600, 600 + QUEUE + 100)))
        here.answers.set()
    assert len(here.names) == len(set(here.names))
    assert QUEUE <= len(here.names) <= QUEUE + 512
    assert here.names[-1] == str(600 + QUEUE + 99)


async def test_leaving_by_cancellation_sends_what_has_finished(
    settings_workspace: Workspace, here: OtlpCollector
) -> None:
    with anyio.CancelScope() as scope:
        async with traced(settings_workspace, to(here.address)) as (_, provider):
            spans(provider, "a")
            scope.cancel()
            await anyio.sleep_forever()
    assert here.names == ["a"]


async def test_nothing_is_left(settings_workspace: Workspace, here: OtlpCollector, there: OtlpCollector) -> None:
    async with traced(settings_workspace, to(here.address)) as (live, provider):
        spans(provider, "a")
        await edit(live, settings_workspace, to(there.address))
    assert not [thread.name for thread in threading.enumerate() if "Otel" in thread.name]


async def test_who_the_process_is(settings_workspace: Workspace, here: OtlpCollector) -> None:
    values = to(
        here.address,
        TRACING_SERVICE_NAME="pod-monitor",
        OTEL_SERVICE_NAME="integr8scode-backend",
        OTEL_RESOURCE_ATTRIBUTES="environment=test,team=back%20end,service.name=other",
    )
    async with traced(settings_workspace, values) as (live, provider):
        await edit(live, settings_workspace, {**values, "TRACING_SERVICE_NAME": "renamed"})
        assert live.status.pending_restart == {"TRACING_SERVICE_NAME"}
        spans(provider, "a")
    (told,) = here.identities
    assert {key: told[key] for key in ("service.name", "service.version", "environment", "team")} == {
        "service.name": "pod-monitor",
        "service.version": "1.0.0",
        "environment": "test",
        "team": "back end",
    }


async def test_attributes_may_be_none_and_values_may_hold_an_equals_sign() -> None:
    assert "environment" not in identity(settings_with()).attributes
    assert identity(settings_with(OTEL_RESOURCE_ATTRIBUTES="")).attributes["service.name"] == "integr8scode-backend"
    assert identity(settings_with(OTEL_RESOURCE_ATTRIBUTES="a=b=c")).attributes["a"] == "b=c"


ENVIRONMENT = {
    "OTEL_EXPORTER_OTLP_HEADERS": "x-from=environment",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-from=environment",
    "OTEL_EXPORTER_OTLP_INSECURE": "false",
    "OTEL_EXPORTER_OTLP_TRACES_INSECURE": "false",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "0.000001",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "0.000001",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "brotli",
    "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere.pem",
    "OTEL_BSP_MAX_QUEUE_SIZE": "1",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1",
    "OTEL_BSP_SCHEDULE_DELAY": "100000000",
    "OTEL_TRACES_SAMPLER": "always_off",
    "OTEL_SERVICE_NAME": "from-the-environment",
    "OTEL_RESOURCE_ATTRIBUTES": "from=environment",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "0",
    "OTEL_ATTRIBUTE_COUNT_LIMIT": "0",
}


async def test_the_environment_says_nothing(
    settings_workspace: Workspace, here: OtlpCollector, there: OtlpCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", there.address)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", there.address)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    async with traced(settings_workspace, to(here.address)) as (live, provider):
        spans(provider, "one", "two")
        span = provider.get_tracer("tests").start_span("three", attributes={"kept": True})
        assert dict(getattr(span, "attributes", {})) == {"kept": True}
        span.end()
        await flush(provider)
        await edit(live, settings_workspace, ALL)
        spans(provider, "nowhere")
    assert (here.names, there.names) == (["one", "two", "three"], [])
    assert not [metadata for metadata in here.metadata if "x-from" in metadata]
    (told,) = here.identities
    assert told["service.name"] == "integr8scode-backend"
    assert "from" not in told


async def test_no_secret_is_sent(settings_workspace: Workspace, here: OtlpCollector) -> None:
    async with traced(settings_workspace, to(here.address)) as (_, provider):
        spans(provider, "a")
    assert KEY["SECRET_KEY"] not in repr((here.identities, here.metadata, provider, provider.sampler))


GLOBAL = """
import anyio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from hotsettings.testing import live
from integr8scode.settings import Settings
from integr8scode.tracing import set_globally, tracing

async def main():
    async with live(Settings.from_values(SECRET_KEY="x" * 32)) as held:
        async with tracing(held) as provider:
            {host}
            print(set_globally(provider), trace.get_tracer_provider() is provider, set_globally(provider))
        async with tracing(held) as second:
            print(set_globally(second))

anyio.run(main)
"""


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("", ["True True True", "False"]),
        ("trace.set_tracer_provider(TracerProvider())", ["False False False", "False"]),
    ],
    ids=["unset", "set by the host"],
)
def test_the_provider_of_the_process(host: str, said: list[str]) -> None:
    """It can be set once, so each of these has a process of its own."""
    done = subprocess.run([sys.executable, "-c", GLOBAL.format(host=host)], capture_output=True, text=True, check=False)
    assert (done.stdout.splitlines(), done.stderr) == (said, "")


async def test_it_is_not_made_global_by_itself(settings_workspace: Workspace, here: OtlpCollector) -> None:
    before = trace.get_tracer_provider()
    async with traced(settings_workspace, to(here.address)):
        assert trace.get_tracer_provider() is before


SPANS, REPLACEMENTS, PRODUCERS = 10_000, 30, 2


@pytest.mark.slow
async def test_no_span_is_lost_or_sent_twice_by_replacements(
    settings_workspace: Workspace, here: OtlpCollector, there: OtlpCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads finish spans all the time, while the file names the one collector and the other in turn."""
    monkeypatch.setattr(tracing_module, "QUEUE", SPANS)  # however slow the machine is
    permits, share = threading.Semaphore(0), SPANS // PRODUCERS

    def produce(tracer: trace.Tracer, first: int) -> None:
        for number in range(first, first + share):
            permits.acquire()
            tracer.start_span(str(number)).end()

    async with traced(settings_workspace, to(here.address)) as (live, provider):
        tracer = provider.get_tracer("tests")
        threads = [threading.Thread(target=produce, args=(tracer, n * share), daemon=True) for n in range(PRODUCERS)]
        for thread in threads:
            thread.start()
        for number in range(1, REPLACEMENTS + 1):
            permits.release(SPANS // REPLACEMENTS)
            await edit(live, settings_workspace, to((here, there)[number % 2].address))
        permits.release(SPANS % REPLACEMENTS)
        assert live.snapshot.generation == REPLACEMENTS + 1
        for thread in threads:
            await to_thread.run_sync(thread.join)
    arrived = Counter(here.names + there.names)
    assert arrived == Counter(map(str, range(SPANS)))
    assert here.names
    assert there.names


DEAD_COLLECTOR = """
import sys, anyio
from hotsettings.testing import live
from integr8scode.settings import Settings
from integr8scode.tracing import QUEUE, tracing

async def main():
    settings = Settings.from_values(
        SECRET_KEY="x" * 32, OTEL_EXPORTER_OTLP_ENDPOINT=sys.argv[1], TRACING_SAMPLING_RATE=1.0
    )
    async with live(settings) as held, tracing(held) as provider:
        for number in range(QUEUE):
            provider.get_tracer("t").start_span(str(number)).end()

anyio.run(main)
print("left")
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["silent", "closed"])
def test_a_process_whose_collector_is_dead_ends(kind: str, silent: str) -> None:
    """Sixteen batches wait, each of which is tried for five seconds; without a limit that is more than a minute."""
    address = silent if kind == "silent" else "http://127.0.0.1:1"
    run = [sys.executable, "-c", DEAD_COLLECTOR, address]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "left\n"), done.stderr
