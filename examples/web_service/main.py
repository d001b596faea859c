"""A web service with a database: the connection pool is rebuilt when its settings change.

    python main.py
    curl --json '{"text": "buy milk"}' http://127.0.0.1:8000/notes
    curl http://127.0.0.1:8000/notes
    curl http://127.0.0.1:8000/health

Edit config.toml:

- PAGE_SIZE applies to the next request.
- POOL_SIZE and BUSY_TIMEOUT build a new pool; requests that have begun continue with the old one.
- DATABASE: another database is opened only if it has notes. Otherwise the log says why, and the change is retried.
"""

import logging
import sqlite3
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Annotated, Any, TypeVar

import anyio
import msgspec
import uvicorn
from anyio import to_thread
from msgspec import Meta, Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hotsettings import BaseSettings, Change, Live, Resource, RestartRequired, SettingsError
from hotsettings.integrations.asgi import PinnedSettings, settings_of

T = TypeVar("T")


class Settings(BaseSettings):
    PORT: RestartRequired[int] = 8000
    DATABASE: Annotated[str, Meta(min_length=1, description="A file of SQLite.")] = "notes.db"
    POOL_SIZE: Annotated[int, Meta(ge=1, le=20, description="Connections to it.")] = 4
    BUSY_TIMEOUT: Annotated[float, Meta(gt=0, description="Seconds to wait for another writer.")] = 5.0
    PAGE_SIZE: Annotated[int, Meta(ge=1, le=100)] = 20


class Note(Struct, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1, max_length=1000)]


class Pool:
    """A connection pool. Each connection serves one request at a time, and is used in a thread."""

    def __init__(self, connections: list[sqlite3.Connection]) -> None:
        self._free = connections
        self._turns = anyio.Semaphore(len(connections))

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        async with self._turns:
            connection = self._free.pop()
            try:
                return await to_thread.run_sync(work, connection)
            finally:
                self._free.append(connection)


@asynccontextmanager
async def pool(settings: Settings) -> AsyncGenerator[Pool, None]:
    with ExitStack() as opened:
        yield Pool(
            [
                opened.enter_context(closing(await to_thread.run_sync(connected, settings)))
                for _ in range(settings.POOL_SIZE)
            ]
        )


def connected(settings: Settings) -> sqlite3.Connection:
    uri = f"{Path(settings.DATABASE).absolute().as_uri()}?mode=rw"  # never make one because of a typo
    return sqlite3.connect(uri, settings.BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, uri=True)


async def has_notes(change: Change[Settings]) -> None:
    """Veto a database without notes, before a pool is built for it."""
    await to_thread.run_sync(look_for_notes, change.new)


def look_for_notes(settings: Settings) -> None:
    try:
        with closing(connected(settings)) as connection:
            connection.execute("SELECT id, text FROM notes LIMIT 1").fetchall()
    except sqlite3.Error as error:
        raise ValueError(f"DATABASE = {settings.DATABASE!r}: {error}") from None


async def add(request: Request) -> Response:
    try:
        note = msgspec.json.decode(await request.body(), type=Note)
    except msgspec.DecodeError as error:
        return JSONResponse({"detail": str(error)}, 422)

    def insert(connection: sqlite3.Connection) -> int | None:
        return connection.execute("INSERT INTO notes (text) VALUES (?)", (note.text,)).lastrowid

    database: Resource[Pool] = request.app.state.database
    async with database.lease() as pool:  # it stays open until the answer is known, whatever is edited meanwhile
        return JSONResponse({"id": await pool.run(insert)}, 201)


async def newest(request: Request) -> Response:
    limit = settings_of(request.scope, Settings).PAGE_SIZE

    def select(connection: sqlite3.Connection) -> list[tuple[int, str]]:
        return connection.execute("SELECT id, text FROM notes ORDER BY id DESC LIMIT ?", (limit,)).fetchall()

    database: Resource[Pool] = request.app.state.database
    async with database.lease() as pool:
        notes = await pool.run(select)
    return JSONResponse([{"id": number, "text": text} for number, text in notes])


async def health(request: Request) -> Response:
    live: Live[Settings] = request.app.state.live
    status = live.status
    # Anybody may ask, so why an edit was rejected stands in the log alone.
    said: dict[str, Any] = {"generation": status.generation, "healthy": status.healthy}
    return JSONResponse(said | {"pending_restart": sorted(status.pending_restart)})


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
    async with Settings.watch() as live, live.resource(pool, "DATABASE", "POOL_SIZE", "BUSY_TIMEOUT") as database:
        live.prepare(has_notes, "DATABASE")
        app.state.live, app.state.database = live, database
        yield


app = Starlette(
    routes=[
        Route("/notes", add, methods=["POST"]),
        Route("/notes", newest, methods=["GET"]),
        Route("/health", health),
    ],
    lifespan=lifespan,
)
app.add_middleware(PinnedSettings, lambda: app.state.live)


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # or nobody hears why an edit was rejected
    try:
        settings = Settings()
        with closing(sqlite3.connect(settings.DATABASE)) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    except (SettingsError, sqlite3.Error) as error:
        sys.exit(str(error))
    uvicorn.run(app, host="127.0.0.1", port=settings.PORT)


if __name__ == "__main__":
    main()
