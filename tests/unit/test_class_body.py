"""Nothing that the body of a settings class says is ignored silently."""

import enum
import functools
import logging
import os
import sys
import textwrap
from pathlib import Path
from types import ModuleType, new_class
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import annotated_types
import attrs
import pydantic
import pytest
from msgspec import Struct, field

from hotsettings import BaseSettings, InvalidSettings, LayerError
from hotsettings._schema.class_body import refuse_ignored

if TYPE_CHECKING:
    from decimal import Decimal

OPTIONS = r"options stand in the class line: class S\(BaseSettings, forbid_unknown_fields=False\)"


def define(annotations: dict[str, Any] | None = None, **names: Any) -> Any:
    body = {"__annotations__": annotations or {}, "__module__": __name__, **names}
    return new_class("S", (BaseSettings,), {}, lambda namespace: namespace.update(body))


class Other(BaseSettings):
    port: int = 1


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[int, pydantic.Field(ge=1)],
        Annotated[int, annotated_types.Ge(1)],
        Annotated[int, annotated_types.Ge],
        Annotated[int, pydantic.BeforeValidator(int)],
        tuple[Annotated[int, annotated_types.Ge(1)], ...],
        pydantic.conint(ge=1),
    ],
)
def test_constraints_of_other_libraries_are_refused(annotation: Any) -> None:
    said = r"^S\.port: \w+ is not asked about settings, so its \w+ would be ignored; use msgspec.Meta for limits"
    with pytest.raises(TypeError, match=said):
        define({"port": annotation})


@pytest.mark.parametrize("default", [pydantic.Field(default=1), attrs.field(default=1)])
def test_so_are_their_defaults(default: Any) -> None:
    with pytest.raises(TypeError, match=r"^S\.port: (pydantic|attr) is not asked about settings"):
        define({"port": int}, port=default)


class Mark:
    pass


def test_metadata_of_ones_own_is_welcome() -> None:
    assert define({"port": Annotated[int, Mark(), "words", Mark]}, port=1).from_values().port == 1


@pytest.mark.parametrize("value", [30, "a", logging.getLogger(), field(default=3)])
def test_a_value_without_annotation_is_refused(value: Any) -> None:
    kind = type(value).__name__
    said = rf"^S\.timeout has no annotation, so it is no setting; write timeout: {kind} = ..., or ClassVar\[{kind}\]"
    with pytest.raises(TypeError, match=said):
        define({"port": int}, timeout=value)


def test_so_is_one_that_would_hide_a_field_of_a_base() -> None:
    with pytest.raises(TypeError, match=r"^Changed\.port has no annotation"):

        class Changed(Other):
            port = 8080


class Unresolved:
    """A class whose annotations are worked out when they are asked for, as from Python 3.14 on."""

    @property
    def __annotations__(self) -> Any:  # type: ignore[override]
        raise NameError("Later")


def test_annotations_that_are_not_known_yet_refuse_nothing() -> None:
    cls: Any = Unresolved()
    refuse_ignored(cls, {"timeout": 30})


def test_what_a_class_may_have_beside_its_settings() -> None:
    class Full(BaseSettings):
        Kind = Literal["a", "b"]
        port: int = 1
        kind: Kind = "a"
        count: ClassVar[int] = 3
        _private = 4
        __hidden = 5

        import os

        class Colour(enum.Enum):
            RED = 1

        class Config(Struct, frozen=True):
            a: int = 1

        config: Config = Config()

        def method(self) -> int:
            return self.port

        @property
        def twice(self) -> int:
            return 2 * self.port

        @classmethod
        def make(cls) -> "Full":
            return cls.from_values()

        @staticmethod
        def nothing() -> None: ...

    made = Full.make()
    assert (made.twice, made.method(), made.count, made.config.a, Full.os) == (2, 1, 3, 1, os)


@pytest.mark.parametrize("name", ["model_config", "Config", "Meta"])
@pytest.mark.parametrize("value", [{}, type("Config", (), {})])
def test_options_of_other_libraries_are_refused(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"^S\.{name} is ignored; {OPTIONS}$"):
        define({"port": int}, **{name: value})


def test_a_setting_may_have_their_name() -> None:
    assert define({"model_config": str}, model_config="resnet").from_values().model_config == "resnet"


