"""What is no secret stays readable: keys, members, options, hosts, databases, armour, and words that merely hold a short secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import httpx
import pytest
import redis
from msgspec import Struct
from support.canaries.classes import Field, Made, settings_class, text
from support.canaries.files import importable, loaded, put
from support.canaries.leaks import assert_none
from support.canaries.outputs import command, rejection
from support.canaries.shapes import SHAPES, plant, token
from support.layer_files import load

from hotsettings import BaseSettings, Secret
from hotsettings._schema.masking import MASK
from hotsettings.testing import live


def said(folder: Path, secret: str, message: str, key: str = "TOKEN") -> str:
    """What is left of a rule's message, where this is the secret."""

    def rule(_: Any) -> None:
        raise ValueError(message)

    made = Made(settings_class([Field(key, Secret[str], text(secret), [])], rule), [])
    put(folder, "", f"{key} = {text(secret)}\n")
    return str(loaded(made.cls, folder))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if plant("TOKEN", shape, Random(0)).names])
def test_names_in_a_secret(tmp_path: Path, shape: str, seed: int) -> None:
    secret = plant("TOKEN", shape, Random(f"{shape}{seed}"))
    for name in secret.names:
        assert f"<{name}> is away" in said(tmp_path, secret.text, f"<{name}> is away")
    message = f"cannot reach {', '.join(secret.names)}: {secret.text}"
    shown = said(tmp_path, secret.text, message)
    assert_none([("rule", shown)], [secret])
    assert f"cannot reach {', '.join(secret.names)}: " in shown


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("mongodb://u:Kq7vTz4mNs@db-1:27017/integr8scode?w=majority", "TimeoutError: integr8scode.streams failed"),
        (
            "mongodb+srv://svc:Kq7vTz4mNs@a.example,b.example/integr8scode",
            "a.example, b.example: integr8scode has no primary",
        ),
        ("redis://:Kq7vTz4mNs@cache.internal.example:6379/0", "cache.internal.example:6379 refused, database 0"),
        (
            "postgresql://app:Kq7vTz4mNs@primary.example:5432/shopdata?sslmode=verify-full",
            "sslmode=verify-full needs a root certificate",
        ),
        (
            "postgresql://app:Kq7vTz4mNs@primary.example:5432/shopdata",
            'role "app" may not enter database "shopdata" on primary.example',
        ),
        (
            "host=primary.example user=app password=Kq7vTz4mNs dbname=shopdata",
            "invalid connection option: password, dbname",
        ),
        ('{"type": "service_account", "private_key_id": "Kq7vTz4mNsXw"}', "the member private_key_id is missing"),
        (
            "-----BEGIN PRIVATE KEY-----\nKq7vTz4mNsXw9bLr2nGd\n-----END PRIVATE KEY-----\n",
            "no -----BEGIN PRIVATE KEY----- found",
        ),
        ("prod", "the production environment is reproducible"),
        ("prod", "production-1, preprod, products"),
        ("a", "a table is a table, and a is a"),
        ("1", "1 of 10: expected 1 or 11, at line 1"),
        ("12345", "at 0x12345678 after 123456 tries"),
        ("app:Kq7vTz4mNs", "app: the user app is unknown"),
        (
            "nats://u:Kq7vTz4mNs@n1.example:4222,nats://u:Zw3kLp9rTq@n2.example:4222",
            "nats: n1.example:4222 and n2.example:4222 are away",
        ),
        ("amqp://u:Kq7vTz4mNs@broker.internal.example/orders", "amqp: queue orders.created of broker.internal.example"),
        ("https://hooks.internal.example/in?token=Kq7vTz4mNsXw", "hooks.internal.example answered 503"),
    ],
)
def test_what_has_to_stay(tmp_path: Path, secret: str, message: str) -> None:
    assert message in said(tmp_path, secret, message)


def test_the_keys_themselves(tmp_path: Path) -> None:
    """A key that is part of its own secret is no secret, nor is the class."""
    message = "DATABASE_PASSWORD and DATABASE_URL of Generated: set both"
    assert message in said(tmp_path, "DATABASE_PASSWORD=Kq7vTz4mNs", message, key="DATABASE_PASSWORD")


def test_a_short_secret_only_beside_its_key(tmp_path: Path) -> None:
    shown = said(tmp_path, "q7", "TOKEN=q7 and TOKEN: 'q7', but q7 elsewhere")
    assert "but q7 elsewhere" in shown
    assert "TOKEN=q7" not in shown
    assert "TOKEN: 'q7'" not in shown


class Db(Struct, frozen=True, forbid_unknown_fields=True):
    password: Secret[str]
    host: str = "db-1.internal.example"


class Settings(BaseSettings):
    db: Db
    PORT: int = 1

    def __post_init__(self) -> None:
        if self.PORT == 0:
            raise ValueError(f"cannot reach {self.db.host} with {self.db.password}")


def test_a_host_beside_a_secret(tmp_path: Path) -> None:
    """Each field of a table is masked by itself."""
    config = "PORT = 2\n[db]\nhost = 'primary-7.internal.example'\n"
    made = load(Settings, tmp_path, config, secrets="db.password = 'Kq7vTz4mNs'\n")
    assert "primary-7.internal.example" in repr(made)
    assert "Kq7vTz4mNs" not in repr(made)
    put(tmp_path, config, "db.password = 'Kq7vTz4mNs'\n")
    files = ["--config", str(tmp_path / "config.toml"), "--secrets", str(tmp_path / "secrets.toml")]
    with importable(Made(Settings, [])) as name:
        for arguments in (["show", name], ["explain", name, "db.host"]):
            _, shown = command(*arguments, *files)
            assert "primary-7.internal.example" in shown
            assert "Kq7vTz4mNs" not in shown
    put(tmp_path, config.replace("2", "0"), "db.password = 'Kq7vTz4mNs'\n")
    assert f"cannot reach primary-7.internal.example with {MASK}" in str(loaded(Settings, tmp_path))


class Url(BaseSettings):
    URL: Secret[str] = ""


REFUSED: Mapping[str, Callable[[str], Any]] = {
    "redis": lambda url: redis.Redis.from_url(url).ping(),
    "http": lambda url: httpx.get(url, trust_env=False),
    "postgresql": lambda url: asyncpg.connect(url, timeout=1),
}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("scheme", REFUSED)
async def test_a_library_that_quotes_no_secret_is_quoted_as_it_is(scheme: str) -> None:
    """The usual failure: nobody listens. The message names host and port, which the secret URL does too."""
    url = f"{scheme}://app:{token(Random(scheme))}@127.0.0.1:1/0"
    said = ""

    async def hook(change: Any) -> None:
        nonlocal said
        try:
            outcome = REFUSED[scheme](change.new.URL)
            if scheme == "postgresql":
                await outcome
        except Exception as error:
            said = str(error)
            raise

    async with live(Url.from_values()) as held:
        held.prepare(hook)
        error = await rejection(held.publish(Url.from_values(URL=url)))
    assert error is not None
    assert said
    assert said in str(error)
    assert MASK not in str(error)
