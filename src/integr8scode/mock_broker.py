"""Kafka to try the application with, where there is none: ``python -m integr8scode.mock_broker``.

It is the mock cluster that librdkafka tests itself with: the real protocol, consumer groups included, on a free port of
the loopback address. Everything is kept in memory and gone with the process.

It is no measure of how long a rebalance takes: a group's first member waits for three seconds, one that comes back for its
session timeout, less a second. Set KAFKA_SESSION_TIMEOUT_MS to between 4000 and 10000 with it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager

from confluent_kafka import KafkaException, Producer

READY_WITHIN = 10.0


@contextmanager
def mock_broker(brokers: int = 1) -> Generator[str, None, None]:
    """Run a mock cluster for the length of a block, and give what KAFKA_BOOTSTRAP_SERVERS has to be."""
    # The cluster lives as long as the client that it was asked of. It tells of itself at level 5, a notice.
    client = Producer({"test.mock.num.brokers": brokers, "log_level": 4})
    try:
        known = client.list_topics(timeout=READY_WITHIN).brokers.values()
        yield ",".join(f"{broker.host}:{broker.port}" for broker in known)
    finally:
        del client


def main() -> None:
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    try:
        with mock_broker() as servers:
            sys.stdout.write(f'KAFKA_BOOTSTRAP_SERVERS = "{servers}"\n')
            sys.stdout.flush()
            signal.sigwait(stop)
    except KafkaException as error:
        raise SystemExit(f"the mock cluster does not start: {error}") from error


if __name__ == "__main__":
    main()
