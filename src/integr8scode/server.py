"""The API server: ``python -m integr8scode.server``.

Everything that follows the settings is opened here, in the order in which one thing needs the other, and closed in
reverse. It listens on the loopback address unless it is told otherwise.
"""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import uvicorn
from anyio.abc import TaskStatus
from starlette.types import ASGIApp

from hotsettings import Live, SettingsError
from hotsettings.integrations.logging import follow_level

from .api import Api, application
from .fanout import Fanout
from .publisher import publisher
from .rate_limits import Counters, limits_in, readable
from .settings import Settings
from .settings_access import Password, guarded_settings_page
from .streams import event_streams

GRACE = 5
"""Seconds that open requests get when the server is told to stop."""


class Server(uvicorn.Server):
    """Uvicorn, but told by this module when to stop, and able to stop while event streams are open.

    It waits for open responses, and a stream has no end of its own: it is given one.
    """

    def __init__(self, config: uvicorn.Config, fanout: Fanout) -> None:
        super().__init__(config)
        self._fanout = fanout

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone. Uvicorn would raise them once more at the end, and kill what is still to be closed."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._fanout.close()
        await super().shutdown(sockets)

    async def stop_on_signal(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for _ in signals:
                self.force_exit = self.should_exit  # the second time
                self.should_exit = True


@asynccontextmanager
async def everything(live: Live[Settings], password: Password | None) -> AsyncGenerator[tuple[ASGIApp, Fanout], None]:
    """Hold what serves requests, all of it following the settings."""
    limits_in(live.current.RATE_LIMITS)
    veto = live.prepare(readable, "RATE_LIMITS")
    level = follow_level(live, "LOG_LEVEL")
    fanout = Fanout()
    async with event_streams(live, fanout) as pool, publisher(live) as producer:
        page = guarded_settings_page(live, password) if password else None
        yield application(Api(live, fanout, pool, producer), Counters(), page), fanout
    level.cancel()
    veto.cancel()


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP looks at the files now. Raises SettingsError and KafkaError at the start."""
    watched = Settings.watch(
        options.config, secrets_path=options.secrets, override_path=options.override, reload_signal=signal.SIGHUP
    )
    password = Password(options.settings_page) if options.settings_page else None
    async with watched as live, everything(live, password) as (app, fanout):
        config = uvicorn.Config(
            app,
            host=options.host,
            port=options.port,
            backlog=live.current.WEB_BACKLOG,
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=GRACE,
        )
        server = Server(config, fanout)
        async with anyio.create_task_group() as tasks:
            await tasks.start(server.stop_on_signal)
            await server.serve()
            tasks.cancel_scope.cancel()


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m integr8scode.server", description="Serve the API.")
    parser.add_argument("--config", default="config.toml", help="base settings (default: %(default)s)")
    parser.add_argument("--secrets", default="secrets.toml", help="secrets (default: %(default)s)")
    parser.add_argument("--override", help="further settings on top")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", default=8000, type=int, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--settings-page",
        metavar="FILE",
        type=Path,
        help="show the settings at /settings to who knows the password in FILE",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.WARNING)  # at DEBUG it tells of every request
    try:
        anyio.run(serve, options)
    except (SettingsError, ValueError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
