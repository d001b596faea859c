"""Brokers to test with: Apache Kafka itself, and the mock cluster of librdkafka.

``kafka`` and ``mock_kafka`` are bootstrap servers; ``brokers`` is each of them in turn. A test that uses the real one is
marked ``kafka`` by itself. One broker of each kind serves the whole session: use topics and groups of your own.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from support.needed import lacking
from support.real_kafka import missing, real_kafka

from integr8scode import mock_broker

KINDS = ["mock_kafka", pytest.param("kafka", marks=pytest.mark.kafka)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.kafka)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real Kafka."""
    if reason := missing():
        lacking(reason)
    with real_kafka(tmp_path_factory.mktemp("kafka")) as servers:
        yield servers


@pytest.fixture(scope="session")
def mock_kafka() -> Iterator[str]:
    """Bootstrap servers of the mock cluster inside librdkafka.

    In a process of its own: it is C, and a fault of it must not take the tests along.
    """
    with subprocess.Popen([sys.executable, "-m", mock_broker.__name__], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield tomllib.loads(process.stdout.readline())["KAFKA_BOOTSTRAP_SERVERS"]
        finally:
            process.terminate()


@pytest.fixture(params=KINDS)
def brokers(request: pytest.FixtureRequest) -> Any:
    """Bootstrap servers of a real Kafka, and of the mock cluster."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def unique() -> str:
    """A name for what other tests must not meet: a topic prefix, a consumer group."""
    return f"t{uuid4().hex[:8]}-"


@pytest.fixture(params=[("asyncio", {}), ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Kafka's client is written for asyncio."""
    return request.param
