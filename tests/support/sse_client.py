"""A client of event streams on a bare socket: cheap enough to have hundreds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class SseClient:
    """Reads one stream to its end, and keeps what came: ``data`` of events, other ``events``, ``heartbeats``, ``comments``."""

    def __init__(self, port: int, last_event_id: str | None = None) -> None:
        self.status = 0
        self.data: list[str] = []
        self.events: list[str] = []
        self.heartbeats: list[str] = []
        """The interval that each has told."""
        self.comments: list[str] = []
        self.last_event_id = last_event_id
        self.ended = False
        self.ended_well = False
        """The response was ended as HTTP says, not cut off."""
        self._port = port
        self._opened = asyncio.Event()
        self._heard = asyncio.Event()

    async def run(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            header = f"Last-Event-ID: {self.last_event_id}\r\n" if self.last_event_id is not None else ""
            writer.write(f"GET /events HTTP/1.1\r\nHost: localhost\r\n{header}\r\n".encode())
            self.status = int((await reader.readline()).split()[1])
            while (await reader.readline()).strip():
                pass
            if self.status == 200:
                await self._read(reader)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.ended = True
            self._opened.set()
            self._heard.set()
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        rest = ""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            *blocks, rest = (rest + (await reader.readexactly(size + 2))[:-2].decode()).split("\n\n")
            for block in blocks:
                self._hear(block)
            self._opened.set()
            self._heard.set()
        self.ended_well = True

    def _hear(self, block: str) -> None:
        fields = {name: text for name, _, text in (line.partition(": ") for line in block.split("\n"))}
        self.last_event_id = fields.get("id", self.last_event_id)
        if fields.get("event") == "heartbeat":
            self.heartbeats.append(fields["data"])
        elif "event" in fields:
            self.events.append(fields["event"])
        elif "data" in fields:
            self.data.append(fields["data"])
        elif "" in fields:
            self.comments.append(fields[""])

    async def opened(self) -> None:
        await self._opened.wait()

    async def until(self, condition: Callable[[SseClient], bool], within: float = 30.0) -> None:
        """Wait until the client has heard what makes the condition true, or has ended."""
        async with asyncio.timeout(within):
            while not condition(self) and not self.ended:
                self._heard.clear()
                await self._heard.wait()
        assert condition(self), (self.status, self.events, self.comments, len(self.data))
