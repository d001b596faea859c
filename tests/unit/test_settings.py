"""Settings classes: how they are defined, loaded, made of values, copied and encoded."""

import copy
import datetime
import decimal
import enum
import inspect
import logging
import pickle
import re
import sys
import time
import types
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NewType, Optional, TypeVar

import msgspec
import pytest
from msgspec import Meta, Struct, field
from support.layer_files import failure, lines, load

import hotsettings
from hotsettings import BaseSettings, InvalidSettings, LayerError, RestartRequired, Secret
from hotsettings._schema.frozen import FrozenDict

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Pool(Struct, frozen=True):
    size: Annotated[int, Meta(ge=1)] = 10
    options: Mapping[str, Any] = {}


class Db(Struct, frozen=True, forbid_unknown_fields=True):
    host: str = "localhost"
    password: Secret[str] = "pw"
    pool: Pool = Pool()
    replica: Optional["Db"] = None


class Circle(Struct, frozen=True, tag="circle"):
    radius: float


class Square(Struct, frozen=True, tag="square"):
    side: float


class Settings(BaseSettings):
    NAME: str = "app"
    PORT: int = 1
    RATE: float = 0.5
    DEBUG: bool = False
    TOKEN: Secret[str] = "t"
    WORKERS: RestartRequired[int] = 4
    TAGS: tuple[str, ...] = ()
    PAIR: tuple[int, str] = (1, "a")
    KINDS: frozenset[str] = frozenset()
    LIMITS: Mapping[str, Any] = {}
    COLOUR: Colour = Colour.RED
    LEVEL: Level = Level.LOW
    MODE: Literal["fast", "safe"] = "safe"
    WHEN: datetime.datetime | None = None
    DAY: datetime.date | None = None
    HOUR: datetime.time | None = None
    WAIT: datetime.timedelta = datetime.timedelta(seconds=5)
    PRICE: decimal.Decimal = decimal.Decimal("1.50")
    ID: uuid.UUID | None = None
    KEY: bytes = b""
    db: Db = Db()
    spare: Db | None = None
    shape: Circle | Square = Circle(1.0)
    shapes: tuple[Circle | Square, ...] = ()


FULL: dict[str, Any] = {
    "NAME": "full", "PORT": 2, "RATE": 1, "DEBUG": True, "TOKEN": "u", "TAGS": ["a"], "PAIR": [2, "b"], "KINDS": ["k"],
    "LIMITS": {"a": {"b": [1, {"c": [2]}]}}, "COLOUR": "green", "LEVEL": 2, "MODE": "fast",
    "WHEN": datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC), "DAY": datetime.date(2024, 2, 29),
    "HOUR": datetime.time(12), "WAIT": "PT5M", "PRICE": "2.50", "ID": "00000000-0000-0000-0000-000000000001", "KEY": "eA==",
    "db": {"pool": {"options": {"x": [1]}}, "replica": {"host": "r"}}, "spare": {"host": "s"},
    "shape": {"type": "square", "side": 2.0}, "shapes": [{"type": "circle", "radius": 2.0}],
}  # fmt: skip


def as_struct(settings: Any) -> Struct:
    """What it is at run time; type checkers see a plain class."""
    assert isinstance(settings, Struct)
    return settings


def struct_config(cls: Any) -> Any:
    return cls.__struct_config__


@pytest.fixture
def full() -> Settings:
    return Settings.from_values(**FULL)


