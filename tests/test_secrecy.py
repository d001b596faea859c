"""Secrets are masked in reprs."""

import io
import pickle
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any, Generic, Optional, TypeVar

import pytest
from msgspec import Struct
from rich.console import Console
from rich.pretty import pretty_repr

from hotsettings import BaseSettings, Secret
from hotsettings.frozen import freeze
from hotsettings.secrecy import HIDDEN, MASK, Hidden, is_secret, secret_fields

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
