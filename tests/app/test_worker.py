"""The worker as a process of its own."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from functools import partial
from pathlib import Path
from time import monotonic, sleep

import anyio
import pytest
from support import ROOT
from support.integr8scode_files import SECRET, write_files
from support.kafka_worker import PATIENCE, committed, produce
from support.otlp_collector import otlp_collector
from support.worker_process import started

from integr8scode.handlers import WORKERS
from integr8scode.worker import work

EVENT = b'{"execution_id": "e-17", "kind": "execution.requested"}'


def test_it_works_under_the_names_of_its_override_until_it_is_told_to_stop(
    tmp_path: Path, brokers: str, unique: str
) -> None:
    topic = f"{unique}execution-events"
    with otlp_collector() as collector:
        write_files(
            tmp_path,
            brokers,
            unique,
            ENABLE_TRACING="true",
            TRACING_SAMPLING_RATE="1.0",
            OTEL_EXPORTER_OTLP_ENDPOINT=f'"{collector.address}"',
        )
        with started(tmp_path, "coordinator") as worker:
            worker.until(f"reading {topic} as execution-coordinator")
            anyio.run(produce, brokers, topic, [EVENT])
            worker.until("execution.requested of execution e-17")
            assert worker.end(signal.SIGTERM) == 0
    assert "stopping on SIGTERM" in worker.output
    assert "Traceback" not in worker.output
    assert SECRET not in worker.output
    assert {each["service.name"] for each in collector.identities} == {"execution-coordinator"}
    assert anyio.run(committed, brokers, "execution-coordinator", topic) == 1


WAITING = """
from pathlib import Path
import anyio
from integr8scode.handlers import Worker
from integr8scode.worker import run

async def handle(message):
    Path("begun").touch()
    while not Path("go").exists():
        await anyio.sleep(0.01)
    Path("handled").touch()

run(Worker(handle), Path("config.coordinator.toml"), config=Path("config.toml"), secrets=Path("secrets.toml"))
"""


def test_the_batch_at_hand_is_finished_and_committed_first(tmp_path: Path, brokers: str, unique: str) -> None:
    topic = f"{unique}execution-events"
    write_files(tmp_path, brokers, unique)
    with started(tmp_path, "-c", WAITING) as worker:
        worker.until("reading")
        anyio.run(produce, brokers, topic, [EVENT])
        deadline = monotonic() + PATIENCE
        while not (tmp_path / "begun").exists():
            assert monotonic() < deadline
            sleep(0.02)
        worker.process.send_signal(signal.SIGTERM)
        worker.until("stopping on SIGTERM")
        sleep(0.2)  # as long as closing the consumer too early would take
        (tmp_path / "go").touch()
        assert worker.process.wait(PATIENCE) == 0
    assert (tmp_path / "handled").exists()
    assert "Traceback" not in worker.output
    assert anyio.run(committed, brokers, "execution-coordinator", topic) == 1


def test_it_follows_its_files(tmp_path: Path, kafka: str, unique: str) -> None:
    topic = f"{unique}execution-events"
    write_files(tmp_path, kafka, unique)
    with started(tmp_path, "saga-orchestrator") as worker:
        worker.until("reading")
        worker.edit("KAFKA_SESSION_TIMEOUT_MS", "5000")
        worker.until("generation 2 is live: KAFKA_SESSION_TIMEOUT_MS")
        worker.edit("KAFKA_SESSION_TIMEOUT_MS", '"soon"')
        worker.until("reload rejected, generation 2 stays live")
        worker.edit("KAFKA_SESSION_TIMEOUT_MS", "5000")
        worker.until("the files are good again")
        worker.edit("KAFKA_CONSUMER_GROUP_ID", '"another"')  # in the base, where the override hides it
        worker.edit("KAFKA_MAX_POLL_RECORDS", "7")
        worker.until("generation 3 is live: KAFKA_MAX_POLL_RECORDS")
        assert "waiting for a restart" not in worker.output
        anyio.run(produce, kafka, topic, [EVENT])
        worker.until("execution.requested of execution e-17")
        assert worker.end(signal.SIGINT) == 0


def test_sighup_makes_it_look_at_once(tmp_path: Path, mock_kafka: str, unique: str) -> None:
    write_files(tmp_path, mock_kafka, unique, ENABLE_EVENT_STREAMING="false")
    with started(tmp_path, "pod-monitor") as worker:
        worker.until("reading")
        worker.edit("KAFKA_MAX_POLL_RECORDS", "7")
        worker.process.send_signal(signal.SIGHUP)
        worker.until("generation 2 is live")
        assert worker.end(signal.SIGTERM) == 0


def test_the_dlq_processor_reads_dead_letters(tmp_path: Path, kafka: str, unique: str) -> None:
    write_files(tmp_path, kafka, unique, DLQ_WARNING_THRESHOLD="1")
    anyio.run(produce, kafka, f"{unique}dead-letters", [b"letter"])
    with started(tmp_path, "dlq-processor") as worker:
        worker.until("there are 1 dead letters: warning")
        worker.until("dead letter .*dead-letters/.* after 0 retries")
        assert worker.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_can_be_stopped_while_it_waits_for_a_broker(tmp_path: Path, unique: str, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        write_files(tmp_path, f"127.0.0.1:{silent.getsockname()[1]}", unique)
        with started(tmp_path, "coordinator") as worker:
            connection, _ = silent.accept()
            with connection:
                assert worker.end(number) == 0, worker.output
    assert f"stopping on {number.name}" in worker.output
    assert "Traceback" not in worker.output


@pytest.mark.anyio
@pytest.mark.parametrize("after", [0.0, 0.1, 1.0])
async def test_it_can_be_stopped_before_it_has_joined(
    tmp_path: Path, mock_kafka: str, unique: str, after: float
) -> None:
    """The group's first member waits for three seconds, and belongs to it only then."""
    write_files(tmp_path, mock_kafka, unique)
    override = tmp_path / "config.coordinator.toml"
    override.write_text(f'KAFKA_CONSUMER_GROUP_ID = "{unique}"\n')
    files = {"config": tmp_path / "config.toml", "secrets": tmp_path / "secrets.toml"}
    before = asyncio.all_tasks()
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(work, WORKERS["coordinator"], override, **files))
            await anyio.sleep(after)
            signal.raise_signal(signal.SIGTERM)
    assert asyncio.all_tasks() == before


