"""Types that neither TOML nor msgspec has."""

import copy
import dataclasses
import datetime
import enum
import ipaddress
import json
import pathlib
import pickle
import re
import sys
import types
import zoneinfo
from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct, field

import hotsettings
from hotsettings import BaseSettings, InvalidSettings, Secret
from hotsettings._layers.toml.parser import loads
from hotsettings._layers.toml.values import toml
from hotsettings._loading.explain import explain
from hotsettings._loading.load import load
from hotsettings._redaction import Redactor
from hotsettings._schema.codecs import standard
from hotsettings._schema.schema import as_values, schema_of
from hotsettings.cli.commands import template
from hotsettings.cli.commands.reference import markdown
from hotsettings.cli.commands.schema import json_schema

T = TypeVar("T")
SECRETLY: Any = Secret
TUPLE: Any = tuple
MAPPING: Any = Mapping


class Mode(enum.Enum):
    AUTO = "auto"
    OFF = "off"


class Box(Struct, Generic[T], frozen=True):
    content: T


BOX: Any = Box


def define(annotation: Any, *default: Any, **options: Any) -> Any:
    body = {"__annotations__": {"x": annotation}, "__module__": __name__, **dict(zip("x", default, strict=False))}
    return types.new_class("S", (BaseSettings,), options, lambda names: names.update(body))


def problems(cls: Any, **values: Any) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        cls.from_values(**values)
    return list(map(str, caught.value.problems))


STANDARD: list[tuple[Any, str, Any]] = [
    (pathlib.Path, "~/a/../b", pathlib.Path("~/a/../b")),
    (pathlib.PurePath, "a", pathlib.PurePath("a")),
    (pathlib.PurePosixPath, "/a", pathlib.PurePosixPath("/a")),
    (pathlib.PureWindowsPath, "C:\\a", pathlib.PureWindowsPath("C:\\a")),
    (pathlib.PosixPath, "a b", pathlib.PosixPath("a b")),
    (ipaddress.IPv4Address, "192.0.2.1", ipaddress.IPv4Address("192.0.2.1")),
    (ipaddress.IPv6Address, "2001:db8:0::1", ipaddress.IPv6Address("2001:db8::1")),
    (ipaddress.IPv4Network, "10.0.0.0/8", ipaddress.IPv4Network("10.0.0.0/8")),
    (ipaddress.IPv6Network, "2001:db8::/32", ipaddress.IPv6Network("2001:db8::/32")),
    (ipaddress.IPv4Interface, "10.1.2.3/8", ipaddress.IPv4Interface("10.1.2.3/8")),
    (ipaddress.IPv6Interface, "2001:db8::1/32", ipaddress.IPv6Interface("2001:db8::1/32")),
    (zoneinfo.ZoneInfo, "Europe/Zurich", zoneinfo.ZoneInfo("Europe/Zurich")),
    (re.Pattern, "^a+$", re.compile("^a+$")),
    (re.Pattern[str], "(?i)a", re.compile("(?i)a")),
]

AROUND: list[Any] = [
    (lambda kind: kind, lambda value: value),
    (lambda kind: kind | None, lambda value: value),
    (lambda kind: SECRETLY[Annotated[kind, Meta(description="d")]], lambda value: value),
    (lambda kind: TUPLE[kind, ...], lambda value: [value]),
    (lambda kind: TUPLE[int, kind], lambda value: [1, value]),
    (lambda kind: MAPPING[str, TUPLE[kind, ...]], lambda value: {"a": [value]}),
    (lambda kind: BOX[kind], lambda value: {"content": value}),
    (lambda kind: TUPLE[BOX[kind | None], ...], lambda value: [{"content": value}]),
]


@pytest.mark.parametrize(("kind", "text", "value"), STANDARD)
@pytest.mark.parametrize(("wrap", "put"), AROUND)
def test_a_string_becomes_a_value_at_any_depth(kind: Any, text: str, value: Any, wrap: Any, put: Any) -> None:
    cls = define(wrap(kind))
    settings = cls.from_values(x=put(text))
    assert settings == cls.from_values(x=put(value)) == settings.replace()
    assert hash(settings) == hash(settings.replace())
    assert pickle.loads(pickle.dumps(settings.x)) == copy.deepcopy(settings).x == settings.x
    found = settings.x
    while isinstance(found, tuple | dict | Box):
        found = found.content if isinstance(found, Box) else found["a"] if isinstance(found, dict) else found[-1]
    assert found == value
    assert type(found) is type(value)
    encoded = msgspec.json.encode(settings, enc_hook=hotsettings.enc_hook)
    assert json.loads(encoded) == as_values(settings)
    assert cls.from_values(**loads(f"x = {toml(as_values(settings)['x'])}")) == settings


