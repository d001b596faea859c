"""One snapshot for the whole of a request under WSGI: with Flask, Django and a real server."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.simple_server import make_server
from wsgiref.validate import validator

import pytest
from flask import Flask, request

from hotsettings import BaseSettings, BlockingLive, Secret, ValuesLayer
from hotsettings.integrations.wsgi import PinnedSettings, settings_of, snapshot_of
from hotsettings.testing import Workspace


class Settings(BaseSettings):
    A: int = 0
    KEY: Secret[str] = "never-to-be-seen"


class Others(BaseSettings):
    B: int = 7


Blocking = BlockingLive[Settings]


@pytest.fixture
def watched(settings_workspace: Workspace) -> Iterator[Blocking]:
    settings_workspace.write({"A": 1})
    with Settings.watch(**settings_workspace.paths, settle=0.0) as live:
        yield live


def edit(live: Blocking, workspace: Workspace, a: int) -> None:
    workspace.write({"A": a})
    live.reload(timeout=20)


def seen(wrap: Callable[[Any], Any], environ: dict[str, Any]) -> Any:
    """The environ that the application gets."""
    found = list[Any]()

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        found.append(environ)
        return []

    wrap(app)(environ, None)
    return found.pop()


def test_flask(watched: Blocking, settings_workspace: Workspace) -> None:
    app = Flask(__name__)
    app.wsgi_app = PinnedSettings(app.wsgi_app, watched)  # type: ignore[method-assign]

    @app.get("/")
    def answer() -> list[int]:
        before = settings_of(request.environ, Settings).A
        edit(watched, settings_workspace, before + 1)
        return [before, settings_of(request.environ, Settings).A, snapshot_of(request.environ).generation]

    client = app.test_client()
    assert client.get("/").json == [1, 1, 1]
    assert client.get("/").json == [2, 2, 2]


def test_a_real_server_in_another_thread(watched: Blocking, settings_workspace: Workspace) -> None:
    """wsgiref's own validator stands between: what it is handed on is still a WSGI request."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield str(settings_of(environ, Settings).A).encode()
        edit(watched, settings_workspace, 5)
        yield str(settings_of(environ, Settings).A).encode()

    pinned: Any = PinnedSettings(validator(app), lambda: watched)
    with make_server("127.0.0.1", 0, validator(pinned)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/", timeout=30) as answer:
                assert answer.read() == b"11"
        finally:
            server.shutdown()
            thread.join()


def test_the_environ_of_the_caller_is_left_alone(watched: Blocking) -> None:
    environ = {"PATH_INFO": "/"}
    assert set(seen(lambda app: PinnedSettings(app, watched), environ)) > set(environ) == {"PATH_INFO"}


def test_without_the_middleware_the_error_says_so(watched: Blocking) -> None:
    with pytest.raises(LookupError) as raised:
        settings_of({}, Settings)
    assert str(raised.value) == (
        "no settings are pinned to this WSGI environ: wrap the application in PinnedSettings(app, live)"
    )
    environ = seen(lambda app: PinnedSettings(app, watched), {})
    with pytest.raises(LookupError, match="no settings of class Others are pinned to this WSGI environ, only Settings"):
        settings_of(environ, Others)
    assert "never-to-be-seen" not in repr(environ)


def test_several_kinds_of_settings(watched: Blocking) -> None:
    with Others.watch(layers=[ValuesLayer({}, name="program")]) as others:
        environ = seen(lambda app: PinnedSettings(PinnedSettings(app, others), watched), {})
        assert (settings_of(environ, Settings).A, settings_of(environ, Others).B) == (1, 7)
        assert settings_of(environ) is others.current, "the innermost, where none is named"
