"""How the commands reach a server that does not let everybody in, and nothing of a password is seen."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nkeys
import pytest
import trustme
from support.command import CLASS, Result, Run
from support.nats_server import Server

SEED = nkeys.encode_seed(b"a fixed seed of 32 bytes, for us", nkeys.PREFIX_BYTE_USER)


class Guarded(NamedTuple):
    server: Server
    folder: Path


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A server that speaks TLS with those who show a certificate, and knows two users."""
    folder = tmp_path_factory.mktemp("guarded")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name, certificate in (("server", authority.issue_cert("127.0.0.1")), ("client", authority.issue_cert("a@b.c"))):
        certificate.private_key_pem.write_to_path(folder / f"{name}-key.pem")
        certificate.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    (folder / "password").write_text("cAnArY\n", encoding="utf-8")
    (folder / "wrong").write_text("cAnArY-wrong\n", encoding="utf-8")
    (folder / "user.nk").write_bytes(SEED)
    tls = {"cert_file": "server.pem", "key_file": "server-key.pem", "ca_file": "ca.pem"}
    settings = {
        "tls": {**{name: str(folder / file) for name, file in tls.items()}, "verify": True},
        "authorization": {
            "users": [
                {"user": "app", "password": "cAnArY"},
                {"nkey": nkeys.from_seed(bytearray(SEED)).public_key.decode()},
            ]
        },
    }
    with Server(folder / "server", settings) as server:
        yield Guarded(server, folder)


def publish(run: Run, guarded: Guarded, *options: str, certificate: str = "client") -> Result:
    folder = guarded.folder
    files = ("--tlscert", folder / f"{certificate}.pem", "--tlskey", folder / f"{certificate}-key.pem")
    common = ["--tlsca", str(folder / "ca.pem"), *map(str, files), "--dry-run", "--create-bucket"]
    if "--url" not in options:
        common += ["--url", guarded.server.url]
    return run("publish", CLASS, "config.toml", *common, *options)


def test_whoever_may(run: Run, guarded: Guarded) -> None:
    password = str(guarded.folder / "password")
    for options in (
        ("--user", "app", "--password-file", password),
        ("--nkey", str(guarded.folder / "user.nk")),
        ("--url", f"tls://app:cAnArY@{guarded.server.address}"),
    ):
        result = publish(run, guarded, *options)
        assert result.code == 0, result.err
        assert "cAnArY" not in result.out + result.err


def test_by_variables(run: Run, guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = guarded.folder
    for name, value in {
        "NATS_URL": f"app:cAnArY@{guarded.server.address}",
        "NATS_CA": str(folder / "ca.pem"),
        "NATS_CERT": str(folder / "client.pem"),
        "NATS_KEY": str(folder / "client-key.pem"),
    }.items():
        monkeypatch.setenv(name, value)
    result = run("publish", CLASS, "config.toml", "--dry-run", "--create-bucket")
    assert result.code == 0, result.err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # nats-py leaves its transport open
def test_whoever_may_not(run: Run, guarded: Guarded) -> None:
    for options in (
        (),
        ("--user", "app", "--password-file", str(guarded.folder / "wrong")),
        ("--url", f"tls://app:cAnArY-wrong@{guarded.server.address}"),
    ):
        result = publish(run, guarded, *options)
        assert result.code == 3
        last = result.err.splitlines()[-1]
        assert last.startswith(f"tls://{guarded.server.address}  cannot be reached: ")
        assert "uthorization" in last
        assert "cAnArY" not in result.out + result.err


@pytest.mark.parametrize(
    "url",
    [
        "nats://me:a cAnArY@127.0.0.1:1",
        "nats://me:a\tcAnArY@127.0.0.1:1",
        "nats://me:a\u00a0cAnArY@127.0.0.1:1",
        "nats://me:cAnArY,cAnArY@127.0.0.1:1",
        "nats://cAnArY:1,cAnArY@127.0.0.1:1",
        "me:1,cAnArY@127.0.0.1:1",
        "cAnArY:1,cAnArY@127.0.0.1:1",
        "nats://127.0.0.1:1,cAnArY@127.0.0.1:1",
        "nats://me:1/cAnArY@127.0.0.1:1",
        "nats://cAnArY:1/x@127.0.0.1:1",
        "me:1#cAnArY@127.0.0.1:1",
    ],
)
def test_nothing_before_the_last_at_of_a_url_is_shown(run: Run, url: str) -> None:
    for command in (["fleet"], ["history", CLASS, "config.toml"], ["publish", CLASS, "config.toml"]):
        result = run(*command, "--url", url)
        assert result.code in (2, 3)
        assert (
            "nats://127.0.0.1:1  cannot be reached: connection refused" in result.err or "--url is no URL" in result.err
        )
        assert "cAnArY" not in result.out + result.err
