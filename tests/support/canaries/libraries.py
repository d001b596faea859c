"""Calls of real libraries that fail and quote the secret that they were given. Nothing listens on port 1 of this machine."""

from __future__ import annotations

import configparser
import datetime
import functools
import http.client
import ipaddress
import json
import os
import re
import smtplib
import sqlite3
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Awaitable, Callable
from random import Random
from typing import NamedTuple

import aiokafka
import asyncpg  # type: ignore[import-untyped]
import grpc
import httpx
import nats
import redis
import requests
import sqlalchemy
import trustme
import yaml

from support.canaries.leaks import Planted
from support.canaries.shapes import Made, token

HERE = "127.0.0.1:1"


class Failure(NamedTuple):
    """A call that fails, and the secret that it is made with."""

    library: str
    secret: Callable[[Random], Made]
    call: Callable[[str], Awaitable[object] | object]

    def plant(self, random: Random, key: str = "SECRET") -> Planted:
        text, credentials, names = self.secret(random)
        return Planted(key, text, credentials, names, self.library)


def _url(scheme: str, between: str, path: str = "/0") -> Callable[[Random], Made]:
    """A URL whose password nobody has escaped."""

    def made(random: Random) -> Made:
        secret = token(random) + between + token(random)
        return f"{scheme}://app:{secret}@{HERE}{path}", (secret,), ("app",)

    return made


def _token(random: Random) -> Made:
    text = token(random)
    return text, (text,), ()


def _joined(between: str) -> Callable[[Random], Made]:
    def made(random: Random) -> Made:
        text = token(random) + between + token(random)
        return text, (text,), ()

    return made


def _broker(between: str) -> Callable[[Random], Made]:
    def made(random: Random) -> Made:
        secret = token(random) + between + token(random)
        return f"127.0.0.1:{secret}", (secret,), ()

    return made


def _json(random: Random) -> Made:
    secret = token(random)
    return f'{{"client_secret": "{secret}", "scopes": [}}', (secret,), ("client_secret", "scopes")


def _yaml(random: Random) -> Made:
    secret = token(random)
    return f"accounts: [ {secret}\nnext: {{", (secret,), ("accounts",)


def _ini(random: Random) -> Made:
    secret = token(random)
    return f"password = {secret}\n[main]\n", (secret,), ("password",)


def _alone(secret: str) -> object:
    return subprocess.run([sys.executable, "-Sc", "raise SystemExit(3)", secret], check=True)


def _says(secret: str) -> object:
    """Its output is in no message, but in the exception."""
    code = "import sys; sys.stdout.write(sys.stdin.read()); sys.stdout.flush(); raise SystemExit(3)"
    return subprocess.run([sys.executable, "-Sc", code], input=secret.encode(), check=True, capture_output=True)


def _hangs(secret: str) -> object:
    code = "import sys, time; print(sys.argv[1], flush=True); time.sleep(30)"
    return subprocess.run([sys.executable, "-Sc", code, secret], capture_output=True, timeout=0.2, check=True)


def _grpc(target: str) -> object:
    with grpc.insecure_channel(target) as channel:
        return channel.unary_unary("/service/Method")(b"", timeout=2)


async def _nats(url: str) -> object:
    return await nats.connect(url, allow_reconnect=False, connect_timeout=1)


async def _kafka(servers: str) -> object:
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=servers)
    try:
        return await producer.start()
    finally:
        await producer.stop()


def _insert(secret: str) -> object:
    engine = sqlalchemy.create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            return connection.execute(sqlalchemy.text("INSERT INTO tokens VALUES (:token)"), {"token": secret})
    finally:
        engine.dispose()


def _dialect(secret: str) -> object:
    return sqlalchemy.create_engine(f"{secret}://host/db")


def _pragma(secret: str) -> object:
    connection = sqlite3.connect(":memory:")
    try:
        return connection.execute(f"PRAGMA key = {secret}")
    finally:
        connection.close()


