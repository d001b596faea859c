"""Workers: a connection that follows the settings, and a Kafka consumer that does."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from support.example_process import Example, LinesServer, lines_server

Make = Callable[[str], Example]


def readings(*servers: LinesServer) -> list[int]:
    return [int(line.removeprefix("reading ")) for server in servers for line in server.lines()]


def test_worker(example: Make) -> None:
    worker = example("worker")
    with lines_server() as first, lines_server() as second:
        worker.edit("config.toml", PORT=str(first.port), INTERVAL="0.01")
        worker.start()
        worker.until(lambda: len(readings(first)) > 3)

        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # and does not listen
            worker.edit("config.toml", PORT=str(nobody.getsockname()[1]))
            worker.until_said("reload rejected, generation 1 stays live")
        before = len(readings(first))
        worker.until(lambda: len(readings(first)) > before + 3)

        worker.edit("config.toml", PORT=str(second.port))
        worker.until(lambda: len(readings(second)) > 3)
        worker.until(lambda: first.lines() and first.ended == 1)
        second.hang_up()
        worker.until(lambda: (second.lines(), len(second.connections) == 2)[1])
        before = len(readings(second))
        worker.until(lambda: len(readings(second)) > before + 3)

        assert worker.end() == 0
        # The old connection was open until the new one was used: nothing is missing up to there, and nothing came twice.
        assert readings(first) == list(range(len(readings(first))))
        assert min(readings(second)) == len(readings(first))
        assert len(set(readings(second))) == len(readings(second))
        assert "the collector has hung up" in worker.err


def test_worker_without_a_collector(example: Make) -> None:
    worker = example("worker")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        worker.edit("config.toml", PORT=str(nobody.getsockname()[1]))
        done = worker.run()
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_worker_ends(example: Make, number: int) -> None:
    worker = example("worker")
    with lines_server() as server:
        worker.edit("config.toml", PORT=str(server.port))
        worker.start()
        worker.until(server.lines)
        assert worker.end(number) == 0
        worker_said = worker.out + worker.err
    assert worker_said == ""


def produce(servers: str, topic: str, *values: str) -> None:
    producer = Producer({"bootstrap.servers": servers})
    for value in values:
        producer.produce(topic, value.encode(), partition=0)  # only there is an order
    assert producer.flush(30) == 0


def test_kafka_consumer(example: Make, mock_kafka: str, unique: str) -> None:
    consumer = example("kafka_consumer")
    one, two = f"{unique}one", f"{unique}two"
    produce(mock_kafka, one, "a", "b")
    produce(mock_kafka, two, "x")
    consumer.edit("config.toml", BOOTSTRAP_SERVERS=f'"{mock_kafka}"', TOPIC=f'"{one}"', GROUP=f'"{unique}"')
    consumer.edit("config.toml", SESSION_TIMEOUT_MS="4000")
    consumer.start()
    consumer.until_said("handled a", "handled b")

    consumer.edit("config.toml", BOOTSTRAP_SERVERS='"127.0.0.1:1"')
    consumer.until_said("reload rejected, generation 1 stays live", "KafkaConnectionError")
    consumer.until(lambda: consumer.out.count(f"reading {one}") >= 2)  # the old one is back
    consumer.edit("config.toml", BOOTSTRAP_SERVERS=f'"{mock_kafka}"', MAX_RECORDS="1")
    produce(mock_kafka, one, "c", "d")
    consumer.until_said("handled c", "handled d")

    consumer.edit("config.toml", TOPIC=f'"{two}"')
    consumer.until_said(f"reading {two}", "handled x")
    assert consumer.end() == 0
    handled = [line for line in consumer.out.splitlines() if line.startswith("handled")]
    assert handled == [f"handled {value}" for value in "abcdx"]


def test_kafka_consumer_without_kafka(example: Make) -> None:
    consumer = example("kafka_consumer")
    consumer.edit("config.toml", BOOTSTRAP_SERVERS='"127.0.0.1:1"')
    done = consumer.run()
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "127.0.0.1:1" in done.stderr
