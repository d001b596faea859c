"""A process ends within the grace after SIGTERM, whatever broker, collector, clients and handlers do.

The scenes mostly wait, so all of them run at the same time, once.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

import anyio
import pytest
from support.api_server import api_server
from support.integr8scode_files import write_files
from support.kafka_worker import PATIENCE, committed, produce
from support.worker_process import Process, broker, started

from integr8scode.stopping import FINISHING, GRACE

pytestmark = pytest.mark.slow
EVENT = b'{"execution_id": "e-17", "kind": "execution.requested"}'
TOPIC = "t-execution-events"
GROUP = "execution-coordinator"


class Ending(NamedTuple):
    seconds: float
    status: int
    output: str


def ended(worker: Process) -> Ending:
    began = monotonic()
    status = worker.end(signal.SIGTERM)
    return Ending(monotonic() - began, status, worker.output)


def appears(path: Path) -> None:
    deadline = monotonic() + PATIENCE
    while not path.exists():
        assert monotonic() < deadline, path
        sleep(0.01)


RUN = """
run(Worker(handle), Path("config.coordinator.toml"), config=Path("config.toml"), secrets=Path("secrets.toml"))
"""
HANDLER = f"""
import threading, time
from pathlib import Path
import anyio
from integr8scode.handlers import Worker
from integr8scode.worker import run

async def handle(message):
    if Path("begun").exists():
        Path("at it").touch()
        BODY
    Path("begun").touch()
{RUN}"""
JOINING = f"""
from pathlib import Path
from integr8scode.handlers import Worker
from integr8scode.members import Member
from integr8scode.worker import run

placed = Member.placed

async def tell_and_wait(self):
    Path("begun").touch()
    await placed(self)

Member.placed = tell_and_wait

async def handle(message):
    pass
{RUN}"""
SLOW_EXPORTER = f"""
import time
from pathlib import Path
from integr8scode import exporting
from integr8scode.handlers import Worker
from integr8scode.worker import run

class Slow(exporting.Collector):
    def __init__(self, address):
        Path("begun").touch()
        time.sleep(1)
        super().__init__(address)

exporting.Collector = Slow

