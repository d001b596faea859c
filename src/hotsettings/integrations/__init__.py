"""What other libraries and servers get from live settings. The core imports none of it; import what you need by its name.

Both forms of a watch will do: the live object of ``async with``, and that of ``with`` and ``start()``.

asgi           one snapshot for the whole of a request: middleware for any ASGI application
wsgi           the same for any WSGI application, such as Flask's
django         the same for Django, under WSGI and ASGI                 hotsettings[django]
fastapi        what asgi pins, as a dependency of FastAPI               hotsettings[fastapi]
page           a page that shows what is live, and why, in a browser
logging        a logger whose level follows a setting
prometheus     how reloads go, for a Prometheus registry                hotsettings[prometheus]
opentelemetry  the same as OpenTelemetry metrics                        hotsettings[opentelemetry]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from .. import BlockingLive, Live

AnyLive: TypeAlias = "Live[Any] | BlockingLive[Any]"
