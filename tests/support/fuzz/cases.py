"""Cases: three layers and a class, made of documents of toml-test, of a grammar and of our own files, by accidents that
know where TOML's tokens begin and end."""

from __future__ import annotations

import json
import random
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import toml_rs

from hotsettings import BaseSettings
from integr8scode.settings import Settings
from support import ROOT
from support.fuzz.classes import settings_class
from support.toml_texts import KEYS, PIECES, SCALARS, Node, Style

LARGEST: Final = 1024 * 1024
CLASSES: Final = 24
"""How many generated classes there are for one seed; once in a while it is the example application's."""

TOKEN: Final = re.compile(
    rb"\"{3}(?:[^\"]|\"(?!\"\"))*\"{3}|'{3}(?:[^']|'(?!''))*'{3}|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'"
    rb"|#[^\n]*|[A-Za-z0-9_+:-]+|[ \t]+|\r?\n|.",
    re.DOTALL,
)
NASTY: Final[list[bytes]] = [
    *(piece.encode() for piece in PIECES),
    *(scalar.encode() for scalar in SCALARS),
    *(b"\xff", b"\xed\xa0\x80", b"\0", b"\r", b"\xc2\x85", b"\xe2\x80\xa8", b"\x7f", b"\xef\xbb\xbf"),
    *(b"23:59:60", b"0000-01-01", b"9999-12-31T23:59:59.999999999+23:59", b"1979-05-27T24:00:00Z", b"1979-02-30"),
    *(b"9" * 19, b"9" * 30, b"0x" + b"f" * 17, b"1" * 5000, b"-0", b"+nan", b"1e400", b"0.1e-999999999", b"1_", b"__"),
    *(rb'"\uD800"', rb'"\U00110000"', rb'"\uzz"', rb'"\q"', rb'"\x"', rb'"\e"', b'"""\\\n  ', b"'''", b'""""""""'),
    *(
        b"a." * 40,
        b"[" * 40,
        b"{a=" * 40,
        b"]" * 40,
        b"}" * 40,
        b"[[a]]\n",
        b"[a]\n",
        b"[a.b]\n",
        b"a.b=1\n",
        b"a={}\n",
    ),
    *(b"None", b"null", b"True", b"yes", b"a: 1\n", b"- a\n", b"<<<<<<< HEAD\n", b"{", b'{"a": 1}', b"[section]\n"),
]


class Case(NamedTuple):
    """What is loaded: the bytes of three layers, None where there is no file, and the number of a class."""

    layers: tuple[bytes | None, ...]
    number: int
    canary: bytes
    parser: str


@lru_cache(maxsize=1)
def corpus() -> list[bytes]:
    documents = json.loads((Path(__file__).parent / "toml-test.json").read_text())["documents"]
    ours = [path.read_bytes() for path in sorted(ROOT.glob("*.toml")) if path.name != "secrets.toml"]
    return [text.encode("latin-1") for text in documents.values()] + ours


@lru_cache(maxsize=CLASSES)
def class_of(seed: int, number: int) -> type[BaseSettings]:
    return settings_class(random.Random(f"{seed}/class/{number}")) if number else Settings


def case(seed: int, index: int) -> Case:
    """The case of this number: always the same one for the same seed."""
    rng = random.Random(f"{seed}/{index}")
    number = rng.randrange(CLASSES)
    canary = b"c%016x" % rng.getrandbits(64)
    config, override = (document(rng, seed, number) for _ in range(2))
    secrets = with_canary(rng, document(rng, seed, number), canary)
    layers = (config, secrets if rng.random() < 0.9 else None, override if rng.random() < 0.4 else None)
    return Case(layers, number, canary, "tomllib" if rng.random() < 0.15 else "toml_rs")


def document(rng: random.Random, seed: int, number: int) -> bytes:
    kind = rng.random()
    if kind < 0.2:
        data = rng.choice(corpus())
    elif kind < 0.45:
        data = "".join(Style(rng).body(table(rng), ())).encode()
    else:
        data = for_class(rng, seed, number)
    for _ in range(rng.choice([0, 0, 0, 0, 0, 0, 1, 1, 2, 8])):
        data = accident(rng, data)
    if rng.random() < 0.01:
        data = inflated(rng, data)
    return data[:LARGEST]


def table(rng: random.Random, depth: int = 0) -> dict[str, Node]:
    return {key: node(rng, depth + 1) for key in rng.sample(KEYS, rng.randint(0, 5))}


def node(rng: random.Random, depth: int = 0) -> Node:
    kind = rng.random()
    if kind < 0.6 or depth > 4:
        return rng.choice(SCALARS)
    return [node(rng, depth + 1) for _ in range(rng.randint(0, 3))] if kind < 0.8 else table(rng, depth)