@pytest.mark.parametrize(("kind", "text", "value"), STANDARD)
def test_values_are_defaults_and_strings_are_none(kind: Any, text: str, value: Any) -> None:
    assert define(kind, value).from_values().x == value
    assert define(BOX[kind], Box(value)).from_values().x.content == value
    name = getattr(kind, "__name__", "re.Pattern[str]").removeprefix("re.Pattern[str]") or "Pattern"
    with pytest.raises(TypeError, match=rf"^S.x: its default does not fit its type: expected {name}, got str$"):
        define(kind, text)


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        (pathlib.Path, 1, 'expected a path, got int; write it like "path/to/file"'),
        (pathlib.Path, {"a": 1}, 'expected a path, got table; write it like "path/to/file"'),
        (ipaddress.IPv4Address, "x", 'expected an IPv4 address; write it like "192.0.2.1"'),
        (ipaddress.IPv4Address, 1, 'expected an IPv4 address, got int; write it like "192.0.2.1"'),
        (ipaddress.IPv4Address, True, 'expected an IPv4 address, got bool; write it like "192.0.2.1"'),
        (ipaddress.IPv4Address, "::1", 'expected an IPv4 address; write it like "192.0.2.1"'),
        (ipaddress.IPv6Address, ["::1"], 'expected an IPv6 address, got array; write it like "2001:db8::1"'),
        (
            ipaddress.IPv4Network,
            "10.0.0.1/8",
            "expected an IPv4 network, but it has bits behind its prefix; did you mean 10.0.0.0/8?",
        ),
        (ipaddress.IPv6Network, "x", 'expected an IPv6 network; write it like "2001:db8::/32"'),
        (ipaddress.IPv4Interface, "x", 'expected an IPv4 interface; write it like "192.0.2.1/24"'),
        *(
            (
                zoneinfo.ZoneInfo,
                text,
                'expected a time zone; write its name in the IANA database, such as "Europe/Zurich"',
            )
            for text in ("", "America", "../x", "/etc/passwd", "a\0b", "x" * 300, "é", "CEST")
        ),
        (re.Pattern[str], "a(", "expected a regular expression, but it fails at its character 2"),
        (re.Pattern, "(" * 10_000, "expected a regular expression; it nests too deeply"),
        (re.Pattern, "a" * 300_000, "expected a regular expression, but reading all values of such types would take too long"),
        (datetime.date | Literal["never"], "nevr", 'expected date or "never"; did you mean never?'),
        (datetime.date | Literal["never"], 3, 'expected date or "never", got int'),
        (datetime.date | Literal["never"], [1], 'expected date or "never", got array'),
        (datetime.datetime | datetime.date, "x", "expected datetime or date"),
        (
            Annotated[datetime.datetime, Meta(tz=True)] | Literal["never"],
            datetime.datetime(2020, 1, 1),  # noqa: DTZ001
            "expected datetime with a timezone component; end it with Z, or with an offset such as +02:00",
        ),
        (datetime.time | Mode, "aut", 'expected time or "auto" or "off"; did you mean auto?'),
        (datetime.time | Mode, datetime.date(2020, 1, 1), 'expected time or "auto" or "off", got date'),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("wrap", "put", "key"),
    [
        (lambda kind: kind, lambda value: value, "x"),
        (lambda kind: TUPLE[kind | None, ...], lambda value: [None, value], "x[1]"),
        (lambda kind: MAPPING[str, BOX[kind]], lambda value: {"a": {"content": value}}, "x.a.content"),
    ],
)
def test_a_mistake_is_a_problem_in_its_place(
    kind: Any, value: Any, problem: str, wrap: Any, put: Any, key: str
) -> None:
    assert problems(define(wrap(kind)), x=put(value)) == [f"{key}: {problem}"]


def test_a_secret_is_not_quoted() -> None:
    [problem] = problems(define(SECRETLY[ipaddress.IPv4Network]), x="10.0.0.1/8")
    assert problem == "x: expected an IPv4 network, but it has bits behind its prefix (value hidden)"


