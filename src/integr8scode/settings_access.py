"""Who may see the settings page: whoever knows a password that the operator has put into a file of its own.

An address says nothing: behind a proxy or a forwarded port every client seems to come from this machine.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from pathlib import Path

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from hotsettings import Live
from hotsettings.integrations.page import settings_page

from .settings import Settings

SHORTEST = 12
CHALLENGE = {"WWW-Authenticate": 'Basic realm="settings", charset="UTF-8"'}


class Password:
    """Knows whether a request brings the password (HTTP Basic, any user name)."""

    def __init__(self, file: Path) -> None:
        self._expected = file.read_text(encoding="utf-8").strip().encode()
        if len(self._expected) < SHORTEST:
            raise ValueError(f"{file}: the password must have {SHORTEST} bytes or more")

    def __call__(self, scope: Scope) -> bool:
        scheme, _, credentials = HTTPConnection(scope).headers.get("Authorization", "").partition(" ")
        try:
            _, _, given = base64.b64decode(credentials, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, self._expected)


def guarded_settings_page(live: Live[Settings], password: Password) -> ASGIApp:
    """The page, for which a browser asks its user the password."""
    page = settings_page(live, authorize=password)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not password(scope):
            await PlainTextResponse("password needed", 401, CHALLENGE)(scope, receive, send)
        else:
            await page(scope, receive, send)

    return guarded
