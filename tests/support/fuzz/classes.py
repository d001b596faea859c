"""Settings classes by the dozen: every kind of type, under the keys that the documents use."""

from __future__ import annotations

import enum
import random
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast
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


SCALARS: Final[list[Any]] = [
    *(int, float, str, bool, datetime, date, time, timedelta, Decimal, UUID, bytes, Colour, Level),
    *(Literal["a", "b"], Literal[1, 2], Annotated[int, Meta(ge=0, lt=9)], Annotated[str, Meta(pattern="^[ab]+$")]),
    *(Path, IPv4Address, IPv6Network, ZoneInfo, re.Pattern[str], date | Literal["a", "b"]),
    *(Annotated[str, Meta(min_length=2, max_length=4)], Annotated[tuple[int, ...], Meta(max_length=2)]),
]
NAMES: Final = [key for key in KEYS if key.isprintable() and not set(key) & {"\\", '"'}]  # as msgspec allows
TABLES: Final[list[Any]] = [Point, Loose, Picky, Cat | Dog]

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
            SECRET[inner],
            RESTART[inner],
            TOLERANT[rng.choice(TABLES)],
            ANNOTATED[inner, rng.choice(MARKS)],
            *TABLES,
        ]
    )


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
        if rng.random() < 0.8:
            kind = kind | None
            namespace[f"f{number}"] = msgspec.field(default=None, name=key)
        else:
            namespace[f"f{number}"] = msgspec.field(name=key)
        if _possible(kind):
            fields[f"f{number}"] = kind
        else:
            del namespace[f"f{number}"]
    if rng.random() < 0.5:
        namespace["__post_init__"] = _refusing
    return _defined(namespace, forbid_unknown_fields=rng.random() < 0.7)


def _refusing(self: Any) -> None:
    raise ValueError("refused: " + ", ".join(str(getattr(self, name)) for name in self.__struct_fields__))


def _possible(kind: Any) -> bool:
    """Whether a field may have this type: not every union is one that msgspec, or we, allow."""
    try:
        _defined({"__module__": __name__, "__annotations__": {"a": kind}}, forbid_unknown_fields=True).from_values()
    except SettingsError:
        return True
    except TypeError:
        return False
    return True


def _defined(namespace: dict[str, Any], **config: Any) -> type[BaseSettings]:
    meta: Any = type(BaseSettings)
    made: type[BaseSettings] = meta("Generated", (BaseSettings,), dict(namespace), **config)
    return made