def test_a_machine_without_time_zones_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cls = define(zoneinfo.ZoneInfo)
    for package in ("tzdata", "tzdata.zoneinfo", "tzdata.zoneinfo.Europe"):
        monkeypatch.setitem(sys.modules, package, None)
    zoneinfo.reset_tzpath(to=())
    zoneinfo.ZoneInfo.clear_cache()
    try:
        [problem] = problems(cls, x="Europe/Paris")
    finally:
        zoneinfo.reset_tzpath()
    assert problem == "x: expected a time zone; this machine has no database of time zones; install the package tzdata"


def test_many_values_are_read_in_bounded_time() -> None:
    cls = define(TUPLE[zoneinfo.ZoneInfo, ...])
    with pytest.raises(InvalidSettings) as caught:
        cls.from_values(x=[f"Europe/Nowhere{number}" for number in range(20_000)])
    assert caught.value.total == 20_000
    assert caught.value.problems[0].message == "expected a time zone"


UNIONS: list[tuple[Any, Any]] = [
    (datetime.date | Literal["never"], "never"),
    (datetime.date | Literal["never"], datetime.date(2020, 1, 1)),
    (datetime.date | Literal["never"] | None, None),
    (datetime.datetime | datetime.date, datetime.date(2020, 1, 1)),
    (datetime.datetime | datetime.date, datetime.datetime(2020, 1, 1)),  # noqa: DTZ001
    (datetime.time | Mode, datetime.time(1)),
    (datetime.time | Mode, Mode.AUTO),
    (datetime.date | datetime.timedelta | Literal["x"], "x"),
    (datetime.date | Literal["never"] | int, 3),
    (Annotated[datetime.date | Literal["never"], Meta(description="d")], "never"),
]


@pytest.mark.parametrize(("kind", "value"), UNIONS[:7] + UNIONS[8:])
@pytest.mark.parametrize(("wrap", "put"), AROUND)
def test_dates_stand_beside_what_toml_can_tell_from_them(kind: Any, value: Any, wrap: Any, put: Any) -> None:
    cls = define(wrap(kind))
    settings = cls.from_values(x=put(value))
    found = settings.x
    while isinstance(found, tuple | dict | Box):
        found = found.content if isinstance(found, Box) else found["a"] if isinstance(found, dict) else found[-1]
    assert found is value or found == value
    assert settings == settings.replace()
    assert define(kind, value).from_values().x == value


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (str | datetime.date, "type unions may not contain more than one str-like type"),
        (pathlib.Path | int, "type unions containing a custom type may not contain any additional types"),
        (pathlib.Path | datetime.date, "type unions containing a custom type may not contain any additional types"),
        (ipaddress.IPv4Address | ipaddress.IPv6Address, "type unions may not contain more than one custom type"),
        (datetime.date | datetime.timedelta | Literal["x"], "type unions may not contain more than one str-like type"),
        (MAPPING[pathlib.Path, int], "keys of a mapping cannot be decoded to Path; use str$"),
        (re.Pattern[bytes], r"TOML has no bytes; use re.Pattern\[str\]$"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(kind: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=f"^S.x: {reason}"):
        define(kind)


@dataclasses.dataclass(frozen=True)
class Money:
    amount: int
    currency: str

    @classmethod
    def parse(cls, text: str) -> "Money":
        amount, currency = text.split()
        return cls(int(amount), currency)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


class Size(NamedTuple):
    width: int
    height: int

    @classmethod
    def parse(cls, value: Any) -> "Size":
        return cls(*map(int, value.split("x"))) if isinstance(value, str) else cls(**value)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Version:
    def __init__(self, *parts: int) -> None:
        self.parts = parts

    @classmethod
    def parse(cls, text: str) -> "Version":
        return cls(*map(int, text.split(".")))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)

    def __str__(self) -> str:
        return ".".join(map(str, self.parts))


class Email(str):
    __slots__ = ()


DECODERS: Any = {Money: Money.parse, Size: Size.parse, Version: Version.parse, Email: Email}
CUSTOM: list[tuple[Any, Any, Any]] = [
    (Money, "12 EUR", Money(12, "EUR")),
    (Size, "3x4", Size(3, 4)),
    (Size, {"width": 3, "height": 4}, Size(3, 4)),
    (Version, "1.2", Version(1, 2)),
    (Email, "a@b", Email("a@b")),
]


