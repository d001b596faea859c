"""Access to the settings page: anyone who knows the password in a file that the operator names.

The address of a client proves nothing: behind a proxy or a forwarded port every client seems to come from this machine.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import stat
from pathlib import Path

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from hotsettings import Live
from hotsettings.integrations.page import settings_page

from .settings import Settings

SHORTEST = 12
LONGEST = 65_536
"""Bytes of the file that are read."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO
CHALLENGE = {"WWW-Authenticate": 'Basic realm="settings", charset="UTF-8"'}


class Password:
    """Checks whether a request has the password (HTTP Basic, any user name).

    Raises OSError if the file cannot be read, PermissionError if others than its owner can read or change it, and
    ValueError if it holds no password.
    """

    def __init__(self, file: Path) -> None:
        self._expected = _read_privately(file).decode().strip().encode()
        if len(self._expected) < SHORTEST:
            raise ValueError(f"{file}: the password must have {SHORTEST} bytes or more")

    def __call__(self, scope: Scope) -> bool:
        scheme, _, credentials = HTTPConnection(scope).headers.get("Authorization", "").partition(" ")
        try:
            _, _, given = base64.b64decode(credentials, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, self._expected)


def _read_privately(file: Path) -> bytes:
    # Non-blocking: opening a FIFO would hang.
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as opened:
        found = os.fstat(descriptor)  # of the file that was opened, not of the one that has its name by now
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{file}: the password must be in a regular file")
        if os.name == "posix":  # elsewhere the mode says nothing
            if found.st_uid != os.geteuid():
                raise PermissionError(
                    f"{file}: the password file belongs to another user (uid {found.st_uid}), who can change it; "
                    f"give it to the user of this process: chown {os.geteuid()} {file}"
                )
            if found.st_mode & OTHERS:
                raise PermissionError(
                    f"{file}: others can read or change the password file (mode {stat.S_IMODE(found.st_mode):04o}); "
                    f"make it private: chmod 600 {file}"
                )
        return opened.read(LONGEST)


def guarded_settings_page(live: Live[Settings], password: Password) -> ASGIApp:
    """The page; a browser asks its user for the password."""
    page = settings_page(live, authorize=password)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not password(scope):
            await PlainTextResponse("password needed", 401, CHALLENGE)(scope, receive, send)
        else:
            await page(scope, receive, send)

    return guarded
