"""A worker process: ``python -m integr8scode.worker coordinator``.

Its name selects the override file, which gives it a consumer group of its own and its name in traces. SIGTERM
(or SIGINT) lets it finish the current batch, commit and leave, within 10 seconds. SIGHUP makes it read its files at
once.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
from aiokafka.errors import KafkaError

from hotsettings import SettingsError
from hotsettings.integrations.logging import follow_level

from . import stopping
from .consumers import membership
from .consuming import consume
from .handlers import WORKERS, Worker, traced
from .publisher import publisher
from .retries import Retries
from .settings import Settings
from .side_by_side import side_by_side
from .tracing import set_globally, tracing

logger = logging.getLogger("integr8scode.worker")  # and not "__main__"


async def work(worker: Worker, override: Path, *, config: Path, secrets: Path) -> None:
    """Work until told to stop. Raises SettingsError, KafkaError or TimeoutError if it cannot start."""
    watched = Settings.watch(config, override_path=override, secrets_path=secrets, reload_signal=signal.SIGHUP)
    with stopping.stopping() as signals:
        async with watched as live:
            follow_level(live, "LOG_LEVEL")
            topic = worker.topic(live.current)
            async with side_by_side() as held:
                provider = await held.enter(tracing(live))
                producers = await held.enter(publisher(live))
                members = await held.enter(membership(live, topic))
                set_globally(provider)
                async with anyio.create_task_group() as tasks:
                    if worker.beside is not None:
                        tasks.start_soon(worker.beside, live)
                    logger.info("reading %s as %s", topic, live.current.KAFKA_CONSUMER_GROUP_ID)
                    handle = traced(worker.handle, provider.get_tracer(logger.name))
                    with signals.inside(tasks.cancel_scope):  # the batch at hand still needs all of the above
                        await consume(live, members, Retries(live, producers), handle)


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m integr8scode.worker", description="Handle events from Kafka.")
    parser.add_argument("name", choices=WORKERS, help=f"one of {', '.join(WORKERS)}", metavar="NAME")
    parser.add_argument("--folder", default=Path(), type=Path, help="where the files are (default: here)")
    parser.add_argument("--config", type=Path, help="base settings (default: config.toml in the folder)")
    parser.add_argument("--secrets", type=Path, help="secrets (default: secrets.toml in the folder)")
    return parser.parse_args(arguments)


def run(worker: Worker, override: Path, *, config: Path, secrets: Path) -> None:
    """Run a worker as this process, until it is told to stop."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.WARNING)  # at INFO it tells of every rebalance at length
    try:
        stopping.run(lambda: work(worker, override, config=config, secrets=secrets))
    except SettingsError as error:
        sys.exit(str(error))
    except (KafkaError, TimeoutError) as error:
        sys.exit(f"cannot start: {error!r}")


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments)
    folder: Path = options.folder
    run(
        WORKERS[options.name],
        folder / f"config.{options.name}.toml",
        config=options.config or folder / "config.toml",
        secrets=options.secrets or folder / "secrets.toml",
    )


if __name__ == "__main__":
    main()