def test_a_cached_property_is_refused_where_it_could_not_keep_its_value() -> None:
    with pytest.raises(
        TypeError, match=r"^S\.twice: settings have no place for the value of a cached_property; use @derived or"
    ):
        define({"port": int}, twice=functools.cached_property(lambda self: 2))

    class WithDict(Other, dict=True):
        @functools.cached_property
        def twice(self) -> int:
            return 2 * self.port

    assert WithDict.from_values().twice == 2


def test_settings_are_no_default_unless_they_are_made_of_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text("port = 2\n")
    monkeypatch.chdir(tmp_path)
    said = r"^Other\(\) reads files, and so is no default; use Other.from_values\(\)$"
    with pytest.raises(TypeError, match=said):

        class Nested(BaseSettings):
            other: Other = Other()

    with pytest.raises(TypeError, match=r"^S\.other: Other\(\) reads files; use default_factory=Other.from_values$"):
        define({"other": Other}, other=field(default_factory=Other))
    made = define({"other": Other}, other=Other.from_values(port=3))
    assert made.from_values().other.port == 3
    assert define({"other": Other}, other=field(default_factory=Other.from_values)).from_values().other.port == 1


def test_any_other_class_may_load_settings_in_its_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("port = 2\n")
    monkeypatch.chdir(tmp_path)

    class Application:
        settings = Other()

    class Settings(BaseSettings):
        port: int = 1

        @staticmethod
        def load() -> "Other":
            return Other()

    assert Application.settings.port == Settings.load().port == 2


def test_two_bases_with_fields() -> None:
    class Mixin:
        def twice(self) -> int:
            return 2

    class Third(BaseSettings):
        host: str = "h"

    class Mixed(Mixin, Other):
        pass

    assert Mixed.from_values().twice() == 2
    said = "^Both: Other and Third both have fields, and only one base of a settings class can; derive from Other, "
    with pytest.raises(TypeError, match=said + "and nest Third, as in third: Third$") as caught:
        new_class("Both", (Other, Third))
    assert caught.value.__suppress_context__


def test_what_msgspec_says_of_other_bases_stays() -> None:
    with pytest.raises(TypeError) as caught:
        new_class("Odd", (Other, int))
    assert "both have fields" not in str(caught.value)


class Local(Struct, frozen=True):
    price: "Decimal"


def test_a_name_for_type_checkers_only() -> None:
    cls = define({"local": tuple[Local, ...]}, local=())
    for _ in range(2):
        with pytest.raises(
            NameError, match=r"^Local\.price: its annotation names Decimal, which is not defined; define"
        ):
            cls.from_values()


def test_a_class_local_to_a_function_and_one_that_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
        from __future__ import annotations
        from msgspec import Struct
        from hotsettings import BaseSettings

        class First(BaseSettings):
            second: Second

        def make():
            class Inner(Struct, frozen=True):
                a: int = 1
            class Outer(BaseSettings):
                inner: tuple[Inner, ...] = ()
            return Outer
    """
    module = ModuleType("later")
    monkeypatch.setitem(sys.modules, "later", module)
    exec(textwrap.dedent(source), vars(module))
    outer = vars(module)["make"]()
    with pytest.raises(NameError, match=r"^Outer\.inner: its annotation names Inner, which is not defined"):
        outer.from_values()
    exec("class Second(Struct, frozen=True):\n    a: int = 1", vars(module))
    assert vars(module)["First"].from_values(second={}).second.a == 1


def test_assignments_in_a_rule_name_the_way_to_normalise() -> None:
    class Changing(BaseSettings):
        host: str = "H"

        def __post_init__(self) -> None:
            self.host = self.host.lower()

    with pytest.raises(InvalidSettings) as caught:
        Changing.from_values(host="A")
    [problem] = caught.value.problems
    assert problem.message == "__post_init__ assigns to an attribute, but settings are immutable"
    assert problem.hint == "convert what a layer says with Before(...), and compute other values with @derived"


def test_calls_that_cannot_be_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings: Any = Other
    said = r"^Other\(\) takes one path by its place, config_path; name the others: override_path=..., secrets_path=...$"
    with pytest.raises(TypeError, match=said):
        settings("a", "b")
    with pytest.raises(LayerError):
        settings("a")
