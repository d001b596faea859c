"""Stores: their URLs, the reports of those who follow them, and the copy on disk. All of them are read by others."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from nats.js.kv import KeyValue
from support.canaries.classes import Made, generated
from support.canaries.files import importable
from support.canaries.leaks import Planted, assert_none
from support.canaries.outputs import Log, Output, command, of_error, of_live, rejection
from support.canaries.shapes import AWKWARD, token
from support.examples import covering
from support.fleet import made as make_bucket
from support.fleet import until
from support.nats_client import connected
from support.nats_server import Server
from support.reports import until_reported

from hotsettings import BaseSettings, FileLayer, SettingsError
from hotsettings.nats import NatsStore
from hotsettings.nats.reports import own_name, reports_of
from hotsettings.testing import Workspace

pytestmark = pytest.mark.anyio

NOBODY = "127.0.0.1:1"


@pytest.fixture
def anyio_backend() -> str:
    """nats-py is written for asyncio."""
    return "asyncio"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("nats") / "server", sync="2m") as server:
        yield server


class Plain(BaseSettings):
    A: int = 0


async def starting(store: NatsStore) -> SettingsError | None:
    """What is raised where the store cannot be reached; no frame of a test is in it."""
    try:
        async with Plain.watch(layers=[store.layer("config")]):
            return None
    except SettingsError as error:
        return error


@pytest.mark.parametrize(("between", "listed"), covering(AWKWARD, [False, True]))
async def test_the_url_of_a_store(between: str, listed: bool) -> None:
    """Nothing before the last @ is shown, whatever a password has in it that should have been escaped."""
    random = Random(between)
    password = token(random) + between + token(random)
    url = f"nats://app:{password}@{NOBODY}"
    if listed:
        url = f"nats://u:{(other := token(random))}@{NOBODY},{url}"
    secrets = [Planted("URL", url, (password, *((other,) if listed else ())), (), "store")]
    outputs: list[Output] = []
    with Log() as log:
        try:
            store = NatsStore(url, "settings", start_timeout=0.05)
        except ValueError as error:
            outputs += [("error", str(error)), ("error", repr(error))]
        else:
            outputs += [("repr", repr(store)), ("str", str(store)), ("repr", repr(store.layer("config")))]
            failed = await starting(store)
            assert failed is not None
            outputs += of_error(failed)
    assert_none([*outputs, *log.outputs()], secrets)


@pytest.mark.parametrize("between", ["#", " ", ",", "@"])
def test_the_url_given_to_a_command(between: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(between)
    password = token(random) + between + token(random)
    url = f"nats://app:{password}@{NOBODY}"
    secret = Planted("URL", url, (password,), (), "store")
    store = ["--url", url, "--bucket", "settings"]
    assert_none([command("fleet", *store), command("history", "config", *store)], [secret])
    monkeypatch.setenv("NATS_URL", url)
    assert_none([command("fleet", "--bucket", "settings")], [secret])


async def put(kv: KeyValue, text: str) -> None:
    await kv.put("config", text.encode())


async def of_fleet(server: Server, bucket: str, kv: KeyValue) -> list[Output]:
    """What the bucket of reports holds, byte by byte."""
    held = await kv._js.key_value(reports_of(bucket))
    value = (await held.get(own_name())).value
    assert value
    return [("report", value.decode())]


async def test_the_reports_and_the_copy(server: Server, settings_workspace: Workspace, tmp_path: Path) -> None:
    """What each process says of itself in the store, and what it leaves on its disk, through edits good and bad."""
    random, bucket, copy = Random(7), f"settings-{uuid.uuid4().hex[:12]}", tmp_path / "copies" / "copy"
    copy.parent.mkdir()
    kinds = [("str", "url"), ("structs in a tuple", "plain"), ("restart", "quoted")]
    raising: list[str] = []

    def rule(_: Any) -> None:
        if raising:
            raise ValueError(f"no: {' and '.join(raising)}")

    def hook(_: Any) -> None:
        if refusing:
            raise ValueError(f"no: {' and '.join(refusing)}")

    refusing: list[str] = []
    made = generated(kinds, random, rule)
    secrets = made.secrets
    texts = [secret.text for secret in secrets]
    outputs: list[Output] = []
    settings_workspace.write(secrets=made.secrets_text())
    await make_bucket(server.url, bucket, config=made.config_text())
    store = NatsStore(server.url, bucket, copy=copy, start_timeout=20.0)
    layers = [FileLayer(settings_workspace.secrets, secret=True), store.layer("config")]
    with Log() as log:
        async with connected(server.url) as client, made.cls.watch(layers=layers, settle=0.01) as live:
            kv = await client.jetstream().key_value(bucket)
            live.prepare(hook)
            await until_reported(kv)
            await until(copy.exists)
            bad: list[tuple[str, list[str], list[str]]] = [
                (made.config_text("NAME") + f"NAME = {texts[0]!r} {texts[1]!r}\n", [], []),
                (made.config_text("PORT") + f"PORT = {texts[1]!r}\n", [], []),
                (made.config_text("PORT") + "PORT = 1\n", texts, []),
                (made.config_text("PORT") + "PORT = 2\n", [], texts),
                (made.config_text() + f"# TOKEN = {made.fields[0].toml}\n", [], []),
                (made.config_text() + f"# see {texts[1]}\n", [], []),
                (made.config_text() + f"[[more]]\npassword = {made.fields[1].toml}\n", [], []),
                (made.config_text("NAME") + f"NAME = '{texts[1]} is what is quoted here'\n", [], []),
            ]
            for text, raised, refused in bad:
                raising[:], refusing[:] = raised, refused
                await put(kv, text)
                error = await rejection(live.reload())
                if error is not None:
                    outputs += of_error(error)
                    report = await until_reported(kv, healthy=False)
                    assert report.rejection
                outputs += await of_fleet(server, bucket, kv)
                if text is not bad[-1][0]:  # there, a plain field has this value: a repr shows it
                    outputs += await of_live(live)
                outputs.append(("copy on disk", copy.read_text()))
    outputs.append(("copy on disk", copy.read_text()))
    assert_none([*outputs, *log.outputs()], secrets)


def test_a_secret_in_a_document_of_a_store(server: Server, tmp_path: Path) -> None:
    """Nobody publishes what quotes a secret of the same class."""
    random = Random(8)
    made: Made = generated([("str", "url"), ("struct", "plain")], random)
    document = tmp_path / "config.toml"
    secrets = tmp_path / "secrets.toml"
    document.write_text(made.secrets_text() + made.config_text())
    secrets.write_text(made.secrets_text())
    with importable(made) as name:
        shown = command("publish", name, "config", str(document), "--url", server.url, "--bucket", "nowhere")
    assert_none([shown], made.secrets)
