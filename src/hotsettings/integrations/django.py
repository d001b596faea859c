"""One snapshot for the whole of a request in Django, under WSGI and ASGI. Needs the extra ``hotsettings[django]``.

In Django's settings module::

    HOTSETTINGS = Settings.watch().start()
    MIDDLEWARE = ["hotsettings.integrations.django.PinnedSettings", ...]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from .. import Snapshot
from .._extras import missing
from .pinning import KEY, pinned_snapshot, with_newest

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.conf import settings as django_settings
    from django.http import HttpRequest
except ModuleNotFoundError as error:
    raise missing("django", error) from error

S = TypeVar("S")


class PinnedSettings:
    """Middleware that pins the newest snapshot of ``HOTSETTINGS`` to each request.

    ``HOTSETTINGS`` in Django's settings is a live object, or a function that returns it. It stands best before all other
    middleware. Development server and test client have it too, unlike a wrapper around ``get_wsgi_application()``.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):  # pyright: ignore[reportDeprecated]  # before Python 3.12 it is needed
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Hand a request on with the newest snapshot pinned to it."""
        request.META[KEY] = with_newest(request.META, django_settings.HOTSETTINGS)
        return self._get_response(request)


@overload
def settings_of(request: HttpRequest) -> Any: ...


@overload
def settings_of(request: HttpRequest, cls: type[S]) -> S: ...


def settings_of(request: HttpRequest, cls: type[Any] = object) -> Any:
    """Return the settings that are pinned to a request: ``settings_of(request, Settings)``.

    Naming the class types the result, and chooses where there are several. Raises LookupError if there are none.
    """
    return snapshot_of(request, cls).settings


@overload
def snapshot_of(request: HttpRequest) -> Snapshot[Any]: ...


@overload
def snapshot_of(request: HttpRequest, cls: type[S]) -> Snapshot[S]: ...


def snapshot_of(request: HttpRequest, cls: type[Any] = object) -> Snapshot[Any]:
    """Return the snapshot that is pinned to a request, which knows its generation too. Raises LookupError."""
    remedy = "put hotsettings.integrations.django.PinnedSettings into MIDDLEWARE"
    return pinned_snapshot(request.META, cls, name="request", remedy=remedy)