@pytest.mark.parametrize(("kind", "written", "value"), CUSTOM)
@pytest.mark.parametrize(("wrap", "put"), AROUND)
def test_a_decoder_makes_values_at_any_depth(kind: Any, written: Any, value: Any, wrap: Any, put: Any) -> None:
    cls = define(wrap(kind), decoders=DECODERS)
    settings = cls.from_values(x=put(written))
    assert settings == cls.from_values(x=put(value)) == settings.replace()
    found = settings.x
    while isinstance(found, tuple | dict | Box) and not isinstance(found, kind):
        found = found.content if isinstance(found, Box) else found["a"] if isinstance(found, dict) else found[-1]
    assert found == value
    assert type(found) is kind
    assert cls.from_values(**loads(f"x = {toml(as_values(settings)['x'])}")) == settings
    assert define(kind, value, decoders=DECODERS).from_values().x is value


class Price(Struct, frozen=True):
    net: Money
    net_before: Money = Money(0, "EUR")


class Shop(BaseSettings, decoders={Money: Money.parse}):
    price: Price
    limits: Mapping[str, Money] = {"low": Money(1, "EUR")}


class Outlet(Shop):
    extra: Money | None = None


class Mall(BaseSettings):
    shop: Shop


def test_decoders_are_inherited_and_reach_nested_tables() -> None:
    settings = Outlet.from_values(price={"net": "3 EUR"}, extra="4 EUR")
    assert settings.price == Price(Money(3, "EUR"))
    assert settings.extra == Money(4, "EUR")
    assert Mall.from_values(shop={"price": {"net": "3 EUR"}}).shop.price.net == Money(3, "EUR")


class Early(Struct, frozen=True):
    amounts: tuple[Money, ...] = ()


def test_a_struct_that_msgspec_has_used_without_the_decoder_is_refused() -> None:
    assert msgspec.convert({"amounts": [{"amount": 1, "currency": "EUR"}]}, Early) == Early((Money(1, "EUR"),))
    said = "^Early.amounts: msgspec has used Early already, without the decoder; define the settings class before that$"
    with pytest.raises(TypeError, match=said):
        define(Early, decoders=DECODERS)


def test_a_class_may_read_a_standard_type_in_its_own_way() -> None:
    cls = define(pathlib.Path, decoders={pathlib.Path: lambda text: pathlib.Path("/srv") / text})
    assert cls.from_values(x="a").x == pathlib.Path("/srv/a")


def test_a_decoder_runs_once_for_a_value_and_never_for_defaults() -> None:
    seen: list[Any] = []

    def parse(value: Any) -> Money:
        seen.append(value)
        return Money.parse(value)

    class Nested(Struct, frozen=True):
        money: Money
        number: int = 0

    class S(BaseSettings, decoders={Money: parse}):
        nested: tuple[Mapping[str, Nested], ...]
        top: Money
        fixed: Money = Money(0, "EUR")

    kept = S.from_values(nested=[{"a": {"money": "1 EUR"}}], top="2 EUR")
    assert sorted(seen) == ["1 EUR", "2 EUR"]
    kept.replace(fixed=Money(1, "CHF"))
    assert sorted(seen) == ["1 EUR", "2 EUR"]
    seen.clear()
    assert problems(S, nested=[{"a": {"money": "3 EUR", "number": "x"}}, {"b": {"money": "4EUR"}}], top="5 EUR") == [
        "nested[0].a.number: expected int, got str",
        "nested[1].b.money: not enough values to unpack (expected 2, got 1)",
    ]
    assert sorted(seen) == ["3 EUR", "4EUR", "5 EUR"]


def test_a_decoder_gets_a_table_of_its_own() -> None:
    def make(table: dict[str, Any]) -> Money:
        return Money(table.pop("amount"), table["more"].pop())

    cls = define(Money, decoders={Money: make})
    loaded = load(schema_of(cls), [hotsettings.ValuesLayer({"x": {"amount": 3, "more": ["EUR"]}}, name="options")])
    assert loaded.settings.x == Money(3, "EUR")
    assert explain(loaded, "x").winner.value == {"amount": 3, "more": ["EUR"]}


class Boom(Exception):
    pass


def raising(error: Exception) -> Any:
    def decode(value: Any) -> Any:
        raise error

    return decode


