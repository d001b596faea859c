"""Settings classes by the dozen: every kind of type, under the keys that the documents use."""

from __future__ import annotations

import enum
import random
import re
from collections import abc
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Final, Literal, cast, get_args, get_origin
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from hotsettings import (
    BaseSettings,
    Before,
    Check,
    Deprecated,
    Renamed,
    RestartRequired,
    Secret,
    SettingsError,
    Tolerant,
)
from hotsettings._schema.frozen import freeze
from support.toml_texts import KEYS


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Point(Struct, frozen=True, forbid_unknown_fields=True):
    a: int
    b: str = "b"
    c: Secret[str | None] = None


class Sparse(Struct, frozen=True):
    a: int | None
    b: str | None = "b"
    c: Secret[str | None] = "c"


class Loose(Struct, frozen=True):
    a: float = 1.0
    point: Point | None = None


class Cat(Struct, frozen=True, tag="cat", tag_field="a", forbid_unknown_fields=True):
    b: int = 0


class Dog(Struct, frozen=True, tag="dog", tag_field="a"):
    c: tuple[int, ...] = ()


class Picky(Struct, frozen=True):
    a: int = 0
    b: str = ""

    def __post_init__(self) -> None:
        if self.a > 5:
            raise ValueError(f"{self.b} is too much of {self.a}")


_OF_SCALARS: Final[list[tuple[Any, tuple[Any, ...]]]] = [
    (int, (0, -7, 2**63 - 1)),
    (float, (0.0, 1.5, float("inf"))),
    (str, ("", "a", 'b"\n')),
    (bool, (False, True)),
    (datetime, (datetime(2000, 1, 1), datetime(2026, 2, 3, 4, 5, 6, 7, UTC))),  # noqa: DTZ001
    (date, (date(2000, 1, 1),)),
    (time, (time(), time(1, 2, 3, 4))),
    (timedelta, (timedelta(), timedelta(days=1, seconds=1.5))),
    (Decimal, (Decimal(0), Decimal("1.50"))),
    (UUID, (UUID(int=1),)),
    (bytes, (b"", b"\x00a")),
    (Colour, tuple(Colour)),
    (Level, tuple(Level)),
    (Literal["a", "b"], ("a", "b")),
    (Literal[1, 2], (1, 2)),
    (Literal["a", None], (None, "a")),
    (Annotated[int, Meta(ge=0, lt=9)], (0, 8)),
    (Annotated[float, Meta(gt=0, le=1)], (0.5, 1.0)),
    (Annotated[str, Meta(pattern="^[ab]+$")], ("a", "bb")),
    (Path, (Path(), Path("/a b"))),
    (IPv4Address, (IPv4Address("127.0.0.1"),)),
    (IPv6Network, (IPv6Network("::/8"),)),
    (ZoneInfo, (ZoneInfo("UTC"),)),
    (re.Pattern[str], (re.compile("a|b"),)),
    (date | Literal["a", "b"], (date(2000, 1, 1), "a")),
    (Annotated[str, Meta(min_length=2, max_length=4)], ("aa", "bbbb")),
    (Annotated[tuple[int, ...], Meta(max_length=2)], ((), (1, 2))),
]
"""Types, and values of them that a default may be."""
SCALARS: Final[list[Any]] = [kind for kind, _ in _OF_SCALARS]
NAMES: Final = [key for key in KEYS if key.isprintable() and not set(key) & {"\\", '"'}]  # as msgspec allows
TABLES: Final[list[Any]] = [Point, Sparse, Loose, Picky, Cat | Dog]

# To a type checker a type that is put together at run time is none.
TUPLE, MAPPING, SECRET, RESTART, TOLERANT, ANNOTATED = (
    cast(Any, kind) for kind in (tuple, Mapping, Secret, RestartRequired, Tolerant, Annotated)
)


