"""One snapshot for the whole of a request: a reload in its middle does not show.

Middleware for any WSGI application, such as Flask's. It adds one key to the environ and looks at nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .. import Snapshot
from . import AnyLive
from .pinning import KEY, pinned_snapshot, with_newest

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

S = TypeVar("S")


class PinnedSettings:
    """WSGI middleware that pins the newest snapshot to each request: ``app.wsgi_app = PinnedSettings(app.wsgi_app, live)``.

    ``settings_of(environ, Settings)`` gives the settings of that snapshot; Flask has the environ in ``request.environ``.
    ``live`` may also be a function that returns the live object, for an application that starts it later.

    Where several are nested, the same live object stays pinned as the outermost has seen it.
    """

    def __init__(self, app: WSGIApplication, live: AnyLive | Callable[[], AnyLive]) -> None:
        self._app = app
        self._live = live

    def __call__(self, environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Hand a request on with the newest snapshot pinned to it."""
        return self._app({**environ, KEY: with_newest(environ, self._live)}, start_response)


@overload
def settings_of(environ: Mapping[str, Any]) -> Any: ...


@overload
def settings_of(environ: Mapping[str, Any], cls: type[S]) -> S: ...


def settings_of(environ: Mapping[str, Any], cls: type[Any] = object) -> Any:
    """Return the settings that are pinned to a request: ``settings_of(request.environ, Settings)``.

    Naming the class types the result, and chooses where there are several. Raises LookupError if there are none.
    """
    return snapshot_of(environ, cls).settings


@overload
def snapshot_of(environ: Mapping[str, Any]) -> Snapshot[Any]: ...


@overload
def snapshot_of(environ: Mapping[str, Any], cls: type[S]) -> Snapshot[S]: ...


def snapshot_of(environ: Mapping[str, Any], cls: type[Any] = object) -> Snapshot[Any]:
    """Return the snapshot that is pinned to a request, which knows its generation too. Raises LookupError."""
    remedy = "wrap the application in PinnedSettings(app, live)"
    return pinned_snapshot(environ, cls, name="WSGI environ", remedy=remedy)