@pytest.mark.parametrize(
    ("decoder", "said"),
    [
        (raising(ValueError("not hunter2-canary")), "not ********"),
        (raising(ValueError()), "ValueError"),
        (raising(Boom("bad")), "Boom: bad"),
        (raising(KeyError("hunter2-canary")), "KeyError: '********'"),
        (raising(msgspec.ValidationError("Expected `int`, got `str` - at `$.a`")), "Expected `int`, got `str` - at `$.a`"),
        (lambda value: value, "its decoder returned str instead of Version"),
        (lambda value: None, "its decoder returned NoneType instead of Version"),
    ],
)  # fmt: skip
def test_what_a_decoder_raises_is_a_problem_in_its_place(decoder: Any, said: str) -> None:
    cls = define(TUPLE[SECRETLY[Version], ...], decoders={Version: decoder})
    with pytest.raises(InvalidSettings) as caught:
        cls.from_values(x=["hunter2-canary"])
    [problem] = caught.value.problems
    assert problem.message == f"{said} (value hidden)"
    assert "hunter2-canary" not in repr(caught.value)


class Plain:
    pass


@dataclasses.dataclass
class Unfrozen:
    a: int


class Items(list[int]):
    pass


@pytest.mark.parametrize(
    ("decoders", "reason"),
    [
        ({Items: Items}, "Items is mutable; settings hold immutable values only"),
        ({Unfrozen: Unfrozen}, "Unfrozen is mutable; settings hold immutable values only"),
        ({bytearray: bytearray}, "bytearray is mutable; settings hold immutable values only"),
        ({int: int}, r"int is decoded without it; to convert what a layer says, use Annotated\[int, Before\(...\)\]"),
        ({Mode: Mode}, r"Mode is decoded without it; to convert what a layer says, use Annotated\[Mode, Before\(...\)\]"),
        ({Plain: 3}, "decoders has a class for each function that makes its instances of a TOML value"),
        ({re.Pattern[str]: re.compile}, "decoders has a class for each function"),
    ],
)  # fmt: skip
def test_decoders_that_cannot_be_meant_are_refused(decoders: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=rf"^S: decoders={{.*: ...}}: {reason}"):
        define(int, decoders=decoders)


@pytest.mark.parametrize("kind", [Plain, Unfrozen, Size])
def test_a_type_without_decoder_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match=rf"^S.x: .*decoders={{{kind.__name__}: ...}}$"):
        define(kind)


def test_an_encoder_of_ones_own() -> None:
    class Point(NamedTuple):
        x: int
        y: int

    class Place:
        def __init__(self, x: int, y: int) -> None:
            self.point = Point(x, y)

    hotsettings.enc_hook.register(Place, lambda place: {"x": place.point.x, "y": place.point.y})
    cls = define(Place, decoders={Place: lambda table: Place(**table)})
    settings = cls.from_values(x={"x": 1, "y": 2})
    assert as_values(settings) == {"x": {"x": 1, "y": 2}}
    assert msgspec.json.encode(settings, enc_hook=hotsettings.enc_hook) == b'{"x":{"x":1,"y":2}}'


def test_what_no_class_decodes_is_not_encoded() -> None:
    with pytest.raises(NotImplementedError, match="no settings class has a decoder for object"):
        hotsettings.enc_hook(object())


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        (re.compile("a"), "a"),
        (re.compile("a", re.IGNORECASE | re.DOTALL), "(?is)a"),
        (re.compile("a.b", re.ASCII | re.MULTILINE | re.VERBOSE), "(?amx)a.b"),
        (re.compile("(?i)a"), "(?i)a"),
    ],
)
def test_a_pattern_is_written_with_its_flags(pattern: re.Pattern[str], written: str) -> None:
    assert hotsettings.enc_hook(pattern) == written
    assert re.compile(written).flags == pattern.flags


