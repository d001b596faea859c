"""The settings of a request as a dependency of FastAPI. Needs the extra ``hotsettings[fastapi]``."""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeVar

from .._extras import missing
from .asgi import settings_of

try:
    from fastapi.requests import HTTPConnection
except ModuleNotFoundError as error:
    raise missing("fastapi", error) from error

S = TypeVar("S")


def pinned(cls: type[S]) -> Callable[[HTTPConnection], Awaitable[S]]:
    """Return the dependency that gives what ``PinnedSettings`` has pinned to the request or websocket.

    ``settings: Annotated[Settings, Depends(pinned(Settings))]``. For one class it is always the same function, so tests
    can replace it: ``app.dependency_overrides[pinned(Settings)] = lambda: settings``.
    """
    known: Any = cls
    return _dependency(known)


@cache
def _dependency(cls: type[Any]) -> Callable[[HTTPConnection], Awaitable[Any]]:
    # async, though it awaits nothing: FastAPI sends other functions through its thread pool
    async def dependency(connection: HTTPConnection) -> Any:
        return settings_of(connection.scope, cls)

    return dependency