def _get(secret: str) -> object:
    return httpx.get(f"http://{HERE}", headers={"X-Token": f"{secret} é"})


def _header(secret: str) -> object:
    return requests.get(f"http://{HERE}", headers={"Authorization": f"Bearer {secret}\n"}, timeout=1)


def _proxy(url: str) -> object:
    return requests.get(f"http://{HERE}", proxies={"http": url}, timeout=1)


@functools.cache
def _certificate() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("service.example").configure_cert(server)
    authority.configure_trust(client)
    return server, client


def _handshake(secret: str) -> object:
    """A tenant's secret host name, which the server's certificate does not have."""
    server, client = _certificate()
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = client.wrap_bio(down, up, server_hostname=f"{secret}.hooks.example".lower())
    called = server.wrap_bio(up, down, server_side=True)
    for _ in range(3):
        for side in (caller, called):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    raise AssertionError("the handshake should have failed")


def _url_opened(url: str) -> object:
    return urllib.request.urlopen(url, timeout=1)


async def _asyncpg(url: str) -> object:
    return await asyncpg.connect(url, timeout=1)


FAILURES = [
    *(Failure("httpx", _url("http", each), httpx.get) for each in "#/?"),
    Failure("httpx: a header", _token, _get),
    *(Failure("requests", _url("http", each), lambda url: requests.get(url, timeout=1)) for each in "#/?\\"),
    Failure("requests: a header", _token, _header),
    Failure("requests: a proxy", _url("http", "#"), _proxy),
    *(Failure("redis", _url("redis", each), lambda url: redis.Redis.from_url(url).ping()) for each in "#/?"),
    *(Failure("urllib", _url("http", each), _url_opened) for each in "#/? "),
    *(Failure("asyncpg", _url("postgresql", each), _asyncpg) for each in "#/?"),
    *(Failure("nats-py", _url("nats", each), _nats) for each in "#/?"),
    *(Failure("grpc", _url("dns", each), _grpc) for each in "#/@% "),
    *(Failure("aiokafka", _broker(each), _kafka) for each in "#:, "),
    Failure("sqlalchemy", _token, _insert),
    Failure("sqlalchemy", _joined("'"), _insert),
    Failure("sqlalchemy: a dialect", _token, _dialect),
    *(Failure("sqlite3", _joined(each), _pragma) for each in "#@: ["),
    Failure("subprocess: arguments", _joined("'"), _alone),
    Failure("subprocess: output", _token, _says),
    Failure("subprocess: timeout", _token, _hangs),
    Failure("subprocess: no such program", _token, lambda secret: subprocess.run([secret], check=True)),
    Failure("ssl", _token, _handshake),
    Failure("smtplib", _token, lambda secret: smtplib.SMTP(f"127.0.0.1:{secret}")),
    *(Failure("http.client", _joined(each), lambda secret: http.client.HTTPConnection(f"h:{secret}")) for each in "#/, "),
    Failure("json", _json, json.loads),
    Failure("yaml", _yaml, yaml.safe_load),
    Failure("configparser", _ini, lambda text: configparser.ConfigParser().read_string(text)),
    Failure("ipaddress", _joined("/"), ipaddress.ip_network),
    Failure("datetime", _joined(" "), datetime.datetime.fromisoformat),
    Failure("int", _joined(","), lambda secret: [int(part) for part in secret.split(",")]),
    Failure("a codec", _token, lambda secret: f"{secret}é".encode("ascii")),
    Failure("re", _joined("["), re.compile),
    Failure("os", _joined("/"), lambda secret: os.stat(f"/nowhere/{secret}")),
]  # fmt: skip


def quotes(error: BaseException, secret: Planted) -> bool:
    """Whether anything that the exception leads to quotes the secret: else there is nothing to hide."""
    from support.canaries.outputs import of_error

    return any(next(secret.leaks(text), None) for _, text in of_error(error))
