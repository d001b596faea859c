"""Layers made to be slow, large or deadly: three texts of at most 1 MiB each, or None where there is no file."""

from collections.abc import Callable
from itertools import count
from typing import Final, TypeAlias

from integr8scode.settings import Settings

Layers: TypeAlias = tuple[bytes, bytes | None, bytes | None]
"""config.toml, secrets.toml and an override."""

LARGEST: Final = 1024 * 1024
SECRETS: Final = b'SECRET_KEY = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"\n'
BROKEN_RULE: Final = b"KAFKA_HEARTBEAT_INTERVAL_MS = 9\nKAFKA_SESSION_TIMEOUT_MS = 8\n"
NAMES: Final = [name.encode() for name in Settings.__struct_fields__]
RUNTIMES: Final = b"SUPPORTED_RUNTIMES"
SCRIPTS: Final = b"EXAMPLE_SCRIPTS"


def filled(unit: bytes, start: bytes = b"", end: bytes = b"") -> bytes:
    """As many of the unit as fit, each with its own number in the place of every %d."""
    room = LARGEST - len(start) - len(end)
    if b"%d" not in unit:
        return start + unit * (room // len(unit)) + end
    pieces: list[bytes] = []
    for number in count():
        piece = unit.replace(b"%d", b"%d" % number)
        room -= len(piece)
        if room < 0:
            return start + b"".join(pieces) + end
        pieces.append(piece)
    raise AssertionError("it never ends")


def thrice(unit: bytes, start: bytes = b"", end: bytes = b"") -> Layers:
    """The same in every layer."""
    text = filled(unit, start, end)
    return text, text, text


def apart(unit: bytes, start: bytes = b"", end: bytes = b"") -> Layers:
    """In every layer under other keys: each of its own takes the place of @."""
    config, secrets, override = (
        filled(unit.replace(b"@", name), start.replace(b"@", name), end.replace(b"@", name))
        for name in (b"x", b"y", b"z")
    )
    return config, secrets, override


def misspelt(number: int) -> bytes:
    name = NAMES[number % len(NAMES)]
    return b"%s%x%s = 1\n" % (name[:3], number // len(NAMES), name[3:])


def near_to_known_keys() -> Layers:
    text = b"".join(map(misspelt, range(30_000)))[:LARGEST].rpartition(b"\n")[0]
    return text, text, text


def every_key_wrong() -> Layers:
    text = b"".join(name + b" = [" + b"'x', " * 2000 + b"]\n" for name in NAMES)
    return text, text, text


def few_secrets_that_begin_alike() -> Layers:
    wrong = b"".join(b'k%d = [1, "aaaa aaaa"]\n' % number for number in range(300))
    alike = b"".join(b'k%d = "aaaa aaaa%d"\n' % (number, number) for number in range(2000))
    return BROKEN_RULE + b"[%s]\n" % SCRIPTS + wrong, SECRETS + b"[%s]\n" % SCRIPTS + alike, None


VERSIONS = b'SUPPORTED_RUNTIMES.@ = {file_ext = "x", versions = ['

CASES: Final[dict[str, Callable[[], Layers]]] = {
    # Many keys
    "unknown keys": lambda: thrice(b"k%d=1\n"),
    "unknown keys apart": lambda: apart(b"@%d=1\n"),
    "unknown tables": lambda: apart(b"[@%d]\n"),
    "unknown inline tables": lambda: apart(b"@%d={b={c=1}}\n"),
    "unknown tables in arrays": lambda: apart(b"[[@]]\n"),
    "near to known keys": near_to_known_keys,
    "huge keys": lambda: thrice(b"a" * (LARGEST // 2 - 10) + b"=1\n", b'"' + b"b" * (LARGEST // 2 - 10) + b'"=2\n'),
    "huge escaped key": lambda: thrice(b"\\u00e9", b'"', b'"=2'),
    "keys in mappings": lambda: apart(b'@%d=""\n', b"[EXAMPLE_SCRIPTS]\n"),
    "wrong values in mappings": lambda: apart(b"@%d=1\n", b"[EXAMPLE_SCRIPTS]\n"),
    "last value wrong in mappings": lambda: apart(b'@%d=""\n', b"[EXAMPLE_SCRIPTS]\n", b"@=1\n"),
    "incomplete tables": lambda: apart(b"[SUPPORTED_RUNTIMES.@%d.b.c]\n"),
    "wrong types deep in tables": lambda: thrice(b"[SUPPORTED_RUNTIMES.r%d]\nversions=[1]\nfile_ext=2\n"),
    "last table wrong": lambda: apart(
        b'[SUPPORTED_RUNTIMES.@%d]\nversions=["1"]\nfile_ext="2"\n',
        end=b'[SUPPORTED_RUNTIMES.@]\nversions=["1"]\nfile_ext=2\n',
    ),
    "one inline table of wrong values": lambda: thrice(b"k%d=1,", b"SUPPORTED_RUNTIMES={", b"z=1}"),
    "every key wrong": every_key_wrong,
    "a key twice": lambda: thrice(b"k%d=1\n", end=b"k0=1\n"),
    # Arrays
    "arrays of unknown keys": lambda: apart(b"1,", b"@=[", b"]"),
    "arrays with an escape": lambda: apart(b"1,", b'RATE_LIMITS=["\\\\",', b"]"),
    "arrays with the name of a secret": lambda: apart(b"{},", b"EXAMPLE_SCRIPTS=[{SECRET_KEY=1},", b"]"),
    "arrays of wrong elements": lambda: apart(b"1,", VERSIONS, b"]}"),
    "arrays whose last element is wrong": lambda: apart(b'"1",', VERSIONS, b"1]}"),
    "array that fits": lambda: (filled(b'"1",', VERSIONS.replace(b"@", b"x"), b"]}"), SECRETS, None),
    "array of empty tables": lambda: apart(b"{},", b"EXAMPLE_SCRIPTS=[", b"]"),
    "array of arrays": lambda: apart(b"[[],[]],", b"@=[", b"]"),
    "array of dates, the last in the year 0": lambda: apart(b"1979-05-27,", b"@=[", b"0000-01-01]"),
    "known table as an array": lambda: thrice(b"[[EXAMPLE_SCRIPTS]]\n"),
    # Depth
    "32 dotted parts": lambda: apart(b"@%d" + b".a" * 31 + b"=1\n"),
    "32 dotted parts in a mapping": lambda: apart(b"EXAMPLE_SCRIPTS.@%d" + b".a" * 30 + b"=1\n"),
    "half a million dots": lambda: thrice(b".a", b"a", b"=1"),
    "half a million dots in a header": lambda: thrice(b".a", b"[a", b"]"),
    "half a million dots in an inline table": lambda: thrice(b".a", b"a={a", b"=1}"),
    "quoted dots": lambda: thrice(b'. "a" ', b"a", b"=1"),
    "nested arrays": lambda: thrice(b"[", b"a="),
    "nested tables": lambda: thrice(b"{a=", b"a="),
    "nested in turn": lambda: thrice(b"[{a=", b"a="),
    "headers that never end": lambda: thrice(b"["),
    "braces": lambda: thrice(b"{"),
    "nesting closed again and again": lambda: thrice(b"[" * 32 + b"]" * 32 + b",", b"a=[", b"]"),
    "nesting at the limit": lambda: apart(b"@%d=" + b"[" * 31 + b"]" * 31 + b"\n"),
    "nesting beyond the limit, harmless to the parser": lambda: (b"a=" + b"[" * 102 + b"]" * 102, SECRETS, None),
    # Numbers
    "a million digits": lambda: thrice(b"1", b"a="),
    "a million digits of a known key": lambda: thrice(b"1", b"WEB_THREADS=0x"),
    "a million digits of a float": lambda: (filled(b"1", b"TRACING_SAMPLING_RATE=", b".5"), SECRETS, None),
    "a million digits of an exponent": lambda: (filled(b"1", b"TRACING_SAMPLING_RATE=1e"), SECRETS, None),
    "a million digits in quotes": lambda: (filled(b"1", b'WEB_THREADS="', b'"'), SECRETS, None),
    "numbers with 999 digits": lambda: thrice(b"1" * 999 + b",\n", b"a=[", b"]"),
    # Errors of syntax
    "one line with an error at its end": lambda: thrice(b"1,", b"a=[", b"!]"),
    "one string with an error behind it": lambda: thrice("é".encode(), b'a="', b'" !'),
    "string that never ends": lambda: thrice(b"x\n", b'a="""'),
    "one word": lambda: thrice(b"a"),
    "null bytes": lambda: thrice(b"\0"),
    "a last byte that is no UTF-8": lambda: thrice(b"a", end=b"\xff"),
    "carriage returns": lambda: thrice(b"\r"),
    "comments": lambda: thrice(b"#\n"),
    "empty lines and a wrong value": lambda: thrice(b"\n", SECRETS, b'WEB_THREADS="x"\n'),
    # Values for which patterns are hard
    "spaces for a URL": lambda: thrice(b" ", b'MONGODB_URL="mongodb://', b'"'),
    "pairs without end": lambda: (filled(b"a=b,", b'OTEL_RESOURCE_ATTRIBUTES="', b'"'), SECRETS, None),
    "brokers with an error at the end": lambda: (filled(b"a:1,", b'KAFKA_BOOTSTRAP_SERVERS="', b'!"'), SECRETS, None),
    "spaces for a limit": lambda: (filled(b" ", b'RATE_LIMITS="1', b'!"'), SECRETS, None),
    "a long word of few": lambda: (filled(b"INFO", b'LOG_LEVEL="', b'"'), SECRETS, None),
    # Secrets, with a broken rule whose message is cleared of them
    "one long secret": lambda: (BROKEN_RULE, filled(b"x", SECRETS + b'REDIS_PASSWORD="', b'"'), None),
    "one long secret of odd characters": lambda: (
        BROKEN_RULE,
        filled("é\\n% ".encode(), SECRETS + b'REDIS_PASSWORD="', b'"'),
        None,
    ),
    "a secret of many lines": lambda: (BROKEN_RULE, filled(b"k%d l\n", SECRETS + b'REDIS_PASSWORD="""', b'"""'), None),
    "a secret of short lines": lambda: (BROKEN_RULE, filled(b"-\n", SECRETS + b'REDIS_PASSWORD="""', b'"""'), None),
    "a secret URL": lambda: (BROKEN_RULE, filled(b"%20:@", SECRETS + b'MONGODB_URL="mongodb://', b'"'), None),
    "a secret of assignments": lambda: (
        BROKEN_RULE,
        filled(b"password=%20%d;", SECRETS + b'REDIS_PASSWORD="', b'"'),
        None,
    ),
    "many secrets": lambda: (
        BROKEN_RULE,
        filled(b'k%d="v %d"\n', SECRETS + b"[EXAMPLE_SCRIPTS]\n"),
        None,
    ),
    "many equal secrets": lambda: (BROKEN_RULE, filled(b'k%d="a b"\n', SECRETS + b"[EXAMPLE_SCRIPTS]\n"), None),
    "many secrets and wrong values": lambda: (
        filled(b"k%d=1\n", b"[EXAMPLE_SCRIPTS]\n"),
        filled(b'l%d="-"\n', SECRETS + b"[EXAMPLE_SCRIPTS]\n"),
        None,
    ),
    "few secrets that begin alike": few_secrets_that_begin_alike,
    "headers with the name of a secret": lambda: apart(b"[@%d.SECRET_KEY]\n", b'WEB_THREADS="1"\n'),
}
