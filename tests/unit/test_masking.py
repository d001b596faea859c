"""Secrets are masked in reprs."""

import io
import pickle
import reprlib
import types
from collections.abc import Callable, Iterator, Mapping
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
from hotsettings._schema.frozen import freeze
from hotsettings._schema.marks import RESTART_REQUIRED
from hotsettings._schema.masking import HIDDEN, MASK, Hidden, is_secret, names_of_secrets, secret_fields
from hotsettings._schema.schema import schema_of

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