class TestDefining:
    def test_settings_are_frozen_strict_and_keyword_only(self) -> None:
        assert issubclass(Settings, Struct)
        config = struct_config(Settings)
        assert config.frozen
        assert config.forbid_unknown_fields
        with pytest.raises(TypeError):
            msgspec.StructMeta.__call__(Settings, "positional")

    @pytest.mark.parametrize("option", ["frozen=False", "kw_only=False", "array_like=True"])
    def test_what_makes_settings_is_not_negotiable(self, option: str) -> None:
        name, _, value = option.partition("=")
        with pytest.raises(TypeError, match=f"^S: settings always have {name}={value != 'True'}; leave it out$"):
            types.new_class("S", (BaseSettings,), {name: value == "True"})

    @pytest.mark.parametrize(
        "option", [{"frozen": True}, {"order": True}, {"gc": False}, {"weakref": True}, {"dict": True}]
    )
    def test_other_options_of_structs_are_taken(self, option: dict[str, Any]) -> None:
        cls: Any = types.new_class("S", (BaseSettings,), option)
        assert cls.from_values() == cls.from_values()

    @pytest.mark.parametrize(
        ("default", "instead"), [(["hush"], "tuple"), ({"hush"}, "frozenset"), (bytearray(b"hush"), "bytes")]
    )
    def test_a_mutable_default_is_refused_by_name_and_not_quoted(self, default: Any, instead: str) -> None:
        annotated = {"__annotations__": {"KEYS": Secret[Any]}}  # type: ignore[misc]
        said = rf"^S\.KEYS: its default is a {type(default).__name__}, which is mutable; write a {instead}$"
        for written in (default, msgspec.field(default=default, name="keys")):
            with pytest.raises(TypeError, match=said):
                types.new_class("S", (BaseSettings,), {}, lambda body: body.update(annotated, KEYS=written))  # noqa: B023

    def test_a_mapping_may_be_the_default_of_a_field_with_another_key(self) -> None:
        class S(BaseSettings):
            LIMITS: Mapping[str, int] = msgspec.field(default={"a": 1}, name="limits")

        assert S.from_values().LIMITS == {"a": 1}
        assert type(S.from_values().LIMITS) is FrozenDict
        assert S.from_values(limits={"b": 2}).LIMITS == {"b": 2}

    def test_nothing_can_be_assigned(self, full: Settings) -> None:
        for name in (*Settings.__struct_fields__, "other"):
            with pytest.raises(AttributeError):
                setattr(full, name, 1)
        with pytest.raises(AttributeError):
            del full.PORT
        with pytest.raises(AttributeError):
            full.db.host = "x"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]

    def test_mappings_are_read_only_at_any_depth(self, full: Settings) -> None:
        inner: Any = full.LIMITS["a"]
        assert type(full.LIMITS) is type(inner) is type(inner["b"][1]) is FrozenDict
        assert inner["b"] == (1, {"c": (2,)})
        assert type(full.db.pool.options) is FrozenDict
        mapping: Any
        for mapping in (full.LIMITS, inner, inner["b"][1], full.db.pool.options, Settings.from_values().LIMITS):
            with pytest.raises(TypeError, match="settings are immutable"):
                mapping["a"] = 1

    @pytest.mark.parametrize(
        ("annotation", "reason"),
        [
            (list[str], "S.x: list is mutable; use tuple[...]"),
            (Mapping[str, dict[str, int]] | None, "S.x: dict is mutable; use Mapping[...]"),
            (Secret[set[int]], "S.x: set is mutable; use frozenset[...]"),
        ],
    )
    def test_mutable_fields_are_refused_when_the_class_is_defined(self, annotation: Any, reason: str) -> None:
        namespace = {"__annotations__": {"x": annotation}}
        with pytest.raises(TypeError, match=f"^{re.escape(reason)}$"):
            types.new_class("S", (BaseSettings,), exec_body=lambda body: body.update(namespace))

    @pytest.mark.parametrize("name", ["replace", "watch", "from_values"])
    def test_a_field_cannot_take_the_name_of_a_method(self, name: str) -> None:
        namespace = {"__annotations__": {name: int}}
        with pytest.raises(TypeError, match=rf"^S.{name}: .*keep the key with `= msgspec.field\(name='{name}'\)`$"):
            types.new_class("S", (BaseSettings,), exec_body=lambda body: body.update(namespace))

    def test_such_a_key_is_had_with_another_name_for_the_field(self, tmp_path: Path) -> None:
        class S(BaseSettings):
            must_replace: bool = field(name="replace")
            self: int = 1
            cls: int = 2
            config_path: str = "c"
            values: int = 3
            name: str = "n"
            keys: tuple[str, ...] = ()

        settings = load(S, tmp_path, "replace = true\nself = 5\nconfig_path = 'x'")
        assert (settings.must_replace, settings.self, settings.cls, settings.config_path) == (True, 5, 2, "x")
        assert S.from_values(replace=True, self=5, cls=6, values=7).replace(self=8, cls=9).self == 8
        assert S.from_values(must_replace=True).must_replace
        assert lines(S, tmp_path, "must_replace = true")[0].startswith("config.toml:1:1  must_replace: unknown key")

    def test_a_class_without_fields(self, tmp_path: Path) -> None:
        class S(BaseSettings):
            pass

        assert load(S, tmp_path) == S.from_values()
        assert repr(S.from_values()) == "S()"
        assert lines(S, tmp_path, "a = 1") == ["config.toml:1:1  a: unknown key"]

    def test_a_class_with_a_thousand_fields(self, tmp_path: Path) -> None:
        start = time.perf_counter()
        names = {f"KEY_{number}": int for number in range(1000)}
        cls: Any = types.new_class(
            "S", (BaseSettings,), exec_body=lambda body: body.update({"__annotations__": names, "__module__": __name__})
        )
        config = "".join(f"{name} = {number}\n" for number, name in enumerate(names))
        assert load(cls, tmp_path, config).KEY_999 == 999
        found = lines(cls, tmp_path, config.replace(" = ", " = 0."))
        assert len(found) == 1000
        assert time.perf_counter() - start < 2

    def test_classes_derive_from_one_another(self, tmp_path: Path) -> None:
        class Base(BaseSettings):
            NAME: str
            PORT: int = 1

            def url(self) -> str:
                return f"{self.NAME}:{self.PORT}"

        class Derived(Base):
            PORT: int = 2
            LIMITS: Mapping[str, int] = {"a": 1}

        class Tolerant(Derived, forbid_unknown_fields=False):
            EXTRA: int = 3

        class Mixed(Tolerant, Base):
            MORE: int = 4

        assert load(Derived, tmp_path, "NAME = 'n'").url() == "n:2"
        assert load(Tolerant, tmp_path, "NAME = 'n'\nEXTRA = 4").EXTRA == 4
        assert type(load(Mixed, tmp_path, "NAME = 'n'").LIMITS) is FrozenDict
        assert lines(Base, tmp_path, "LIMITS = {}")[0].startswith("config.toml:1:1  LIMITS: unknown key")
        assert Base.from_values(NAME="n") != Derived.from_values(NAME="n", PORT=1)

    def test_keys_can_be_renamed(self, tmp_path: Path) -> None:
        class S(BaseSettings, rename="kebab"):
            log_level: str = "info"
            web_port: int = field(name="port of the web", default=1)

        settings = load(S, tmp_path, "log-level = 'debug'\n'port of the web' = 2")
        assert (settings.log_level, settings.web_port) == ("debug", 2)
        assert S.from_values(log_level="x", **{"port of the web": 3}).web_port == 3
        assert settings.replace(web_port=4).web_port == 4
        found = lines(S, tmp_path, "log_level = 'debug'\n'port of the web' = 'x'")
        assert found == [
            "config.toml:1:1  log_level: unknown key; did you mean log-level?",
            'config.toml:2:21  "port of the web": expected int, got str',
        ]

    def test_annotations_may_name_what_comes_later(self) -> None:
        source = """
            from __future__ import annotations
            from collections.abc import Mapping
            from hotsettings import BaseSettings, Secret
            import msgspec

            class S(BaseSettings):
                first: Later
                limits: Mapping[str, int] = {}
                token: Secret[str] = "t"

            class Bad(BaseSettings):
                hosts: tuple[list[str], ...] = ()
                later: Other = None
        """
        module = types.ModuleType("later")
        sys.modules["later"] = module
        try:
            exec(inspect.cleandoc(source), module.__dict__)
            with pytest.raises(NameError, match="Later"):
                module.S.from_values(first={})
            exec("class Later(msgspec.Struct, frozen=True):\n    port: int = 1\nclass Other: pass", module.__dict__)
            settings = module.S.from_values(first={"port": 2})
            assert settings.first.port == 2
            assert repr(settings) == "S(first=Later(port=2), limits={}, token=********)"
            with pytest.raises(TypeError, match=r"^Bad.hosts: list is mutable; use tuple"):
                module.Bad.from_values()
        finally:
            del sys.modules["later"]

    def test_generic_structs_and_new_types(self, tmp_path: Path) -> None:
        Port = NewType("Port", int)

        class Box(Struct, Generic[T], frozen=True, forbid_unknown_fields=True):
            content: T

        class S(BaseSettings):
            port: Annotated[Port, Meta(ge=1)]
            box: Box[tuple[int, ...]]
            hidden: Box[Secret[str]] = Box(content="s")
            any_box: Box[Any] = Box(content=1)

        settings = load(S, tmp_path, "port = 1\nbox.content = [1]\nany_box.content = { a = [1] }")
        assert settings.box.content == (1,)
        assert settings.any_box.content == {"a": (1,)}
        assert type(settings.any_box.content) is FrozenDict
        assert "hidden=********" in repr(settings)
        assert lines(S, tmp_path, "port = 0\nbox.content = [1, 'x']\nbox.more = 1\nhidden.content = 5") == [
            "config.toml:1:8  port: expected int >= 1",
            "config.toml:2:19  box.content[1]: expected int, got str",
            "config.toml:3:5  box.more: unknown key",
            "config.toml:4:18  hidden.content: expected str, got int (value hidden)",
        ]

    def test_watching_starts_when_entered(self) -> None:
        assert hasattr(Settings.watch("none.toml", override_path="none", reload_signal=None), "__aenter__")

    def test_help_tells_how_to_call(self) -> None:
        signature = "(config_path='config.toml', *, override_path=None, secrets_path='secrets.toml', layers=None)"
        assert str(inspect.signature(Settings)) == signature
        assert str(inspect.signature(Settings.from_values)) == "(**values)"
        assert Settings.from_values.__doc__ is not None