async def handle(message):
    pass
{RUN}"""


def while_the_exporter_is_made(folder: Path) -> Ending:
    write_files(folder, "127.0.0.1:1", "t-", ENABLE_TRACING="true", OTEL_EXPORTER_OTLP_ENDPOINT='"http://127.0.0.1:1"')
    with started(folder, "-c", SLOW_EXPORTER) as worker:
        appears(folder / "begun")
        ending = ended(worker)
    assert ending.seconds < FINISHING, "there is nothing to finish, and nothing to send"
    return ending


def before_it_has_joined(folder: Path) -> Ending:
    with broker() as (servers, process), socket.create_server(("127.0.0.1", 0)) as collector:
        address = f'"http://127.0.0.1:{collector.getsockname()[1]}"'
        write_files(folder, servers, "t-", ENABLE_TRACING="true", OTEL_EXPORTER_OTLP_ENDPOINT=address)
        with started(folder, "-c", JOINING) as worker:
            appears(folder / "begun")
            sleep(1)  # of the three seconds that a group's first member waits
            process.send_signal(signal.SIGSTOP)
            return ended(worker)


def with_a_dead_broker(folder: Path) -> Ending:
    with broker() as (servers, process):
        write_files(folder, servers, "t-")
        with started(folder, "dlq-processor") as worker:
            worker.until("reading")
            process.send_signal(signal.SIGSTOP)
            return ended(worker)


def in_the_middle_of_a_rebuild(folder: Path) -> Ending:
    with broker() as (servers, process):
        write_files(folder, servers, "t-", KAFKA_ENABLE_AUTO_COMMIT="true")
        with started(folder, "coordinator") as worker:
            worker.until("reading")
            anyio.run(produce, servers, TOPIC, [EVENT])
            worker.until("of execution e-17")
            process.send_signal(signal.SIGSTOP)
            worker.edit("KAFKA_SESSION_TIMEOUT_MS", "5000")
            sleep(2)
            return ended(worker)


def with_a_handler_that_does_not_end(folder: Path) -> Ending:
    """And with a collector that takes nothing."""
    with broker() as (servers, _), socket.create_server(("127.0.0.1", 0)) as collector:
        address = f'"http://127.0.0.1:{collector.getsockname()[1]}"'
        write_files(folder, servers, "t-", ENABLE_TRACING="true", OTEL_EXPORTER_OTLP_ENDPOINT=address)
        with started(folder, "-c", HANDLER.replace("BODY", "await anyio.sleep_forever()")) as worker:
            worker.until("reading")
            anyio.run(produce, servers, TOPIC, [EVENT, EVENT])
            appears(folder / "begun")
            ending = ended(worker)
        assert anyio.run(committed, servers, GROUP, TOPIC) == 1, "what was handled, and no more"
        return ending


def with_a_thread_that_does_not_end(folder: Path) -> Ending:
    with broker() as (servers, _):
        write_files(folder, servers, "t-")
        body = "threading.Thread(target=time.sleep, args=[3600]).start()"
        with started(folder, "-c", HANDLER.replace("BODY", body)) as worker:
            worker.until("reading")
            anyio.run(produce, servers, TOPIC, [EVENT, EVENT])
            appears(folder / "begun")
            ending = ended(worker)
        assert anyio.run(committed, servers, GROUP, TOPIC) == 2
        return ending


def with_a_handler_that_blocks(folder: Path) -> Ending:
    """The event loop does not get to know of the signal at all."""
    with broker() as (servers, _):
        write_files(folder, servers, "t-")
        with started(folder, "-c", HANDLER.replace("BODY", "time.sleep(3600)")) as worker:
            worker.until("reading")
            anyio.run(produce, servers, TOPIC, [EVENT, EVENT])
            appears(folder / "at it")
            ending = ended(worker)
        assert anyio.run(committed, servers, GROUP, TOPIC) == 0, "all of it is handled again"
        return ending


def with_clients_of_the_api_that_do_nothing(folder: Path) -> Ending:
    """One that reads no event, and one that does not send what it has announced; the broker is dead."""
    with broker() as (servers, process):
        config: Mapping[str, object] = {
            "KAFKA_BOOTSTRAP_SERVERS": servers,
            "ENABLE_EVENT_STREAMING": True,
            "SSE_CONSUMER_POOL_SIZE": 2,
            "LOG_LEVEL": "INFO",
        }
        with api_server(folder, dict(config)) as server:
            address = ("127.0.0.1", server.port)
            with socket.create_connection(address) as deaf, socket.create_connection(address) as slow:
                deaf.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
                slow.sendall(b"POST /api/v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
                server.wait_for_figures(lambda figures: figures["sse_clients"] == 1)
                process.send_signal(signal.SIGSTOP)
                began = monotonic()
                status = server.terminate()
                return Ending(monotonic() - began, status, server.output)


SCENES: list[Callable[[Path], Ending]] = [
    while_the_exporter_is_made,
    before_it_has_joined,
    with_a_dead_broker,
    in_the_middle_of_a_rebuild,
    with_a_handler_that_does_not_end,
    with_a_thread_that_does_not_end,
    with_a_handler_that_blocks,
    with_clients_of_the_api_that_do_nothing,
]


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[Ending]]:
    folders = {scene: tmp_path_factory.mktemp(scene.__name__) for scene in SCENES}
    with ThreadPoolExecutor(len(SCENES)) as pool:
        return {scene.__name__: pool.submit(scene, folder) for scene, folder in folders.items()}


@pytest.mark.parametrize("name", [scene.__name__ for scene in SCENES])
def test_it_ends_within_the_grace(endings: dict[str, Future[Ending]], name: str) -> None:
    ending = endings[name].result()
    assert ending.seconds < GRACE, ending.output
    blocked = name == with_a_handler_that_blocks.__name__
    ended_hard = blocked or name == with_a_thread_that_does_not_end.__name__
    assert ending.status == (1 if blocked else 0), ending.output
    assert ("ending hard" in ending.output) == ended_hard, ending.output
    assert ("stopping on SIGTERM" in ending.output) != blocked
