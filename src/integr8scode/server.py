"""The API server: ``python -m integr8scode.server``.

It opens everything that follows the settings, in the order of its dependencies, and closes it in reverse order. It listens
as SERVER_HOST, SERVER_PORT, SSL_CERTFILE and SSL_KEYFILE say, unless an option says otherwise.
"""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import ssl
import struct
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import uvicorn
from aiokafka.errors import KafkaError
from starlette.types import ASGIApp, Receive, Scope, Send

from hotsettings import Live, SettingsError
from hotsettings.integrations.logging import follow_level

from . import stopping
from .api import Api, application
from .fanout import Fanout
from .listening import CannotListen, certificate, listening, url
from .proxies import TrustedProxies
from .publisher import publisher
from .rate_limits import Counters, limits_in, readable
from .settings import Settings
from .settings_access import Password, guarded_settings_page
from .side_by_side import side_by_side
from .sse import CUT_OFF
from .stopping import FINISHING
from .streams import event_streams

logger = logging.getLogger("integr8scode.server")  # and not "__main__"


NO_LINGERING = struct.pack("ii", 1, 0)


class Server(uvicorn.Server):
    """Uvicorn, but this module decides when it stops, and it can stop while event streams are open.

    Uvicorn waits for open responses, and a stream does not end by itself. So this class ends them.
    """

    def __init__(self, app: ASGIApp, fanout: Fanout, address: str, backlog: int, tls: ssl.SSLContext | None) -> None:
        async def with_cut_off(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[CUT_OFF] = partial(self.cut_off, scope["client"])
            await app(scope, receive, send)

        super().__init__(config_of(with_cut_off, backlog, tls))
        self._fanout = fanout
        self._address = address

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone. Uvicorn would raise them again at the end, and kill the process before everything is closed."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        logger.info("listening on %s", self._address)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._fanout.close()
        await super().shutdown(sockets)

    def cut_off(self, client: tuple[str, int]) -> None:
        """Reset the connection of a client. Data that it has not taken is dropped, here and in the kernel."""
        for connection in list(self.server_state.connections):
            if getattr(connection, "client", None) is client:
                connected: socket.socket = connection.transport.get_extra_info("socket")
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGERING)
                connection.transport.abort()

    def stop(self, _: signal.Signals) -> None:
        self.force_exit = self.should_exit  # the second time
        self.should_exit = True


@asynccontextmanager
async def everything(
    live: Live[Settings], password: Password | None, proxies: TrustedProxies | None = None
) -> AsyncGenerator[tuple[ASGIApp, Fanout], None]:
    """Hold everything that serves requests; all of it follows the settings."""
    limits_in(live.current.RATE_LIMITS)
    veto = live.prepare(readable, "RATE_LIMITS")
    level = follow_level(live, "LOG_LEVEL")
    fanout = Fanout()
    async with side_by_side() as held:
        pool = await held.enter(event_streams(live, fanout))
        producer = await held.enter(publisher(live))
        page = guarded_settings_page(live, password) if password else None
        yield application(Api(live, fanout, pool, producer), Counters(), page, proxies), fanout
    level.cancel()
    veto.cancel()


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP looks at the files now.

    Raises SettingsError, CannotListen and KafkaError at the start.
    """
    watched = Settings.watch(
        options.config, secrets_path=options.secrets, override_path=options.override, reload_signal=signal.SIGHUP
    )
    password = Password(options.settings_page) if options.settings_page else None
    with stopping.stopping() as signals:
        async with watched as live:
            tls = None if options.http else certificate(live)
            with listening(live, options.host, options.port) as sockets:
                address = url(sockets, options.host or live.current.SERVER_HOST, tls=tls is not None)
                async with everything(live, password, options.trusted_proxies) as (app, fanout):
                    server = Server(app, fanout, address, live.current.WEB_BACKLOG, tls)
                    with signals.instead(server.stop):
                        await server.serve(sockets)


def config_of(app: ASGIApp, backlog: int, tls: ssl.SSLContext | None) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        backlog=backlog,
        lifespan="off",
        log_config=None,
        proxy_headers=False,  # Uvicorn would trust everybody on this machine; see proxies.py
        timeout_graceful_shutdown=round(FINISHING),
    )
    config.load()
    config.ssl = tls
    return config


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m integr8scode.server", description="Serve the API.")
    parser.add_argument("--config", default="config.toml", help="base settings (default: %(default)s)")
    parser.add_argument("--secrets", default="secrets.toml", help="secrets (default: %(default)s)")
    parser.add_argument("--override", help="further settings on top")
    parser.add_argument("--host", help="address to listen on (default: SERVER_HOST)")
    parser.add_argument("--port", type=port, help="port to listen on, 0 for a free one (default: SERVER_PORT)")
    parser.add_argument(
        "--http", action="store_true", help="no TLS, whatever SSL_CERTFILE says: behind a proxy, for a try"
    )
    parser.add_argument(
        "--settings-page",
        metavar="FILE",
        type=Path,
        help="show the settings at /settings to who knows the password in FILE",
    )
    parser.add_argument(
        "--trusted-proxies",
        metavar="ADDRESSES",
        type=trusted,
        default=TrustedProxies(),
        help="trust X-Forwarded-For from these, separated by commas: 10.0.0.0/8,127.0.0.1 (default: from nobody)",
    )
    return parser.parse_args(arguments)


def port(text: str) -> int:
    if text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError("expected 0 to 65535")


def trusted(text: str) -> TrustedProxies:
    try:
        return TrustedProxies(each.strip() for each in text.split(",") if each.strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.WARNING)  # at DEBUG it tells of every request
    try:
        stopping.run(serve, options)
    except (KafkaError, TimeoutError) as error:
        sys.exit(f"cannot start: {error!r}")
    except (SettingsError, CannotListen, ValueError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