LIBRARY = """
import sys
from pathlib import Path
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from integr8scode.handlers import Worker
from integr8scode.worker import run

{host}

async def handle(message):
    trace.get_tracer("some.library").start_span("of a library").end()
    print(type(trace.get_tracer_provider()).__name__, file=sys.stderr)

folder = Path()
run(Worker(handle), folder / "config.coordinator.toml", config=folder / "config.toml", secrets=folder / "secrets.toml")
"""
HOST = """
class Hosts(TracerProvider): pass
trace.set_tracer_provider(Hosts())
"""


@pytest.mark.parametrize(
    ("host", "says", "names"),
    [("", "TracerProvider", ["of a library", "handle"]), (HOST, "Hosts", ["handle"])],
    ids=["none of the host's", "the host's stays"],
)
def test_spans_of_libraries_go_the_same_way_unless_the_host_has_its_own(
    tmp_path: Path, mock_kafka: str, unique: str, host: str, says: str, names: list[str]
) -> None:
    with otlp_collector() as collector:
        write_files(
            tmp_path, mock_kafka, unique, ENABLE_TRACING="true", OTEL_EXPORTER_OTLP_ENDPOINT=f'"{collector.address}"'
        )
        with started(tmp_path, "-c", LIBRARY.format(host=host)) as worker:
            worker.until("reading")
            anyio.run(produce, mock_kafka, f"{unique}execution-events", [EVENT])
            worker.until(f"(?m)^{says}$")
            assert worker.end(signal.SIGTERM) == 0
    assert "Overriding" not in worker.output
    assert collector.names == names


def test_an_unknown_name_is_answered_with_all_there_are(tmp_path: Path) -> None:
    with started(tmp_path, "barista") as worker:
        assert worker.process.wait(PATIENCE) == 2
        worker._reader.join()
    for name in ROOT.glob("config.*-*.toml"):
        assert name.name.split(".")[1] in worker.output
    assert "coordinator" in worker.output


@pytest.mark.parametrize(
    ("lacking", "says"),
    [
        ("config.coordinator.toml", r"config\.coordinator\.toml"),
        ("secrets.toml", r"secrets\.toml  no such file"),
        (None, "bootstrap"),
    ],
)
def test_why_it_cannot_start_is_said_in_a_line_or_two(
    tmp_path: Path, unique: str, lacking: str | None, says: str
) -> None:
    write_files(tmp_path, "127.0.0.1:1", unique)  # where nobody listens
    if lacking is not None:
        (tmp_path / lacking).unlink()
    with started(tmp_path, "coordinator") as worker:
        assert worker.process.wait(PATIENCE) == 1
        worker._reader.join()
    assert re.search(says, worker.output)
    assert "Traceback" not in worker.output
