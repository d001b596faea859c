"""Secrets are masked in reprs and scrubbed out of texts."""

import base64
import datetime
import decimal
import enum
import html
import io
import json
import pickle
import reprlib
import textwrap
import time
import types
import urllib.parse
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Generic, Literal, NewType, Optional, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import Struct
from rich.console import Console
from rich.pretty import pretty_repr

from hotsettings import BaseSettings, Secret
from hotsettings.frozen import freeze
from hotsettings.marks import RESTART_REQUIRED
from hotsettings.secrecy import (
    HIDDEN,
    MASK,
    Hidden,
    Scrubber,
    is_secret,
    names_of_secrets,
    scrub,
    secret_fields,
    texts_of,
)
from hotsettings.settings import schema_of

T = TypeVar("T")
CANARY = "hunter2-canary"


class Db(Struct, frozen=True):
    host: str = "h"
    password: Secret[str] = CANARY
    backup: Optional["Db"] = None


class Array(Struct, frozen=True, array_like=True):
    token: Secret[str] = CANARY


class Box(Struct, Generic[T], frozen=True):
    content: T


class Own(Struct, frozen=True):
    token: Secret[str] = CANARY

    def __repr__(self) -> str:
        return "Own()"


class Tagged(Struct, frozen=True, tag=True):
    token: Secret[str] = CANARY


class Other(Struct, frozen=True, tag=True):
    name: str = "n"


class Settings(BaseSettings):
    NAME: str = "app"
    TOKEN: Secret[str] = CANARY
    MAYBE: Secret[str] | None = None
    MAYBE_SET: Secret[str | None] = CANARY
    EMPTY: Secret[str] = ""
    NUMBER: Secret[int] = 0
    TOKENS: tuple[Secret[str], ...] = (CANARY,)
    BY_NAME: Mapping[str, Secret[str]] = {"a": CANARY}
    BY_TOKEN: Mapping[Secret[str], str] = {CANARY: "a"}
    UNION: int | tuple[Secret[str], ...] = 1
    db: Db = Db(backup=Db())
    dbs: tuple[Db, ...] = (Db(),)
    named: Mapping[str, Db] = freeze({"x": Db()})
    maybe_db: Db | None = None
    whole: Secret[Db] = Db()
    array: Array = Array()
    box: Box[Secret[str]] = Box(CANARY)
    plain_box: Box[int] = Box(1)
    box_of_db: Box[Db] = Box(Db())
    own: Own = Own()
    union: Tagged | Other = Tagged()


MASKED = {
    *("TOKEN", "MAYBE", "MAYBE_SET", "EMPTY", "NUMBER", "TOKENS", "BY_NAME", "BY_TOKEN", "UNION", "whole", "box"),
}


def test_which_fields_are_masked() -> None:
    assert secret_fields(Settings) == MASKED
    assert secret_fields(Db) == {"password"}
    assert secret_fields(Other) == frozenset()


class Deep(Struct, Generic[T], frozen=True):
    box: Box[T]
    tokens: Box[Secret[str]]
    more: tuple[Box[T], ...] = ()


class Bound(Box[Secret[str]], frozen=True):
    name: str = "n"


class OneOf(Struct, Generic[T], frozen=True, tag=True):
    one: T


class Another(Struct, Generic[T], frozen=True, tag=True):
    another: T


Below = TypeVar("Below", bound=Secret[str])


class Limited(Struct, Generic[Below], frozen=True):
    limited: Below


Token = NewType("Token", Secret[str])
secret: Any = Secret  # to be indexed as the tests run, which type checkers do not follow
SECRETS: tuple[Any, ...] = (secret[str], secret[str | None], secret[str] | None, Token, secret[Any])
LEAVES: list[tuple[Any, Any]] = [
    *((kind, CANARY) for kind in SECRETS),
    (Annotated[Secret[str], msgspec.Meta(min_length=1)], CANARY),
    (Secret[Annotated[str, msgspec.Meta(description="x")]], CANARY),
    (tuple[Secret[str], ...], (CANARY,)),
    (Mapping[str, Secret[str]], freeze({"a": CANARY})),
    (frozenset[Secret[str]], frozenset({CANARY})),
    (Limited, Limited(CANARY)),
    (Limited[Secret[str]], Limited(CANARY)),
    (Bound, Bound(CANARY)),
    (Db, Db()),
    (int, 1),
]
INDEXED: tuple[Any, ...] = (Box, Deep, OneOf, Another, tuple, Mapping, Annotated, NewType)
box, deep, one_of, another, pairs, mapping, annotated, new_type = INDEXED
WRAPPERS: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
    (lambda kind: box[kind], Box),
    (lambda kind: annotated[box[kind], msgspec.Meta(description="x")], Box),
    (lambda kind: new_type("N", box[kind]), Box),
    (lambda kind: deep[kind], lambda value: Deep(Box(value), Box(CANARY), (Box(value),))),
    (lambda kind: pairs[box[kind], ...], lambda value: (Box(value),)),
    (lambda kind: mapping[str, box[kind]], lambda value: freeze({"a": Box(value)})),
    (lambda kind: box[kind] | None, Box),
    (lambda kind: one_of[kind] | Another[int], OneOf),
    (lambda kind: another[int] | one_of[kind] | None, OneOf),
    (lambda kind: annotated[deep[box[kind]], RESTART_REQUIRED], lambda value: Deep(Box(Box(value)), Box(CANARY))),
]