def for_class(rng: random.Random, seed: int, number: int) -> bytes:
    """Keys that the class knows, and near misses of them, with any values."""
    known = [field.encode_name for field in _fields(class_of(seed, number))]
    style = Style(rng)
    lines = []
    for key in rng.sample(known, rng.randint(0, len(known))):
        if rng.random() < 0.1:
            at = rng.randrange(len(key) + 1)
            key = key[:at] + rng.choice(["", "x", key[at : at + 1] * 2]) + key[at + 1 :]
        lines.append(f"{style.key(key)} = {style.value(node(rng))}\n")
    return "".join(lines).encode()


def _fields(cls: Any) -> Any:
    from msgspec.structs import fields

    return fields(cls)


def with_canary(rng: random.Random, data: bytes, canary: bytes) -> bytes:
    """The same with the canary in some of its strings."""
    shapes = (b'"%s"', b"'%s'", b'"redis://user:%s@host:6379/0"', b'"""\n%s\nsecond line"""', b'"a=%s;b=c"')

    def put(match: re.Match[bytes]) -> bytes:
        token = match[0]
        is_value = token[:1] in b"\"'" and data[: match.start()].rstrip(b" \t")[-1:] in (b"=", b"[", b",", b"\n")
        is_value = is_value and data[match.end() :].lstrip(b" \t")[:1] not in (b"=", b".", b"]]")
        return rng.choice(shapes) % canary if is_value and rng.random() < 0.7 else token

    return TOKEN.sub(put, data)[:LARGEST] if len(data) < 20_000 else data


def accident(rng: random.Random, data: bytes) -> bytes:
    if len(data) > 20_000:
        return data
    tokens = TOKEN.findall(data) or [b""]
    one, other = rng.randrange(len(tokens)), rng.randrange(len(tokens))
    kind = rng.randrange(13)
    if kind == 0:
        del tokens[one]
    elif kind == 1:
        tokens.insert(one, tokens[other])
    elif kind == 2:
        tokens[one], tokens[other] = tokens[other], tokens[one]
    elif kind == 3:
        tokens[one] = rng.choice(NASTY)
    elif kind == 4:
        tokens.insert(one, rng.choice(NASTY))
    elif kind == 5:
        tokens[one] = rng.choice(SCALARS).encode()
    elif kind == 6:
        tokens[one] = rng.choice([b"[%s]", b"{a=%s}", b"[[%s]]", b'"%s"', b"'''%s'''", b"%s.%s", b"[%s\n"]).replace(
            b"%s", tokens[one]
        )
    elif kind == 7:
        tokens[one:one] = TOKEN.findall(rng.choice(corpus()))
    elif kind == 8:
        tokens[min(one, other) : max(one, other)] = []
    elif kind == 9:
        tokens[one] *= rng.choice([2, 3, 33, 34, 101, 400])
    elif kind == 10:
        tokens = tokens[:one]
    elif kind == 11:
        return data.replace(b"\n", b"\r\n") if rng.random() < 0.5 else b"\xef\xbb\xbf" + data
    else:
        at = rng.randrange(len(data) + 1)
        return data[:at] + bytes([rng.randrange(256)]) + data[at + rng.randint(0, 1) :]
    return b"".join(tokens)


def inflated(rng: random.Random, data: bytes) -> bytes:
    """Something in it a great many times, up to the limit of a layer; each time perhaps with a number of its own."""
    size = rng.choice([20_000, 100_000, LARGEST])
    if rng.random() < 0.5:
        key, style = rng.choice(KEYS), Style(rng)
        value = style.value(node(rng, 2)).encode()
        name = style.key(key).encode()
        start, unit, end = rng.choice(
            [
                (b"", b"x%d = " + value + b"\n", b""),
                (b"[" + name + b"]\n", b"x%d = " + value + b"\n", b""),
                (b"", b"[" + name + b".x%d]\na = " + value + b"\n", b""),
                (b"", b"[[" + name + b"]]\na = " + value + b"\n", b""),
                (name + b" = [", value + b",", b"]\n"),
                (name + b" = {", b"x%d = " + value + b",", b"}\n"),
            ]
        )
        times = (size - len(data)) // (len(unit) + 6)
        return data + start + b"".join(unit.replace(b"%d", b"%d" % i) for i in range(times)) + end
    tokens = TOKEN.findall(data) or [b"a=1\n"]
    one = rng.randrange(len(tokens))
    unit = b"".join(tokens[one : one + rng.choice([1, 1, 2, 3, 5, 10, 50])]) or b"#"
    times = max(1, (size - len(data)) // (len(unit) + 6))
    numbered = rng.random() < 0.5
    repeated = b"".join(b"%d%s" % (i, unit) for i in range(times)) if numbered else unit * times
    return b"".join(tokens[:one]) + repeated + b"".join(tokens[one:])


def keys_in(data: bytes | None) -> bytes:
    """All keys of a document that is TOML: they are no secrets, whatever accident made them."""
    try:
        tables: list[Any] = [toml_rs.loads((data or b"").decode().removeprefix("\ufeff"))]
    except ValueError:
        return b""
    keys: list[str] = []
    while tables:
        each = tables.pop()
        if isinstance(each, dict):
            keys += each
            tables += each.values()
        elif isinstance(each, list):
            tables += each
    return "\n".join(keys).encode()