paths = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9).map(pathlib.PurePosixPath)
zones = st.sampled_from(["UTC", "Europe/Zurich", "America/New_York"]).map(zoneinfo.ZoneInfo)
money = st.builds(Money, st.integers(-9, 9), st.sampled_from(["EUR", "CHF"]))
dates = st.dates() | st.just("never")
leaves: Any = st.sampled_from(
    [
        (pathlib.PurePosixPath, paths),
        (ipaddress.IPv4Address, st.ip_addresses(v=4)),
        (ipaddress.IPv6Address, st.ip_addresses(v=6)),
        (ipaddress.IPv4Network, st.ip_addresses(v=4).map(ipaddress.IPv4Network)),
        (zoneinfo.ZoneInfo, zones),
        (re.Pattern[str], st.sampled_from(["a+", "(?i)b", "\\d"]).map(re.compile)),
        (Money, money),
        (datetime.date | Literal["never"], dates),
        (int, st.integers(-9, 9)),
    ]
)
kinds: Any = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(lambda each: (TUPLE[each[0], ...], st.lists(each[1], max_size=3).map(tuple))),
        inner.map(lambda each: (MAPPING[str, each[0]], st.dictionaries(st.text(max_size=3), each[1], max_size=3))),
        inner.map(lambda each: (BOX[each[0]], each[1].map(Box))),
        st.tuples(inner, inner).map(lambda two: (TUPLE[two[0][0], two[1][0]], st.tuples(two[0][1], two[1][1]))),
    ),
    max_leaves=4,
)


@given(kinds, st.data())
def test_what_is_encoded_as_toml_is_decoded_again(kind: Any, data: st.DataObject) -> None:
    annotation, values = kind
    value = data.draw(values)
    cls = define(annotation, value, decoders=DECODERS)
    settings = cls.from_values()
    again = cls.from_values(**loads(f"x = {toml(as_values(settings)['x'])}"))
    assert again == settings
    assert again.replace() == settings
    json.loads(json_schema(schema_of(cls)))
    assert cls.from_values(**loads(template.config(schema_of(cls)).replace("\n#x", "\nx"))) == settings


def test_explain_writes_values_of_the_program_as_toml() -> None:
    cls = define(pathlib.PurePosixPath, decoders=DECODERS)
    layer = hotsettings.ValuesLayer({"x": pathlib.PurePosixPath("/a")}, name="options")
    assert str(explain(load(schema_of(cls), [layer]), "x")) == 'x\n  → "/a"  options'


def test_what_a_decoder_makes_of_a_secret_is_masked_too() -> None:
    cls = define(SECRETLY[Email], decoders={Email: lambda text: Email(text[::-1])})
    loaded = load(schema_of(cls), [hotsettings.ValuesLayer({"x": "hunter2-canary"}, name="options")])
    redactor = Redactor(schema_of(cls), loaded.documents)
    redactor.learn(loaded.documents, loaded.unwritten)
    assert redactor.redact(f"no {loaded.settings.x}, no hunter2-canary") == "no ********, no ********"


class Documented(BaseSettings, decoders={Version: Version.parse}):
    path: pathlib.Path
    address: ipaddress.IPv4Address = ipaddress.IPv4Address("192.0.2.7")
    zone: zoneinfo.ZoneInfo = field(default_factory=lambda: zoneinfo.ZoneInfo("UTC"))
    pattern: re.Pattern[str] | None = None
    version: Version = Version(1, 2)
    until: Annotated[datetime.date | Literal["never"], Meta(description="The last day")] = "never"


def test_documents_know_the_types() -> None:
    schema = schema_of(Documented)
    properties = json.loads(json_schema(schema))["properties"]
    assert properties["path"] == {"type": "string", "format": "path"}
    assert properties["address"] == {"type": "string", "format": "ipv4", "default": "192.0.2.7"}
    assert properties["zone"] == {"type": "string", "format": "time-zone", "default": "UTC"}
    assert properties["pattern"] == {"type": "string", "format": "regex"}
    assert properties["version"] == {"title": "Version", "default": "1.2"}
    assert properties["until"]["anyOf"] == [{"type": "string", "format": "date"}, {"enum": ["never"]}]
    rows = {row.split("|")[1].strip(): row for row in markdown(schema).splitlines() if row.startswith("| `")}
    assert "`str (path)`" in rows["`path`"]
    assert '`"192.0.2.7"` | `str (IPv4 address)`' in rows["`address`"]
    assert "`Version`" in rows["`version`"]
    assert '| The last day | `"never"` | `date or "never"` |' in rows["`until`"]
    shown = template.config(schema)
    assert 'path = "path/to/file"' in shown
    assert Documented.from_values(**loads(shown)).path == pathlib.Path("path/to/file")


def test_of_the_standard_types_only_imported_modules_are_looked_at() -> None:
    assert standard(int) is None
    assert standard(re.Pattern[str]) is standard(re.Pattern)
