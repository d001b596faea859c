"""HTTP responses over ASGI, piece by piece."""

from __future__ import annotations

from collections.abc import Mapping

from ..asgi import Receive, Scope, Send


async def start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    """Begin an answer."""
    encoded = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


async def body(send: Send, content: bytes, *, more: bool = False) -> None:
    """Send a part of an answer, the last one unless there is ``more``."""
    await send({"type": "http.response.body", "body": content, "more_body": more})


async def gone(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def path_below(scope: Scope) -> str:
    """The path below where the application is mounted: servers and frameworks differ in what of it they cut off.

    With Starlette, ``app_root_path`` is what a proxy has put before the whole; it need not be in the path.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    for mount in (root, root.removeprefix(scope.get("app_root_path", "").rstrip("/"))):
        if mount and (path == mount or path.startswith(mount + "/")):
            return path[len(mount) :]
    return path
