"""Cases: three layers and a class, made of documents of toml-test, of a grammar and of our own files, by accidents that
know where TOML's tokens begin and end. Some layers are folders with a file for each key."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import toml_rs

from hotsettings import BaseSettings
from hotsettings._schema.schema import schema_of
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


NAMES: Final[list[bytes]] = [
    *(b"tls.crt", b"ca.crt", b".hidden", b"..2026", b"...", b"a.", b".a", b"a..b", b"README", b"a~", b"#a#", b"a b"),
    *(
        b"caf\xe9",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\xe2\x80\xae.txt",
        b"a\nb",
        b"\x1b[31m",
        b"\r",
        b"'",
        b'"',
        b"\\",
        b"-",
    ),
    *(
        b'"a.b"',
        b"'a'.b",
        b'"\\u0061"',
        b'""',
        b"a.''",
        b"a[0]",
        b"[a]",
        b"*",
        b"%s",
        b"{}",
        b"$(x)",
        b"a=1",
        b"a,secret",
    ),
    *(b"x" * 255, b"a." * 33 + b"b", b"'" * 99, b"a." * 120),
]
LEADS: Final[list[bytes]] = [
    b"/dev/zero",
    b"/dev/null",
    b"/proc/self/mem",
    b"/proc/self/fd",
    b"/",
    b".",
    b"..",
    b"none",
    b"/none",
]


class KeyFiles(NamedTuple):
    """A folder with a file for each key: names, their kinds, and what is in a file or where a link leads.

    In a volume, as Kubernetes mounts one, they are behind a link.
    """

    entries: tuple[tuple[bytes, str, bytes], ...]
    volume: bool


Data: TypeAlias = bytes | KeyFiles | None


class Case(NamedTuple):
    """What is loaded: three layers, None where there is no file, and the number of a class."""

    layers: tuple[Data, ...]
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
    layers: list[Data] = [config, secrets if rng.random() < 0.9 else None, override if rng.random() < 0.4 else None]
    folders = [at for at in range(3) if rng.random() < 0.15]
    tame = rng.random() < 0.5  # what is broken hides what is behind it
    for at in folders:
        layers[at] = key_files(rng, seed, number, canary if at == 1 else b"no-canary", tame=tame)
    if tame and folders:
        layers = [b"" if isinstance(data, bytes) else data for data in layers]
    return Case(tuple(layers), number, canary, "tomllib" if rng.random() < 0.15 else "toml_rs")


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


def key_files(rng: random.Random, seed: int, number: int, canary: bytes, *, tame: bool) -> KeyFiles:
    """A folder with files for keys of the class, near misses of them, and whatever else lies in folders."""
    known = [leaf.key.encode() for leaf in schema_of(class_of(seed, number)).leaves] or [b"a"]
    names = rng.sample(known, rng.randint(0, len(known)))
    if tame:
        return KeyFiles(tuple((name, "file", tame_content(rng, canary)) for name in names), rng.random() < 0.3)
    names += rng.choices([*(key.encode() for key in KEYS), *NAMES], k=rng.choice([0, 0, 1, 2, 5]))
    names += [rng.choice(known) + b"." + name for name in rng.sample(NAMES + known, rng.choice([0, 0, 0, 1, 3]))]
    names = [accident(rng, name) if rng.random() < 0.05 else name for name in names]
    if rng.random() < 0.01:
        names += [b"%s.x%d" % (rng.choice(known), at) for at in range(rng.choice([300, 3_000, 5_001]))]
    usable = dict.fromkeys(name[:255] for name in names if name[:255] not in (b"", b".", b"..", b"..data"))
    entries = [entry(rng, name, names, canary) for name in usable if not {0, 47} & set(name)]
    return KeyFiles(tuple(entries), rng.random() < 0.3)


def entry(rng: random.Random, name: bytes, names: list[bytes], canary: bytes) -> tuple[bytes, str, bytes]:
    if rng.random() < 0.05:
        leads = rng.choice([*LEADS, *names[:20]])
        return name, rng.choice(["fifo", "folder", "link"]), leads.replace(b"\0", b"") or b"."
    return name, "file", content(rng, canary)


def tame_content(rng: random.Random, canary: bytes) -> bytes:
    return rng.choice(
        [b"1", b"a", b"true", b"[]", b"{}", b'"a"', b'{a = "%s"}' % canary, canary, canary + b"\n", b"0.5"]
    )


def content(rng: random.Random, canary: bytes) -> bytes:
    kind = rng.random()
    if kind < 0.4:
        data = rng.choice([rng.choice(SCALARS).encode(), Style(rng).value(node(rng)).encode()])
    elif kind < 0.6:
        data = rng.choice([b"%s", b'"%s"', b"redis://user:%s@host:6379/0", b"-----BEGIN\n%s\n", b"{a = '%s'"]) % canary
    elif kind < 0.8:
        data = rng.choice([*NASTY, *corpus(), b""])
    else:
        data = rng.randbytes(rng.choice([1, 4, 16, 64]))
    if rng.random() < 0.2:
        data = accident(rng, data)
    if rng.random() < 0.002:
        data = (data or b"x") * (rng.choice([20_000, 100_000, LARGEST, LARGEST + 1]) // len(data or b"x"))
    return data + rng.choice([b"", b"", b"\n", b"\r\n", b"\n\n"])


def put(path: Path, data: Data) -> None:
    """Write a layer at a path, or see to it that nothing is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if isinstance(data, bytes):
        path.write_bytes(data)
    elif data is not None:
        inside = os.fsencode(path / "..2026" if data.volume else path)
        os.makedirs(inside)
        if data.volume:
            (path / "..data").symlink_to("..2026")
        for name, kind, what in data.entries:
            there = os.path.join(inside, name)
            if kind == "file":
                with open(there, "wb") as file:
                    file.write(what)
            elif kind == "link":
                os.symlink(what, there)
            else:
                (os.mkdir if kind == "folder" else os.mkfifo)(there)


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


def keys_in(data: Data) -> bytes:
    """All keys of a document that is TOML: they are no secrets, whatever accident made them."""
    if isinstance(data, KeyFiles):
        return b"\n".join(name + b"\n" + keys_in(b"x = " + what) for name, _, what in data.entries)
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