class TestLoading:
    def test_no_arguments(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "config.toml").write_text("PORT = 5\nNAME = 'base'\nTOKEN = 'base'")
        (tmp_path / "secrets.toml").write_text("TOKEN = 'secret'")
        settings = Settings()
        assert (settings.PORT, settings.NAME, settings.TOKEN) == (5, "base", "secret")

    def test_every_path_can_be_given(self, tmp_path: Path) -> None:
        for name, text in (("a", "PORT = 5"), ("b", "TOKEN = 'b'\nPORT = 6"), ("c", "TOKEN = 'c'")):
            (tmp_path / name).write_text(text)
        settings = Settings(tmp_path / "a", override_path=str(tmp_path / "c"), secrets_path=tmp_path / "b")
        assert (settings.PORT, settings.TOKEN) == (6, "c")
        assert Settings(config_path=tmp_path / "a", secrets_path=None).PORT == 5
        assert Settings(bytes(tmp_path / "a"), secrets_path=None).PORT == 5  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    def test_only_the_first_path_is_positional(self) -> None:
        with pytest.raises(TypeError):
            Settings("a", "b")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

    def test_values_are_no_arguments(self) -> None:
        with pytest.raises(TypeError) as caught:
            Settings(PORT=5, NAME="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        assert str(caught.value) == (
            "Settings() loads files; for values given in code use Settings.from_values(PORT=..., NAME=...)"
        )

    def test_no_environment_variable_is_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORT", "5")
        monkeypatch.setenv("SETTINGS_PORT", "5")
        (tmp_path / ".env").write_text("PORT=5")
        assert load(Settings, tmp_path, "NAME = 'x'").PORT == 1

    def test_toml_has_its_own_dates(self, tmp_path: Path) -> None:
        settings = load(Settings, tmp_path, "WHEN = 2024-02-29T12:00:00Z\nDAY = 2024-02-29\nHOUR = 12:00:00")
        assert FULL["WHEN"] == settings.WHEN
        assert FULL["DAY"] == settings.DAY
        assert FULL["HOUR"] == settings.HOUR

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            ("PORT = '4'", "PORT: expected int, got str; write it without quotes"),
            ("PORT = 4.0", "PORT: expected int, got float; write 4"),
            ("PORT = 4.5", "PORT: expected int, got float; write a whole number"),
            ("PORT = inf", "PORT: expected int, got float; write a whole number"),
            ("PORT = true", "PORT: expected int, got bool"),
            ("DEBUG = 1", "DEBUG: expected bool, got int; write true or false"),
            ("DEBUG = 'true'", "DEBUG: expected bool, got str; write it without quotes"),
            ("RATE = '1.5'", "RATE: expected float, got str; write it without quotes"),
            ("RATE = true", "RATE: expected float, got bool"),
            ("NAME = 5", "NAME: expected str, got int; put it in quotes"),
            ("NAME = 2024-02-29", "NAME: expected str, got date; put it in quotes"),
            ("TAGS = 'a'", "TAGS: expected array, got str; put it in square brackets"),
            ("KINDS = { a = 1 }", "KINDS: expected array, got table"),
            ("LIMITS = []", "LIMITS: expected table, got array; write [table] as its header, or { key = value }"),
            ("WHEN = '2024-02-29T12:00:00Z'", "WHEN: expected datetime, got str; write it without quotes"),
            ("WHEN = 1709208000", "WHEN: expected datetime, got int; write it like 2026-01-31T12:00:00Z"),
            ("DAY = '2024-02-29'", "DAY: expected date, got str; write it without quotes"),
            ("HOUR = '12:00:00'", "HOUR: expected time, got str; write it without quotes"),
            ("WAIT = 5", 'WAIT: expected duration, got int; write it like "PT30S"'),
            ("WAIT = '5s'", 'WAIT: invalid ISO8601 duration; write it like "PT30S"'),
            ("PRICE = true", "PRICE: expected decimal, got bool"),
            ("PRICE = 'x'", 'PRICE: invalid decimal string; write it like "1.50"'),
            ("ID = 'x'", 'ID: invalid UUID; write it like "123e4567-e89b-12d3-a456-426614174000"'),
            ("KEY = '!'", "KEY: invalid base64 encoded string; write the bytes in base64"),
            ("COLOUR = 'gren'", "COLOUR: expected one of red, green; did you mean green?"),
            ("COLOUR = 'RED'", "COLOUR: expected one of red, green; did you mean red?"),
            ("LEVEL = 3", "LEVEL: expected one of 1, 2"),
            ("LEVEL = '1'", "LEVEL: expected one of 1, 2; write it without quotes"),
            ("MODE = 'fsat'", "MODE: expected one of fast, safe; did you mean fast?"),
            ("PAIR = [1]", "PAIR: expected array of length 2, got 1"),
            ("PAIR = ['x', 'y']", "PAIR[0]: expected int, got str"),
            ("PAIR = ['5', 'y']", "PAIR[0]: expected int, got str; write it without quotes"),
            ("spare = 5", "spare: expected table, got int; write { key = value }, or a [table]"),
            ("shape = 5", "shape: expected table, got int; write { key = value }, or a [table]"),
        ],
    )
    def test_types_are_strict(self, tmp_path: Path, line: str, problem: str) -> None:
        (found,) = lines(Settings, tmp_path, line)
        assert found.partition("  ")[2] == problem

    def test_an_int_for_a_float_is_taken(self, tmp_path: Path) -> None:
        rate = load(Settings, tmp_path, "RATE = 4").RATE
        assert rate == 4.0
        assert type(rate) is float

    def test_tolerance_is_a_warning_with_the_place(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        class Tolerant(Settings, forbid_unknown_fields=False):
            pass

        config = "PORT = 5\n[NEW]\na = 'hunter2-canary'\n[db]\nhost = 'h'"
        settings = load(Tolerant, tmp_path, config, secrets="'o l d' = 'hunter2-canary'", override="NEW.a = 1")
        assert settings.PORT == 5
        assert [(record.name, record.levelno, record.getMessage()) for record in caplog.records] == [
            ("hotsettings", logging.WARNING, "config.toml:2:2  NEW: unknown key, ignored"),
            ("hotsettings", logging.WARNING, "override.toml:1:1  NEW: unknown key, ignored"),
            ("hotsettings", logging.WARNING, 'secrets.toml:1:1  "o l d": unknown key, ignored'),
        ]

    def test_tolerance_of_values_given_in_code(self, caplog: pytest.LogCaptureFixture) -> None:
        class Tolerant(BaseSettings, forbid_unknown_fields=False):
            PORT: int = 1

        assert Tolerant.from_values(PORT=2, PROT=3).PORT == 2
        assert caplog.messages == ["PROT: unknown key, ignored"]

    def test_nested_structs_are_strict_whether_or_not_they_say_so(self, tmp_path: Path) -> None:
        assert lines(Settings, tmp_path, "db.pool.sizes = 1") == [
            "config.toml:1:9  db.pool.sizes: unknown key; did you mean db.pool.size?"
        ]
        assert lines(Settings, tmp_path, "db.hots = 1") == [
            "config.toml:1:4  db.hots: unknown key; did you mean db.host?"
        ]

    def test_convert_straight_to_the_class_gives_plain_dicts(self) -> None:
        settings = msgspec.convert({"LIMITS": {"a": 1}}, Settings)
        assert type(settings.LIMITS) is dict
        assert settings == Settings.from_values(LIMITS={"a": 1})

    def test_a_user_context_is_kept_and_ours_is_clean(self, tmp_path: Path) -> None:
        theirs = KeyError("theirs")
        try:
            raise theirs
        except KeyError:
            error = failure(Settings, tmp_path, "PORT = '5'")
        assert error.__context__ is theirs
        assert failure(Settings, tmp_path, "PORT = '5'").__context__ is None
        assert failure(Settings, tmp_path, "PORT = ").__context__ is None

    def test_no_frame_of_the_library_but_the_last(self, tmp_path: Path) -> None:
        for config in ("PORT = '5'", "PORT ="):
            with pytest.raises((InvalidSettings, LayerError)) as caught:
                load(Settings, tmp_path, config)
            library = Path(hotsettings.__file__).parent
            inside = [e.frame.f_locals for e in caught.traceback if Path(e.path).is_relative_to(library)]
            assert [{*locals_} - {"cls"} for locals_ in inside] == [
                {"config_path", "paths", "override_path", "secrets_path", "layers", "values"},
                {"function"},
            ]


class TestRules:
    @pytest.mark.parametrize(
        ("raised", "message"),
        [
            (ValueError("PORT and NAME do not match"), "PORT and NAME do not match"),
            (ValueError(), "ValueError"),
            (ValueError("two\nlines\x1b[31m"), "two lines [31m"),
            (TypeError("not so"), "not so"),
            (KeyError("key"), "KeyError: 'key'"),
            (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        ],
    )
    def test_what_a_rule_raises_is_a_problem(self, tmp_path: Path, raised: Exception, message: str) -> None:
        class Rule(Struct, frozen=True):
            port: int = 1

            def __post_init__(self) -> None:
                if self.port != 1:
                    raise raised

        class S(BaseSettings):
            PORT: int = 1
            rule: Rule = Rule()
            rules: tuple[Rule, ...] = ()

            def __post_init__(self) -> None:
                if self.PORT != 1:
                    raise raised

        assert lines(S, tmp_path, "PORT = 2") == [message]
        assert lines(S, tmp_path, "PORT = 2\nrule.port = 2") == [f"config.toml:2:1  rule: {message}"]
        assert lines(S, tmp_path, "rules = [{}, { port = 2 }]") == [f"config.toml:1:14  rules[1]: {message}"]
        with pytest.raises(InvalidSettings, match=re.escape(f"  {message}")):
            S.from_values(PORT=2)

    def test_a_rule_that_cannot_even_say_what_it_means(self, tmp_path: Path) -> None:
        class Silent(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no")

        class S(BaseSettings):
            PORT: int = 1

            def __post_init__(self) -> None:
                raise Silent

        assert lines(S, tmp_path) == ["Silent: (it fails to say what it is)"]

    def test_a_rule_that_changes_its_mind(self, tmp_path: Path) -> None:
        calls = iter([True, False])

        class S(BaseSettings):
            PORT: int = 1

            def __post_init__(self) -> None:
                if next(calls):
                    raise ValueError("no")

        assert lines(S, tmp_path) == [
            "a rule of the class rejected these values, but accepted them when they were checked again"
        ]

    def test_an_enum_may_have_its_own_idea_of_what_is_missing(self, tmp_path: Path) -> None:
        class Own(enum.Enum):
            A = "a"

            @classmethod
            def _missing_(cls, value: object) -> Any:
                if value == "b":
                    return cls.A
                raise ValueError(f"never {value}")

        class S(BaseSettings):
            own: Own = Own.A

        assert load(S, tmp_path, "own = 'b'").own is Own.A
        assert lines(S, tmp_path, "own = 'c'")[0].startswith("config.toml:1:7  own: ")


class TestUnions:
    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            ("shape = { type = 'square' }", "config.toml:1:1  shape.side: required, but missing from this table"),
            ("shape = { type = 'square', side = 'x' }", "config.toml:1:35  shape.side: expected float, got str"),
            ("shapes = [{ side = 1.0 }]", "config.toml:1:11  shapes[0].type: required, but missing from this table"),
            (
                "shape = { type = 'sqare' }",
                "config.toml:1:18  shape.type: expected one of circle, square; did you mean square?",
            ),
            ("shape = { type = 5 }", "config.toml:1:18  shape.type: expected one of circle, square"),
            ("shape = { type = [] }", "config.toml:1:18  shape.type: expected one of circle, square"),
            (
                "shapes = [{ type = 'circle', radius = 1 }, { type = 'circle', radius = '1' }]",
                "config.toml:1:72  shapes[1].radius: expected float, got str; write it without quotes",
            ),
        ],
    )
    def test_tagged_structs(self, tmp_path: Path, line: str, problem: str) -> None:
        assert lines(Settings, tmp_path, line) == [problem]

    def test_the_tag_is_no_unknown_key(self, tmp_path: Path) -> None:
        class One(Struct, frozen=True, tag_field="kind", tag=1, forbid_unknown_fields=True):
            port: int = 1

        class Two(Struct, frozen=True, tag_field="kind", tag=2, forbid_unknown_fields=True):
            port: int = 1

        class S(BaseSettings):
            single: One | None = None
            either: One | Two | int | None = None
            listed: tuple[int, ...] | One | None = None

        assert load(S, tmp_path, "either = { kind = 2, port = 3 }").either == Two(3)
        assert load(S, tmp_path, "single = { port = 3 }").single == One(3)
        assert lines(S, tmp_path, "single = { kind = 2 }\neither = { kind = 1, prot = 1 }") == [
            "config.toml:1:19  single.kind: expected one of 1",
            "config.toml:2:22  either.prot: unknown key; did you mean either.port?",
        ]
        assert lines(S, tmp_path, "either = { kind = true }") == ["config.toml:1:19  either.kind: expected one of 1, 2"]
        assert lines(S, tmp_path, "listed = [1, 'x']") == ["config.toml:1:14  listed[1]: expected int, got str"]
        assert lines(S, tmp_path, "listed = { port = 'x' }") == ["config.toml:1:19  listed.port: expected int, got str"]
        assert lines(S, tmp_path, "listed = 'x'") == ["config.toml:1:10  listed: expected table | array, got str"]


class TestFromValues:
    def test_every_type(self, full: Settings) -> None:
        assert full.RATE == 1.0
        assert frozenset({"k"}) == full.KINDS
        assert datetime.timedelta(minutes=5) == full.WAIT
        assert decimal.Decimal("2.50") == full.PRICE
        assert full.KEY == b"x"
        assert full.shape == Square(2.0)

    def test_objects_of_the_right_type_are_taken(self, full: Settings) -> None:
        given = {name: getattr(full, name) for name in Settings.__struct_fields__}
        assert Settings.from_values(**given) == full
        pool = Pool(size=3)
        assert Settings.from_values(db={"pool": pool}).db.pool == pool

    @pytest.mark.parametrize(
        ("values", "problem"),
        [
            ({"PORT": "5"}, "PORT: expected int, got str; write it without quotes"),
            ({"PORT": None}, "PORT: expected int, got null"),
            ({"PORT": decimal.Decimal(5)}, "PORT: expected int, got decimal"),
            ({"NAME": b"abc"}, "NAME: expected str, got bytes"),
            ({"NAME": decimal.Decimal("1.5")}, "NAME: expected str, got decimal"),
            ({"NAME": uuid.UUID(int=1)}, "NAME: expected str, got uuid"),
            ({"NAME": datetime.timedelta(1)}, "NAME: expected str, got duration"),
            ({"DAY": "2024-02-29"}, "DAY: expected date, got str; write it without quotes"),
            ({"PORT": object()}, "PORT: cannot be made of object"),
            ({"TAGS": ("a", 5)}, "TAGS[1]: expected str, got int; put it in quotes"),
            ({"TAGS": ["a", object()]}, "TAGS[1]: cannot be made of object"),
            ({"db": {"pool": {"size": object()}}}, "db.pool.size: cannot be made of object"),
            ({"LIMITS": {(1, 2): 3}}, "LIMITS: cannot be made of dict"),
            ({"db": {"hots": 1}}, "db.hots: unknown key; did you mean db.host?"),
            ({"db": Pool()}, "db.size: unknown key; did you mean db.pool.size?"),
            ({"PROT": 5}, "PROT: unknown key; did you mean PORT?"),
            ({"bad key\n": 5}, '"bad key\\n": unknown key'),
        ],
    )
    def test_values_are_validated(self, values: dict[str, Any], problem: str) -> None:
        with pytest.raises(InvalidSettings) as caught:
            Settings.from_values(**values)
        assert str(caught.value.problems[0]) == problem
        for found in caught.value.problems:
            assert found.origin.file is None
            assert found.origin.line is None
            assert found.excerpt == ()

    def test_nested_structs_are_validated_anew(self) -> None:
        bad = Pool(size=0)  # msgspec checks constraints in what it decodes only
        for given in ({"db": {"pool": bad}}, {"db": Db(pool=bad)}, {"spare": Db(pool=bad)}):
            with pytest.raises(InvalidSettings, match=r"pool.size: expected int >= 1"):
                Settings.from_values(**given)
        with pytest.raises(InvalidSettings, match=r"pool.size: expected int >= 1"):
            Settings.from_values().replace(db=Db(pool=bad))

    def test_a_value_that_holds_itself(self) -> None:
        endless: dict[str, Any] = {}
        endless["again"] = endless
        with pytest.raises(
            InvalidSettings, match=r"^Invalid settings: 1 problem\n  LIMITS.again: cannot be made of dict$"
        ):
            Settings.from_values(LIMITS=endless)
        deep: Any = object()
        for _ in range(5000):
            deep = [deep]
        with pytest.raises(InvalidSettings, match=r"cannot be made of list$"):
            Settings.from_values(LIMITS={"a": deep})

    def test_all_problems_at_once(self) -> None:
        with pytest.raises(InvalidSettings) as caught:
            Settings.from_values(PORT="x", RATE="y", db={"pool": {"size": 0}})
        assert [problem.key for problem in caught.value.problems] == ["PORT", "RATE", "db.pool.size"]
        with pytest.raises(InvalidSettings) as caught:
            Settings.from_values(PORT="x", TAGS=object())
        assert {problem.key for problem in caught.value.problems} == {"PORT", "TAGS"}
        with pytest.raises(InvalidSettings) as caught:
            Settings.from_values(db={"host": object(), "pool": {"size": 0}, "hots": {}}, TAGS=[object(), object()])
        assert [problem.key for problem in caught.value.problems] == [
            *("db.host", "TAGS[0]", "TAGS[1]", "db.pool.size", "db.hots"),
        ]

    def test_a_required_value_that_cannot_be_made_is_not_called_missing_as_well(self) -> None:
        class Needed(BaseSettings):
            NAME: str

        with pytest.raises(InvalidSettings, match=r"^Invalid settings: 1 problem\n  NAME: cannot be made of object$"):
            Needed.from_values(NAME=object())

    def test_what_is_given_can_be_changed_afterwards(self) -> None:
        limits: dict[str, Any] = {"a": [1]}
        settings = Settings.from_values(LIMITS=limits)
        limits["a"].append(2)
        assert settings.LIMITS == {"a": (1,)}

    def test_required_keys(self) -> None:
        class S(BaseSettings):
            PORT: int
            db: Db

        with pytest.raises(InvalidSettings) as caught:
            S.from_values()
        assert str(caught.value) == "Invalid settings: 2 problems\n  PORT: required\n  db: required"

    def test_replace_gives_a_validated_copy(self, full: Settings) -> None:
        changed = full.replace(PORT=9, LIMITS={"x": {}})
        assert (changed.PORT, changed.LIMITS, full.PORT) == (9, {"x": {}}, 2)
        assert changed.replace(PORT=full.PORT, LIMITS=full.LIMITS) == full
        assert full.replace() == full
        assert full.replace(spare=None).spare is None
        with pytest.raises(InvalidSettings, match="PORT: expected int, got str"):
            full.replace(PORT="9")
        with pytest.raises(InvalidSettings, match="PROT: unknown key"):
            full.replace(PROT=9)

    def test_replace_keeps_the_types_of_what_is_anything(self) -> None:
        class S(BaseSettings):
            PORT: int = 1
            ANY: Any = decimal.Decimal("1.50")

        assert type(S.from_values().replace(PORT=2).ANY) is decimal.Decimal

    def test_a_dict_for_a_nested_struct_changes_only_what_it_names(self, full: Settings) -> None:
        class Cat(Struct, frozen=True, tag=True):
            lives: int = 9
            name: str = ""

        class Dog(Struct, frozen=True, tag=True):
            name: str = ""

        class S(BaseSettings):
            db: Db = Db()
            spare: Db | None = None
            pet: Cat | Dog = Cat()
            by_name: Mapping[str, Pool] = {}

        given = S.from_values(db={"host": "h", "pool": {"size": 3}}, pet=Cat(7, "c"), by_name={"a": {"size": 2}})
        assert given.replace(db={"host": "x"}).db == Db(host="x", pool=Pool(size=3))
        assert given.replace(db={"pool": {}}).db == given.db
        assert given.replace(db={"pool": Pool(size=4)}).db == Db(host="h", pool=Pool(size=4))
        assert given.replace(db=Db(host="x")).db == Db(host="x"), "a Struct is all of it"
        assert given.replace(spare={"host": "x"}).spare == Db(host="x")
        assert given.replace(pet={"name": "d"}).pet == Cat(7, "d")
        assert given.replace(pet={"type": "Cat", "name": "d"}).pet == Cat(7, "d")
        assert given.replace(pet={"type": "Dog", "name": "d"}).pet == Dog("d"), "another table"
        assert given.replace(by_name={"b": {}}).by_name == {"b": Pool()}, "a mapping is one value"
        with pytest.raises(
            InvalidSettings, match=r"^Invalid settings: 1 problem\n  db.pool.size: expected int, got str"
        ):
            given.replace(db={"pool": {"size": "x"}})
        with pytest.raises(InvalidSettings, match=r"db.hots: unknown key; did you mean db.host\?$"):
            given.replace(db={"hots": "x"})


class TestCopies:
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_pickle(self, full: Settings, protocol: int) -> None:
        again = pickle.loads(pickle.dumps(full, protocol))
        assert again == full
        assert hash(again) == hash(full)
        assert type(again.LIMITS) is FrozenDict
        assert type(again.LIMITS["a"]) is FrozenDict

    @pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
    def test_copies_are_the_settings_themselves(self, full: Settings, duplicate: Callable[[Any], Any]) -> None:
        assert duplicate(full) is full
        assert duplicate([full])[0] is full

    @pytest.mark.skipif(sys.version_info < (3, 13), reason="copy.replace came with Python 3.13")
    def test_copy_replace(self, full: Settings) -> None:
        replace: Any = getattr(copy, "replace")  # noqa: B009
        assert replace(full, PORT=9) == full.replace(PORT=9)
        with pytest.raises(InvalidSettings):
            replace(full, PORT="9")

    def test_dunder_replace(self, full: Settings) -> None:
        replace: Any = getattr(full, "__replace__")  # noqa: B009
        assert replace(PORT=9) == full.replace(PORT=9)
        with pytest.raises(InvalidSettings):
            replace(PORT="9")

    def test_equality_and_hash(self, full: Settings) -> None:
        assert full == Settings.from_values(**FULL) != Settings.from_values()
        assert {full, Settings.from_values(**FULL)} == {full}
        assert full != object()

    def test_encoding(self, full: Settings) -> None:
        for encode, decode in (
            (msgspec.json.encode, msgspec.json.decode),
            (msgspec.msgpack.encode, msgspec.msgpack.decode),
        ):
            again: Any = decode(encode(full), type=Settings)
            assert again.replace() == full
            assert decode(encode(full))["TOKEN"] == "u"  # whoever encodes discloses
        assert msgspec.to_builtins(full)["LIMITS"] == FULL["LIMITS"] | {"a": {"b": (1, {"c": (2,)})}}
        assert msgspec.structs.asdict(as_struct(full))["PORT"] == 2

    def test_repr_masks(self, full: Settings) -> None:
        assert repr(full) == str(full) == f"{full}"
        assert "TOKEN=********, WORKERS=4" in repr(full)
        assert repr(full).count("password=********") == 3
        assert "'u'" not in repr(full)

    def test_restoring_loads_no_files(self, full: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert pickle.loads(pickle.dumps(full)) == full


class Tree(Struct, frozen=True, forbid_unknown_fields=True):
    label: str = ""
    left: Optional["Tree"] = None
    right: Optional["Tree"] = None


def test_a_recursive_struct(tmp_path: Path) -> None:
    class S(BaseSettings):
        tree: Tree = Tree()

    assert load(S, tmp_path, "[tree.left.right.left]\nlabel = 'deep'").tree == Tree(
        left=Tree(right=Tree(left=Tree("deep")))
    )
    assert lines(S, tmp_path, "[tree.left.right.left]\nlable = 'deep'\n[tree.right]\nlabel = 5") == [
        "config.toml:2:1  tree.left.right.left.lable: unknown key; did you mean tree.left.right.left.label?",
        "config.toml:4:9  tree.right.label: expected str, got int; put it in quotes",
    ]


def test_a_recursive_struct_with_a_secret_hides_the_secret_only(tmp_path: Path) -> None:
    config = "[db.replica.replica]\npassword = 5\nhots = 'hunter2-canary'"
    assert lines(Settings, tmp_path, config) == [
        "config.toml:2:12  db.replica.replica.password: expected str, got int (value hidden)",
        "config.toml:3:1  db.replica.replica.hots: unknown key; did you mean db.replica.replica.host?",
    ]


def test_settings_inside_of_settings(tmp_path: Path) -> None:
    class Outer(BaseSettings):
        inner: Settings
        maybe: Settings | None = None

    settings = load(Outer, tmp_path, "[inner]\nPORT = 5\nLIMITS = { a = [1] }")
    assert settings.inner == Settings.from_values(PORT=5, LIMITS={"a": [1]})
    assert type(settings.inner.LIMITS) is FrozenDict
    assert settings.replace() == settings == copy.deepcopy(settings)
    assert lines(Outer, tmp_path, "inner.PROT = 5") == [
        "config.toml:1:7  inner.PROT: unknown key; did you mean inner.PORT?"
    ]