def structs_in(value: Any) -> Iterator[Struct]:
    """Every Struct that can be reached from a value."""
    if isinstance(value, Struct):
        yield value
        for name in value.__struct_fields__:
            yield from structs_in(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from structs_in(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from structs_in(item)


@given(st.sampled_from(LEAVES), st.lists(st.sampled_from(WRAPPERS), min_size=1, max_size=3))
@hypothesis_settings(deadline=None)
def test_however_a_secret_is_nested_no_repr_of_anything_around_it_shows_it(leaf: Any, wrappers: Any) -> None:
    kind, value = leaf
    for wrap, make in wrappers:
        kind, value = wrap(kind), make(value)
    annotations = {"field": kind, "inner": box[kind]}
    cls: Any = types.new_class(
        "Nested", (BaseSettings,), {}, lambda namespace: namespace.update(__annotations__=annotations)
    )
    settings = cls.from_values(field=value, inner=Box(value))
    reached = list(structs_in(settings))
    assert len(reached) > 1
    for struct in reached:
        for text in every_repr(struct):
            assert CANARY not in text


def test_a_plain_parameter_is_shown_where_it_is_known() -> None:
    settings = Settings.from_values()
    assert "plain_box=Box(content=1), box_of_db=Box(content=Db(host='h'" in repr(settings)
    # By itself an instance does not know its parameter, and another one of its class holds a secret.
    assert repr(settings.plain_box) == f"Box(content={MASK})"


class Deeper(BaseSettings):
    by_name: Mapping[str, Db] = {}
    several: tuple[Box[Secret[str]], ...] = ()
    union: Tagged | Other | None = None
    box: Box[Box[Secret[Other]]] | None = None
    listed: tuple[tuple[Secret[str], int], ...] = ()
    limited: Limited[Secret[str]] | None = None


def test_the_names_of_secrets_at_any_depth() -> None:
    assert schema_of(Deeper).secret_names
    names = {"password", "content", "several", "token", "name", "listed", "limited"}
    assert names <= set(schema_of(Deeper).secret_names)
    assert names_of_secrets(Deeper) == names
    assert names_of_secrets(Other) == frozenset()
    assert names_of_secrets(tuple[Literal["a"], Secret[Db]]) == {"host", "password"}


def test_is_secret() -> None:
    assert is_secret(tuple[Db, ...])
    assert not is_secret(tuple[Db, ...], beyond=(Db,))
    assert not is_secret(Other)


def every_repr(value: Any) -> Iterator[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=200)
    console.print(value)
    yield from (repr(value), str(value), f"{value}", f"{value!r:>10}", "%s %r" % (value, value), stream.getvalue())  # noqa: UP031
    yield from (pretty_repr(value, expand_all=True), pretty_repr(value, max_width=20), reprlib.repr(value))


@pytest.mark.parametrize("settings", [Settings.from_values(), [Settings.from_values()], {"a": Settings.from_values()}])
def test_no_repr_shows_a_secret(settings: Any) -> None:
    for text in every_repr(settings):
        assert CANARY not in text
        assert CANARY[:8] not in text


def test_the_repr() -> None:
    db = f"Db(host='h', password={MASK}, backup=None)"
    assert repr(Settings.from_values()) == (
        f"Settings(NAME='app', TOKEN={MASK}, MAYBE=None, MAYBE_SET={MASK}, EMPTY={MASK}, NUMBER={MASK}, TOKENS={MASK}, "
        f"BY_NAME={MASK}, BY_TOKEN={MASK}, UNION={MASK}, db=Db(host='h', password={MASK}, backup={db}), dbs=({db},), "
        f"named={{'x': {db}}}, maybe_db=None, whole={MASK}, array=Array(token={MASK}), box={MASK}, "
        f"plain_box=Box(content=1), box_of_db=Box(content={db}), own=Own(), union=Tagged(token={MASK}))"
    )
    assert pretty_repr(Settings.from_values(NAME="n").db.backup, max_width=200) == db


def test_the_mask_has_no_quotes_and_survives_pickle() -> None:
    assert repr(HIDDEN) == str(HIDDEN) == MASK
    assert isinstance(pickle.loads(pickle.dumps(HIDDEN)), Hidden)


class Colour(enum.Enum):
    CRIMSON = "red-canary"


AWKWARD = "p'ä\"ss \\w/ö+rd&<\n\tcanary>"


@pytest.mark.parametrize(
    "shown",
    [
        str,
        repr,
        ascii,
        json.dumps,
        lambda text: json.dumps(text, ensure_ascii=False),
        lambda text: msgspec.json.encode(text).decode(),
        lambda text: repr({"password": text}),
        lambda text: f"{text.encode()!r}",
        urllib.parse.quote,
        urllib.parse.quote_plus,
        lambda text: urllib.parse.quote(text, safe=""),
        lambda text: urllib.parse.urlencode({"password": text}),
        html.escape,
        str.upper,
        str.lower,
        lambda text: f"it is {text.strip()}!",
        lambda text: f"> {text.splitlines()[0]}",
        lambda text: textwrap.indent(text, "    "),
        reprlib.repr,
        lambda text: text[:8],
        lambda text: text[:-1],
        lambda text: text[1:],
        lambda text: text[-8:],
        lambda text: f"{text[:9]}...{text[-9:]}",
        lambda text: f"{text}{text}",
    ],
)
@pytest.mark.parametrize("secret", [CANARY, AWKWARD, "x" * 20 + CANARY, CANARY.upper(), "123456789"])
def test_a_secret_is_found_however_it_is_quoted(secret: str, shown: Callable[[str], str]) -> None:
    text = scrub(f"bad value: {shown(secret)}, no good", texts_of(secret))
    assert MASK in text
    for start in range(len(secret) - 7):
        part = secret[start : start + 8]
        if start == 0 or start == len(secret) - 8:
            assert part.casefold() not in text.casefold()
    assert text.startswith("bad value: ")
    assert text.endswith(", no good")


FORMS: list[Callable[[str], str]] = [
    *(repr, ascii, json.dumps, lambda text: json.dumps(text, ensure_ascii=False), lambda text: repr(text.encode())),
    *(urllib.parse.quote, lambda text: urllib.parse.quote(text, safe=""), urllib.parse.quote_plus, html.escape),
]


@pytest.mark.parametrize(
    ("secret", "quoted"),
    [
        (12345, "12345"),
        (1.5e300, "1.5e+300"),
        (decimal.Decimal("1.50"), "Decimal('1.50')"),
        (datetime.date(2024, 2, 29), "datetime.date(2024, 2, 29)"),
        (datetime.datetime(2024, 2, 29, 12), "2024-02-29T12:00:00"),  # noqa: DTZ001
        (datetime.datetime(2024, 2, 29, 12), "2024-02-29 12:00:00"),  # noqa: DTZ001
        (datetime.timedelta(minutes=5), "0:05:00"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (b"canary\xff", "b'canary\\xff'"),
        (b"canary\xff", "63616e617279ff"),
        (b"canary", "canary"),
        (Colour.CRIMSON, "<Colour.CRIMSON: 'red-canary'>"),
        ((1, ("canary",)), "canary"),
        ({"key-canary": {"deep": frozenset({"canary"})}}, "canary key-canary"),
        (Db("host-canary"), "host-canary hunter2-canary"),
        ("postgres://user:canary%20word@db/name", "user:canary word"),
        ("postgres://user:canary%20word@db/name", "canary%20word"),
        ("postgres://canary@db/name", "canary"),
        ("postgres://user:canary@db/name", "postgres://user:canary@db/name"),
        ("postgres://user:canary@[not-an-address/name", "canary"),
        ("https://user:canary@host", base64.b64encode(b"user:canary").decode()),
        ("amqp://host/?password=canary%21&x=1", "canary!"),
        ("host=db user=me password=canary port=5", "canary"),
        ("Server=db;Pwd=canary;Database=x", "canary"),
        ("first line\nmiddle canary\nlast line", "middle canary"),
        *((f"ä' {sign} canary {sign} 'ä", form(f"ä' {sign} canary {sign} 'ä")) for form in FORMS for sign in '"/&'),
    ],
)
def test_the_parts_of_a_secret_that_tell_it(secret: Any, quoted: str) -> None:
    text = scrub(f"[{quoted}]", texts_of(secret))
    for word in ("canary", "12345", "1.50", "29", "CRIMSON", "12:00", "05:00", "000005", "e+300", "617279", "dXNl"):
        assert word not in text


@pytest.mark.parametrize("nothing", [None, True, False, (), {}, "", " ", "\n"])
def test_what_says_nothing_is_not_looked_for(nothing: Any) -> None:
    text = "None True False () {} nothing\n"
    assert scrub(text, texts_of(nothing)) == text


@pytest.mark.parametrize(
    ("secret", "text", "clean"),
    [
        ("5", "5 is not 55 or a5", f"{MASK} is not 55 or a5"),
        ("abc", "abc, abcd, (abc)", f"{MASK}, abcd, ({MASK})"),
        ("abcd", "abcde", f"{MASK}e"),
        ("abcd", "ABCD", "ABCD"),
        ("kafka:29092", "kafka:1", "kafka:1"),
        ("kafka:29092", "kafka:29", MASK),
        ("postgres://me:canary@db", "it must start with postgres://", "it must start with postgres://"),
        ("longest-canary", "longest-canary longest-canarylongest-", f"{MASK} {MASK}{MASK}"),
        ("İstanbul-canary", "İSTANBUL: İstanbul-canary", f"İSTANBUL: {MASK}"),
        (MASK, f"<{MASK}>", f"<{MASK}>"),
    ],
)
def test_scrubbing_leaves_the_rest_readable(secret: str, text: str, clean: str) -> None:
    assert scrub(text, [secret]) == clean


def test_secrets_that_begin_alike() -> None:
    secrets = ["canary-of-mine-5", "canary-of-many-others"]
    assert scrub("<canary-of-mine-5>", secrets) == scrub("<canary-of-many-others>", secrets) == f"<{MASK}>"


def test_the_longest_secret_goes_first() -> None:
    assert scrub("<canary-long>", ["canary", "canary-long"]) == f"<{MASK}>"


@given(st.text(min_size=4, max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_a_secret_never_stays(secret: str, before: str, after: str) -> None:
    text = scrub(before + secret + after, texts_of(secret))
    if secret.strip() and secret not in MASK:
        assert secret not in text


@given(st.text(), st.lists(st.text(), max_size=3))
def test_a_text_without_secrets_stays(text: str, secrets: list[str]) -> None:
    known = {spelling for secret in secrets for spelling in texts_of(secret)}
    if not any(
        (part and part.lower()[:8] in text.lower()) or part.lower()[-8:] in text.lower() for part in known if part
    ):
        assert scrub(text, known) == text


@pytest.mark.parametrize(
    ("secret", "text", "found"),
    [
        ("abc", "an abc!", True),
        ("abc", "abcd", False),
        ("abcd", "abcde", True),
        ("abcd", "abce", False),
        ("hunter2-canary", "HUNTER2-", True),
        ("hunter2-canary", "r2-CANARY", True),
        ("hunter2-canary", "hunter2", False),
        ("https://me@host", "it starts with https://", False),
        ("https://me@host", "<https://me@host>", True),
        ("ÄÖÜ-canary", "äöü-canary", True),
        ("", "", False),
    ],
)
def test_a_scrubber_tells_whether_there_is_anything_to_mask(secret: str, text: str, found: bool) -> None:
    scrubber = Scrubber([secret])
    assert scrubber.finds(text) is found
    assert (scrubber.clear(text) != text) is found


@pytest.mark.parametrize("secrets", [map(str, range(10_000, 60_000)), ["canary" * 1_000_000]])
def test_what_is_too_much_to_look_for_is_hidden_whole(secrets: Iterable[str]) -> None:
    scrubber = Scrubber(secrets)
    assert scrubber.finds("anything")
    assert scrubber.clear("anything") == f"{MASK} (there are too many secrets to look for)"


def test_many_secrets_are_looked_for_in_little_time() -> None:
    scrubber = Scrubber(f"canary-{number}-{number:05}" for number in range(30_000))
    text = "what a canary-12345-12345 says is " + "long " * 500
    start = time.perf_counter()
    assert scrubber.clear(text) == text.replace("canary-12345-12345", MASK)
    assert time.perf_counter() - start < 1
