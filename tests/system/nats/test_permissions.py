"""The least rights, as the guide to fleets lists them: all that is needed works with exactly these, and nothing else does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from anyio import to_thread
from nats.js.api import KeyValueConfig
from nats.js.errors import NoStreamResponseError
from support import ROOT
from support.nats_client import connected
from support.nats_server import Server

from hotsettings import BaseSettings
from hotsettings.nats import NatsStore
from hotsettings.nats.connection import servers
from hotsettings.nats.publishing import OutcomeUnknown, create_bucket, publish
from hotsettings.nats.reports import reports_bucket

GUIDE = ROOT / "docs/fleet.md"
PATIENCE = 30.0
DENIED = re.compile(r"(?:Publish|Subscription) Violation - .*")
LARGE = b"A = %d\n#" + b"x" * 400_000
"""So large that the server asks whether all of it has arrived before it sends more."""

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


class Settings(BaseSettings):
    A: int = 0


SOURCE = "from hotsettings import BaseSettings\n\n\nclass Settings(BaseSettings):\n    A: int = 0\n"


def listed() -> dict[str, Any]:
    """The block of the guide, by user."""
    [block] = re.findall(r"^```json\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return {user["user"]: user for user in json.loads(block)["authorization"]["users"]}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    users = [{"user": "admin", "password": "admin"}, *listed().values()]
    with Server(tmp_path / "server", {"authorization": {"users": users}}) as server:
        yield server


def login(name: str) -> dict[str, Any]:
    return {"user": name, "password": "admin" if name == "admin" else listed()[name]["password"]}


def command(server: Server, folder: Path, user: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "app.py").write_text(SOURCE)
    (folder / "password").write_text(login(user)["password"])
    store = ("--url", server.url, "--user", user, "--password-file", str(folder / "password"))
    return subprocess.run(
        (sys.executable, "-m", "hotsettings.cli", *arguments, *store),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def make_buckets(server: Server) -> None:
    """What somebody does once who may."""
    await create_bucket(servers(server.url, login("admin")), "settings")
    async with connected(server.url, **login("admin")) as admin:
        await reports_bucket(admin.jetstream(), "settings")


async def test_all_works_with_the_rights_that_are_listed(guarded: Server, tmp_path: Path) -> None:
    async def run(user: str, *arguments: str) -> str:
        done = await to_thread.run_sync(command, guarded, tmp_path, user, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    await make_buckets(guarded)
    async with connected(guarded.url, **login("admin")) as admin:
        kv = await admin.jetstream().key_value("settings")
        reports = await admin.jetstream().key_value("settings-reports")
        for number in range(12):
            await kv.put(f"large-{number}", LARGE % number)
            await reports.put(f"of-nobody-{number}", LARGE % number)
    (tmp_path / "config.toml").write_text("A = 1\n")
    await run("publisher", "publish", "app:Settings", "config.toml")
    store = NatsStore(guarded.url, "settings", instance="one", check_interval=0.1, **login("process"))
    async with Settings.watch(layers=[store.layer("large-11"), store.layer("config.toml")]) as live:
        assert live.current.A == 1
        (tmp_path / "config.toml").write_text("A = 2\n")
        said = await run("publisher", "publish", "app:Settings", "config.toml", "--wait")
        assert "The one instance has applied" in said
        assert live.current.A == 2
        assert "one" in await run("reader", "fleet")
        assert "1 → 2" in await run("reader", "history", "app:Settings", "config.toml")
        said = await run("publisher", "rollback", "app:Settings", "config.toml", "13", "--wait")
        assert "The one instance has applied" in said
        assert (live.current.A, live.status.healthy, store.state) == (1, True, "read")
    assert not DENIED.findall(guarded.output)


async def test_the_first_process_makes_the_bucket_of_reports_if_it_may(tmp_path: Path) -> None:
    process = listed()["process"]
    process["permissions"]["publish"].append("$JS.API.STREAM.CREATE.KV_settings-reports")
    users = [{"user": "admin", "password": "admin"}, process]
    with Server(tmp_path / "server", {"authorization": {"users": users}}) as server:
        await create_bucket(servers(server.url, login("admin")), "settings")
        async with connected(server.url, **login("admin")) as admin:
            await (await admin.jetstream().key_value("settings")).put("config.toml", b"A = 1\n")
        store = NatsStore(server.url, "settings", instance="one", **login("process"))
        async with Settings.watch(layers=[store.layer("config.toml")]):
            done = await to_thread.run_sync(until_it_reports, server, tmp_path)
        assert "1 instance\n" in done
        assert not DENIED.findall(server.output)


def until_it_reports(server: Server, folder: Path) -> str:
    deadline = monotonic() + PATIENCE
    while "No instance reports" in (said := command(server, folder, "admin", "fleet").stdout):
        assert monotonic() < deadline
    return said


async def test_a_publisher_may_be_restricted_to_one_key(tmp_path: Path) -> None:
    publisher = listed()["publisher"]
    allowed = publisher["permissions"]["publish"]
    allowed[allowed.index("$KV.settings.>")] = "$KV.settings.config.toml"
    users = [{"user": "admin", "password": "admin"}, publisher]
    with Server(tmp_path / "server", {"authorization": {"users": users}}) as server:
        await create_bucket(servers(server.url, login("admin")), "settings")
        await publish(servers(server.url, login("publisher")), "settings", "config.toml", b"A = 1\n", 0)
        with pytest.raises(OutcomeUnknown):
            await publish(servers(server.url, login("publisher")), "settings", "other.toml", b"A = 1\n", 0, within=0.1)
        assert len(DENIED.findall(server.output)) == 1


async def test_a_process_may_not_publish_settings_nor_make_buckets(guarded: Server) -> None:
    await make_buckets(guarded)
    async with connected(guarded.url, **login("process")) as process:
        js = process.jetstream(timeout=0.5)
        with pytest.raises((TimeoutError, NoStreamResponseError)):
            await js.publish("$KV.settings.config.toml", b"A = 666\n")
        with pytest.raises(TimeoutError):  # what is denied gets no answer
            await js.create_key_value(KeyValueConfig("another"))
        with pytest.raises(TimeoutError):
            await js.delete_key_value("settings")
    assert len(DENIED.findall(guarded.output)) == 3
    async with connected(guarded.url, **login("admin")) as admin:
        assert (await admin.jetstream().stream_info("KV_settings")).state.last_seq == 0
