"""What a workspace writes for values of Python loads back as the same values."""

from __future__ import annotations

import datetime
import decimal
import enum
import ipaddress
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples_of
from hypothesis import strategies as st
from msgspec import Struct, field

from hotsettings import BaseSettings, enc_hook
from hotsettings.testing import Workspace


class Colour(enum.Enum):
    RED = "red"
    BLUE = "bl\nue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Pool(Struct, frozen=True):
    size: int = 1
    wait: datetime.timedelta | None = None
    renamed: str = field(default="", name="re named")


class Cat(Struct, frozen=True, tag=True):
    lives: int = 9


class Dog(Struct, frozen=True, tag="dog", tag_field="kind"):
    name: str = ""


class Pair(Struct, frozen=True, array_like=True):
    one: int = 0
    other: float = 0


class Money:
    """A type that msgspec does not know, and that is written as a table."""

    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and self.cents == other.cents

    def __hash__(self) -> int:
        return self.cents


enc_hook.register(Money, lambda money: {"cents": money.cents})


@dataclass(frozen=True)
class Size:
    """A type with a decoder that msgspec would write as a table."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @classmethod
    def parse(cls, text: str) -> Size:
        return cls(*map(int, text.split("x")))


class Settings(BaseSettings, decoders={Money: lambda table: Money(table["cents"]), Size: Size.parse}):
    text: str = ""
    number: int = 0
    rate: float = 0
    flag: bool = False
    day: datetime.date = datetime.date(2026, 1, 1)
    hour: datetime.time = datetime.time(12)
    moment: datetime.datetime = datetime.datetime(2026, 1, 1)  # noqa: DTZ001 - TOML has them, too
    wait: datetime.timedelta = datetime.timedelta()
    colour: Colour = Colour.RED
    level: Level = Level.LOW
    price: decimal.Decimal = decimal.Decimal(0)
    uid: uuid.UUID = uuid.UUID(int=0)
    raw: bytes = b""
    numbers: frozenset[int] = frozenset()
    colours: frozenset[Colour] = frozenset()
    words: tuple[str, ...] = ()
    pool: Pool = Pool()
    pools: tuple[Pool, ...] = ()
    by_number: Mapping[int, Pool] = {}
    by_colour: Mapping[Colour, datetime.timedelta] = {}
    by_name: Mapping[str, tuple[decimal.Decimal, ...]] = {}
    cat: Cat = Cat()
    dog: Dog = Dog()
    pair: Pair = Pair()
    maybe: Pool | None = None
    path: Path = Path()
    address: ipaddress.IPv6Address | None = None
    zone: ZoneInfo = ZoneInfo("UTC")
    pattern: re.Pattern[str] = re.compile("")
    money: Money | None = None
    sizes: tuple[Size, ...] = ()


int64 = st.integers(-(2**63), 2**63 - 1)
durations = st.timedeltas(datetime.timedelta(-1000), datetime.timedelta(1000))
pools = st.builds(Pool, int64, durations | st.none(), st.text())
offsets = st.integers(-1439, 1439).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(),
    "number": int64,
    "rate": st.floats(allow_nan=False),
    "flag": st.booleans(),
    "day": st.dates(),
    "hour": st.times(),
    "moment": st.datetimes(timezones=st.none() | offsets),
    "wait": durations,
    "colour": st.sampled_from(Colour),
    "level": st.sampled_from(Level),
    "price": st.decimals(allow_nan=False, allow_infinity=False),
    "uid": st.uuids(),
    "raw": st.binary(),
    "numbers": st.frozensets(int64) | st.sets(int64),
    "colours": st.frozensets(st.sampled_from(Colour)),
    "words": st.lists(st.text()).map(tuple),
    "pool": pools,
    "pools": st.lists(pools, max_size=3).map(tuple),
    "by_number": st.dictionaries(int64, pools, max_size=3),
    "by_colour": st.dictionaries(st.sampled_from(Colour), durations),
    "by_name": st.dictionaries(
        st.text(max_size=300), st.lists(st.decimals(allow_nan=False, allow_infinity=False)).map(tuple)
    ),
    "cat": st.builds(Cat, int64),
    "dog": st.builds(Dog, st.text()),
    "pair": st.builds(Pair, int64, st.floats(allow_nan=False)),
    "maybe": pools,
    "path": st.text(st.characters(exclude_characters="\0")).map(Path),
    "address": st.ip_addresses(v=6),
    "zone": st.timezone_keys().map(ZoneInfo),
    "pattern": st.sampled_from(["a+", "(?i)x", "\\d", "[\"']"]).map(re.compile),
    "money": st.builds(Money, int64),
    "sizes": st.lists(st.builds(Size, int64, int64)).map(tuple),
}
values = st.fixed_dictionaries({}, optional=VALUES)


@examples_of(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(values, values)
def test_what_is_written_loads_back(tmp_path: Path, config: dict[str, Any], override: dict[str, Any]) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(config, secrets={}, override={"number": 1, "text": override.get("text", "")})
    loaded = Settings(**workspace.paths)
    expected = {**config, "number": 1, "text": override.get("text", "")}
    assert loaded == Settings.from_values(**expected)
    workspace.write(override=override)
    if not override.keys() & {
        "pool",
        "by_number",
        "by_colour",
        "by_name",
        "cat",
        "dog",
        "maybe",
        "money",
    }:  # tables merge
        assert Settings(**workspace.paths) == Settings.from_values(**{**config, **override})


@pytest.mark.parametrize(
    ("given_", "error", "says"),
    [
        ({"a": None}, ValueError, "a: TOML has no null; leave the key out"),
        ({"a": {"b c": [1, None]}}, ValueError, 'a."b c"[1]: TOML has no null; leave the key out'),
        ({"a": object()}, TypeError, "a: object cannot be written as TOML"),
        ({"a": {"b": {(1, 2): 1}}}, TypeError, "a.b: a key cannot be of type tuple"),
        (
            {"a": datetime.time(12, tzinfo=datetime.UTC)},
            ValueError,
            "a: TOML has no time with an offset; leave it out",
        ),
    ],
)
def test_what_toml_does_not_have_is_an_error_that_names_the_key(
    tmp_path: Path, given_: dict[str, Any], error: type[Exception], says: str
) -> None:
    workspace = Workspace(tmp_path)
    workspace.write({"before": 1})
    with pytest.raises(error) as caught:
        workspace.write({"after": 1}, override=given_)
    assert str(caught.value) == says
    assert workspace.config.read_text() == "before = 1\n", "nothing is written"


def test_a_none_that_is_no_default_is_not_left_out(tmp_path: Path) -> None:
    class Chosen(Struct):
        size: int | None = 5

    with pytest.raises(ValueError, match=r"^pool.size: TOML has no null"):
        Workspace(tmp_path).write({"pool": Chosen(None)})