def annotation(rng: random.Random, depth: int = 0) -> Any:
    """A type that settings may have."""
    if depth > 2 or rng.random() < 0.5:
        return rng.choice(SCALARS)
    inner = annotation(rng, depth + 1)
    return rng.choice(
        [
            TUPLE[inner, ...],
            TUPLE[inner, annotation(rng, depth + 1)],
            MAPPING[str, inner],
            MAPPING[int, inner],
            MAPPING[Literal["a", "b"], inner],
            frozenset[str],
            inner | None,
            TUPLE[inner | None, ...],
            MAPPING[str, inner | None],
            SECRET[inner],
            RESTART[inner],
            TOLERANT[rng.choice(TABLES)],
            ANNOTATED[inner, rng.choice(MARKS)],
            *TABLES,
        ]
    )


def value_of(rng: random.Random, kind: Any) -> Any:
    """A value of a type that ``annotation`` has made, as a default may be."""
    for scalar, values in _OF_SCALARS:
        if kind == scalar:
            return rng.choice(values)
    if isinstance(kind, type) and issubclass(kind, Struct):
        fields = [field for field in msgspec.structs.fields(kind) if field.required or rng.random() < 0.5]
        return kind(**{field.name: value_of(rng, field.type) for field in fields if kind is not Picky})
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return value_of(rng, inner[0])
    if origin is tuple and inner[-1] is not ...:
        return tuple(value_of(rng, element) for element in inner)
    many = range(rng.randint(0, 3))
    if origin is tuple:
        return tuple(value_of(rng, inner[0]) for _ in many)
    if origin is frozenset:
        return frozenset(f"{rng.random()}" for _ in many)
    if origin is abc.Mapping:
        keys = {int: (1, 20, 300), str: NAMES[:3]}.get(inner[0], ("a", "b"))
        return {key: value_of(rng, inner[1]) for key in keys[: len(many)]}
    return None if kind is NoneType else value_of(rng, rng.choice(inner))  # a union


def _reading(value: Any) -> Any:
    if len(repr(value)) % 5 == 0:
        raise ValueError(f"cannot read {value!r}")
    return value


def _checking(value: Any) -> None:
    if len(repr(value)) % 3 == 0:
        raise ValueError(f"{value} is not allowed")


MARKS: Final = [Before(_reading), Check(_checking), Deprecated("another key")]
"""What they say quotes the value, which may be secret."""


def settings_class(rng: random.Random) -> type[BaseSettings]:
    """A settings class with some of the keys of the documents, some of them required, some secret."""
    keys = rng.sample(NAMES, rng.randint(2, 12))
    former = iter([name for name in NAMES if name not in keys])
    fields: dict[str, Any] = {}
    namespace: dict[str, Any] = {"__module__": __name__, "__annotations__": fields}
    for number, key in enumerate(keys):
        kind = annotation(rng)
        if rng.random() < 0.3:
            kind = SECRET[kind]
        if rng.random() < 0.2:
            kind = ANNOTATED[kind, rng.choice([*MARKS, Renamed(next(former, "former"))])]
        optional, default = kind | None, value_of(rng, kind)
        field = msgspec.field(name=key)
        if rng.random() < 0.8:
            kind = optional
            field = msgspec.field(name=key, default=freeze(default) if rng.random() < 0.4 else None)
        if _possible(kind, field):
            fields[f"f{number}"], namespace[f"f{number}"] = kind, field
    if rng.random() < 0.5:
        namespace["__post_init__"] = _refusing
    return _defined(namespace, forbid_unknown_fields=rng.random() < 0.7)


def _refusing(self: Any) -> None:
    raise ValueError("refused: " + ", ".join(str(getattr(self, name)) for name in self.__struct_fields__))


def _possible(kind: Any, field: Any) -> bool:
    """Whether a field may have this type: not every union is one that msgspec, or we, allow."""
    namespace = {"__module__": __name__, "__annotations__": {"a": kind}, "a": field}
    try:
        _defined(namespace, forbid_unknown_fields=True).from_values()
    except SettingsError:
        return True
    except TypeError:
        return False
    return True


def _defined(namespace: dict[str, Any], **config: Any) -> type[BaseSettings]:
    meta: Any = type(BaseSettings)
    made: type[BaseSettings] = meta("Generated", (BaseSettings,), dict(namespace), **config)
    return made
