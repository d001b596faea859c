"""Types and limits in the words of people who write TOML."""

import datetime
import decimal
import enum
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Optional

import pytest
from msgspec import Meta, Struct

from hotsettings import RestartRequired, Secret
from hotsettings._schema.describe import limits, type_name


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Host(Struct, frozen=True, rename={"is_tls": "tls!"}):
    name: str
    is_tls: bool = False


class Tree(Struct, frozen=True):
    label: str
    children: tuple["Tree", ...] = ()
    twin: Optional["Tree"] = None


class One(Struct, frozen=True, tag="one"):
    a: int = 1


class Two(Struct, frozen=True, tag="two"):
    b: int = 1


class Nested(Struct, frozen=True):
    host: Host
    hosts: Mapping[str, Host]
    either: One | Two | str


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (str, "str"),
        (int, "int"),
        (float, "float"),
        (bool, "bool"),
        (Any, "any"),
        (bytes, "str (base64)"),
        (datetime.datetime, "datetime"),
        (datetime.date, "date"),
        (datetime.time, "time"),
        (datetime.timedelta, "str (duration)"),
        (decimal.Decimal, "str (decimal)"),
        (uuid.UUID, "str (UUID)"),
        (str | None, "str"),
        (int | str | None, "int or str"),
        (Literal["a", 2], '"a" or 2'),
        (Colour, '"green" or "red"'),
        (Level | None, "1 or 2"),
        (tuple[str, ...], "array of str"),
        (frozenset[int], "array of int"),
        (tuple[int, str], "array of int, str"),
        (tuple[tuple[int, ...], ...], "array of array of int"),
        (Mapping[str, tuple[int, ...]], "table of array of int"),
        (Host, 'table { name: str, "tls!": bool }'),
        (Mapping[str, Host | None], 'table of table { name: str, "tls!": bool }'),
        (tuple[Nested, ...], "array of table { host: table, hosts: table of table, either: table or str }"),
        (Tree, "table { label: str, children: array of table, twin: table }"),
        (Secret[RestartRequired[Annotated[int, Meta(description="x", extra_json_schema={"a": 1})]]], "int"),
    ],
)
def test_type_name(annotation: Any, name: str) -> None:
    assert type_name(annotation) in {name, " or ".join(reversed(name.split(" or ")))}


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, []),
        (Annotated[int, Meta(ge=1, le=65535)], ["at least 1", "at most 65535"]),
        (Annotated[float, Meta(gt=0, lt=1)], ["more than 0", "less than 1"]),
        (Annotated[int, Meta(multiple_of=5)], ["a multiple of 5"]),
        (Annotated[str, Meta(min_length=2, max_length=3)], ["length at least 2", "length at most 3"]),
        (Annotated[str, Meta(pattern="^a+$")], ["matches ^a+$"]),
        (Annotated[tuple[int, ...], Meta(min_length=1)], ["length at least 1"]),
        (Secret[Annotated[str, Meta(min_length=32)]] | None, ["length at least 32"]),
        (Annotated[int, Meta(ge=0)] | Annotated[str, Meta(max_length=3)], ["at least 0", "length at most 3"]),
        (Annotated[Mapping[str, int], Meta(max_length=3, description="few")], ["length at most 3"]),
        (Annotated[str, Meta(examples=["a"], min_length=1, extra_json_schema={"a": 1})], ["length at least 1"]),
    ],
)
def test_limits(annotation: Any, words: list[str]) -> None:
    assert list(map(str, limits(annotation))) == words
