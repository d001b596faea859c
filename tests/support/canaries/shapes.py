"""Secrets of many shapes, each made of random credentials and names, so that which is which is known without parsing it."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Callable
from random import Random
from typing import Final
from urllib.parse import quote

from support.canaries.leaks import Planted

_LETTERS: Final = string.ascii_letters + string.digits
AWKWARD: Final = [
    "#",
    "/",
    "?",
    "@",
    ":",
    "%",
    ",",
    " ",
    "é",
    '"',
    "\\",
    "[",
    "]",
    ";",
    "&",
    "=",
    "'",
    "\t",
    "\u00a0",
    "|",
    "<",
    "{",
    "$",
]
_SCHEMES: Final = [
    "redis",
    "rediss",
    "postgres",
    "postgresql+asyncpg",
    "amqp",
    "amqps",
    "mysql",
    "mongodb",
    "mongodb+srv",
    "https",
    "nats",
    "ftp",
]
_USERS: Final = ["u", "app", "admin", "svc_web", ""]


def token(random: Random, least: int = 10, most: int = 24) -> str:
    """Letters and digits as no word has them; the first is a letter."""
    size = random.randint(least, most)
    return random.choice("kqxzvKQXZV") + "".join(random.choices(_LETTERS, k=size - 1))


def awkward(random: Random) -> str:
    """A password that would have to be escaped, or quoted."""
    pieces = [token(random, 3, 14) for _ in range(random.randint(2, 4))]
    return "".join(piece + random.choice(AWKWARD) for piece in pieces[:-1]) + pieces[-1]


def password(random: Random) -> str:
    """One of either kind."""
    return awkward(random) if random.random() < 0.7 else token(random)


def host(random: Random) -> str:
    """A name that is no secret."""
    return f"{random.choice(['cache', 'broker', 'primary-db', 'mongo-0'])}{random.randint(1, 99)}.internal.example"


Made = tuple[str, tuple[str, ...], tuple[str, ...]]
"""The text of a secret, the credentials in it, and the names in it."""


def plain(random: Random) -> Made:
    text = token(random)
    return text, (text,), ()


def quoted(random: Random) -> Made:
    text = awkward(random)
    return text, (text,), ()


def url(random: Random) -> Made:
    secret, where, user = password(random), host(random), random.choice(_USERS)
    database, scheme = random.choice(["shopdata", "integr8scode", "0"]), random.choice(_SCHEMES)
    escaped = random.random() < 0.3
    written = quote(secret, safe="") if escaped else secret
    hosts = ",".join([where, *(host(random) for _ in range(random.randint(0, 2)))]) if "mongo" in scheme else where
    options = random.choice(["", "?retryWrites=true&w=majority&authSource=admin"])
    if random.random() < 0.2:
        hosts = f"{where}:6379"
    return f"{scheme}://{user}:{written}@{hosts}/{database}{options}", (secret, written), (where, database)


def user(random: Random) -> Made:
    """A URL whose user is a token, with no password, or with a word in its place."""
    secret, where = token(random, 16, 30), host(random)
    return f"https://{secret}{random.choice(['', ':', ':x-oauth'])}@{where}/42", (secret,), (where,)


def url_list(random: Random) -> Made:
    secrets, where = [password(random), token(random)], host(random)
    text = ",".join(f"nats://u:{secret}@{where}:4222" for secret in secrets)
    return text, tuple(secrets), (where,)


def query(random: Random) -> Made:
    secret, where = token(random), host(random)
    return f"https://{where}/hooks?channel=alerts&token={secret}", (secret,), (where, "channel")


def dsn(random: Random) -> Made:
    secret, where = password(random), host(random)
    written = "'" + secret.replace("\\", "\\\\").replace("'", "\\'") + "'" if not secret.isalnum() else secret
    return (
        f"host={where} port=5432 user=app password={written} dbname=shopdata",
        (secret,),
        (where, "shopdata", "dbname"),
    )


def odbc(random: Random) -> Made:
    secret, where = password(random).replace("}", ""), host(random)
    return (
        f"Driver={{ODBC}};Server=tcp:{where},1433;Uid=app;Pwd={{{secret}}};Encrypt=yes",
        (secret,),
        (where, "Encrypt"),
    )


def jaas(random: Random) -> Made:
    secret = password(random).replace('"', "").replace("\\", "")
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    return f'{module} required username="app" password="{secret}";', (secret,), ("PlainLoginModule",)


def commas(random: Random) -> Made:
    tokens = tuple(token(random) for _ in range(random.randint(2, 4)))
    return ",".join(tokens), tokens, ()


def document(random: Random) -> Made:
    secret, key = password(random), token(random)
    members = {"type": "service_account", "private_key_id": key, "client_secret": secret, "auth_uri_name": "oauth"}
    return (
        json.dumps(members, indent=random.choice([None, 2])),
        (key, secret),
        ("private_key_id", "client_secret", "auth_uri_name"),
    )


def pem(random: Random) -> Made:
    body = base64.b64encode(random.randbytes(96)).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    kind = random.choice(["PRIVATE KEY", "RSA PRIVATE KEY"])
    text = "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])
    return text, tuple(lines), (f"-----BEGIN {kind}-----", f"-----END {kind}-----")


def netrc(random: Random) -> Made:
    secret, where = token(random), host(random)
    return f"machine {where}\nlogin app\npassword {secret}\n", (secret,), ()


def jwt(random: Random) -> Made:
    head, body, signature = (base64.urlsafe_b64encode(random.randbytes(n)).decode().rstrip("=") for n in (15, 24, 32))
    text = f"{head}.{body}.{signature}"
    return text, (text, body, signature), ()


def lines(random: Random) -> Made:
    secrets = tuple(token(random, 12, 30) for _ in range(3))
    return "\n".join(secrets) + random.choice(["", "\n"]), secrets, ()


def login(random: Random) -> Made:
    secret = token(random)
    return f"app:{secret}", (secret,), ()


def bearer(random: Random) -> Made:
    secret = token(random, 16, 40)
    return f"Bearer {secret}", (secret,), ()


def digits(random: Random) -> Made:
    text = str(random.randint(10**11, 10**17))
    return text, (text,), ()


def middling(random: Random) -> Made:
    return token(random, 4, 7), (), ()


def short(random: Random) -> Made:
    return token(random, 1, 3), (), ()


SHAPES: Final[dict[str, Callable[[Random], Made]]] = {
    made.__name__: made
    for made in (
        plain, quoted, url, user, url_list, query, dsn, odbc, jaas, commas, document, pem, netrc, jwt, lines, login, bearer, digits,
        middling, short,
    )
}  # fmt: skip


def plant(key: str, shape: str, random: Random) -> Planted:
    """A secret of this shape, for this key."""
    text, credentials, names = SHAPES[shape](random)
    return Planted(key, text, credentials, names, shape)
