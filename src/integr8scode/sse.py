"""One open event stream: server-sent events to one client."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from anyio.lowlevel import checkpoint
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .fanout import PIECE, Fanout, Subscription

RETRY = b"retry: 2000\n\n"
"""How long a browser waits, in milliseconds, until it connects again."""
GOODBYE = b": the server is stopping; connect again\n\n"
STUCK = 10.0
"""Seconds in which a client must take a piece. If it does not, it is cut off."""
CUT_OFF = "integr8scode.cut_off"
"""The name of the server's ASGI extension: a function that resets the connection, whatever is still to be sent."""


class EventStream(Response):
    """A response that ends when the client has gone, or the fan-out is closed.

    ``heartbeat`` returns the seconds after which an idle stream gets a heartbeat. It is called again whenever the fan-out
    wakes its streams, so a new interval also applies to open streams. Each heartbeat says how long it is until the next
    one. If a client gets nothing for much longer, it knows that the connection is dead. A heartbeat is an event rather than
    a comment, because browsers do not show comments to scripts.
    """

    media_type = "text/event-stream"

    def __init__(self, fanout: Fanout, heartbeat: Callable[[], float], last_event_id: str | None = None) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["Content-Length"]
        self._fanout = fanout
        self._heartbeat = heartbeat
        self._last_event_id = last_event_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:

            async def until_disconnected() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                tasks.cancel_scope.cancel()

            tasks.start_soon(until_disconnected)
            with self._fanout.subscribe(self._last_event_id) as subscription:
                try:
                    await self._stream(subscription, send)
                except TimeoutError:
                    # Closing would not end the connection: it would wait for the client to take all that was written.
                    scope.get("extensions", {}).get(CUT_OFF, _leave_it)()
            tasks.cancel_scope.cancel()

    async def _stream(self, subscription: Subscription, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await _write(send, RETRY)
        told, written = 0.0, anyio.current_time()
        while not subscription.ended:
            interval = self._heartbeat()
            due = written + interval
            if frames := subscription.take():
                await _write(send, b"".join(frames))
                written = anyio.current_time()
            elif interval != told or anyio.current_time() >= due:
                await _write(send, b"event: heartbeat\ndata: %b\n\n" % str(interval).encode())
                told, written = interval, anyio.current_time()
            else:
                with anyio.CancelScope(deadline=due):
                    await subscription.news()
        await _write(send, GOODBYE, last=True)


async def _write(send: Send, body: bytes, *, last: bool = False) -> None:
    """Write in pieces: for each client, the server keeps a whole piece in memory until the client has taken it."""
    for start in range(0, len(body), PIECE):
        end = start + PIECE
        with anyio.fail_after(STUCK):
            more = not last or end < len(body)
            await send({"type": "http.response.body", "body": body[start:end], "more_body": more})
            await checkpoint()  # if send never waits, the other tasks must still get their turn


def _leave_it() -> None:
    """Do nothing: a server without the extension closes the connection of an incomplete response by itself."""
