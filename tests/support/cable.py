"""A cable between a client and a server: every connection that goes through it can be cut."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Cable:
    """Leads to ``target``, a port of the loopback address, which may be another one later."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_cut = False

    def cut(self) -> None:
        """Cut every connection, and every new one, until it is mended."""
        self._call(True)

    def mend(self) -> None:
        self._call(False)

    def _call(self, is_cut: bool) -> None:
        async def do() -> None:
            self._is_cut = is_cut
            for writer in self._writers if is_cut else ():
                writer.transport.abort()

        asyncio.run_coroutine_threadsafe(do(), self._loop).result(30)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        there, here = await asyncio.open_connection("127.0.0.1", self.target)
        pair = {writer, here}
        self._writers |= pair
        await asyncio.gather(_copy(reader, here), _copy(there, writer))
        self._writers -= pair

    async def _run(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._listening)
        await self._stop.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))

    @contextmanager
    def laid(self) -> Iterator[Cable]:
        thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])
        thread.start()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(30)
            assert not thread.is_alive()
            self._loop.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
