"""Values that the program has are a layer, and any layers can be given in a list."""

from __future__ import annotations

import datetime
import inspect
import io
import pydoc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec import Struct, field
from rich.console import Console

import hotsettings
from hotsettings import BaseSettings, FileLayer, FolderLayer, InvalidSettings, LayerError, Origin, Secret, ValuesLayer
from hotsettings._layers.store import StoreLayer
from hotsettings._loading.explain import explain, origins
from hotsettings._loading.load import load
from hotsettings._schema.schema import schema_of


class Db(Struct, frozen=True):
    host: str = "localhost"
    port: int = 5432


class Settings(BaseSettings):
    name: str = ""
    token: Secret[str] = ""
    count: int = field(name="COUNT", default=0)
    when: datetime.date | None = None
    hosts: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    db: Db = Db()


def loaded(values: Mapping[str, Any], **options: Any) -> Settings:
    return Settings(layers=[ValuesLayer(values, **options)])


def test_values_are_taken_as_from_values_takes_them() -> None:
    values = {
        "name": "n",
        "count": 1,
        "when": datetime.date(2026, 1, 1),
        "hosts": ["a"],
        "labels": {"x": "y"},
        "db": Db("h"),
    }
    assert loaded(values) == Settings.from_values(**values)
    assert loaded({"COUNT": 2, "db": {"port": 1}}).db == Db(port=1)


def test_what_is_given_is_copied() -> None:
    values: dict[str, Any] = {"hosts": ["a"], "db": {"port": 1}, "labels": {"a": "b"}}
    layer = ValuesLayer(values)
    values["hosts"].append("b")
    values["db"]["port"] = 2
    values["name"] = "x"
    assert Settings(layers=[layer]) == Settings.from_values(hosts=["a"], db={"port": 1}, labels={"a": "b"})
    for table in (layer.values, layer.values["db"]):
        with pytest.raises(TypeError):
            table["name"] = "x"  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    with pytest.raises(AttributeError):
        layer.name = "other"  # type: ignore[misc]


def test_errors_name_the_layer() -> None:
    with pytest.raises(InvalidSettings) as caught:
        loaded({"db": {"port": "x"}, "nmae": 1}, name="command line")
    assert str(caught.value).splitlines()[1:] == [
        "  command line  db.port: expected int, got str",
        "  command line  nmae: unknown key; did you mean name?",
    ]
    assert {problem.origin for problem in caught.value.problems} == {Origin("command line", kind="program")}


def test_values_that_no_layer_can_hold() -> None:
    class Odd:
        def __deepcopy__(self, memo: object) -> None:
            raise RuntimeError

    with pytest.raises(LayerError) as caught:
        loaded({"name": Odd(), "count": object(), "hosts": ["a"]}, name="options")
    assert [str(problem) for problem in caught.value.problems] == [
        "options  name: cannot be made of Odd",
        "options  COUNT: cannot be made of object",
    ]


def test_a_required_key_names_where_it_was_looked_for(tmp_path: Path) -> None:
    class Needy(BaseSettings):
        needed: int

    (tmp_path / "config.toml").write_text("")
    with pytest.raises(InvalidSettings) as caught:
        Needy(layers=[FileLayer(tmp_path / "config.toml", label="c"), ValuesLayer({}, name="options")])
    assert str(caught.value.problems[0]) == "needed: required, but not set in c, options; set it in c"
    with pytest.raises(InvalidSettings, match=r"  needed: required, but not set in options; set it in options$"):
        Needy(layers=[ValuesLayer({}, name="options")])


def test_explain_and_origins_name_the_layer(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("name = 'file'\n")
    layers = [FileLayer(tmp_path / "config.toml", label="config.toml"), ValuesLayer({"name": "option"}, name="options")]
    found = load(schema_of(Settings), layers)
    assert origins(found)["name"] == Origin("options", kind="program")
    assert str(explain(found, "name")) == (
        'name\n  → "option"  options\n    "file"    config.toml  config.toml:1:8\n    ""        default'
    )


def test_nothing_of_a_secret_layer_is_shown() -> None:
    layer = ValuesLayer({"name": "hunter2-4711", "COUNT": "hunter2-4712"}, name="vault", secret=True)
    with pytest.raises(InvalidSettings) as caught:
        Settings(layers=[layer])
    assert str(caught.value.problems[0]) == "vault  COUNT: expected int, got str (value hidden)"
    assert "hunter2" not in str(
        explain(load(schema_of(Settings), [ValuesLayer({"name": "hunter2"}, secret=True)]), "name")
    )


def test_a_rule_that_quotes_a_secret_value() -> None:
    class Ruled(BaseSettings):
        name: str = ""

        def __post_init__(self) -> None:
            raise ValueError(f"not {self.name}")

    for layer in (ValuesLayer({"name": "hunter2-4711"}, secret=True),):
        with pytest.raises(InvalidSettings, match=r"not \*+$"):
            Ruled(layers=[layer])


def rich(layer: object) -> str:
    shown = io.StringIO()
    Console(file=shown, width=200).print(layer)
    return shown.getvalue()


@pytest.mark.parametrize("show", [repr, str, rich])
def test_a_repr_shows_no_value(show: Callable[[object], str]) -> None:
    shown = show(ValuesLayer({"token": "hunter2-4711"}, name="vault"))
    assert "hunter2" not in shown
    assert shown.strip() == "ValuesLayer(name='vault', secret=False)"


@pytest.mark.parametrize(
    ("values", "message"),
    [([("a", 1)], "not list"), ("a", "not str"), ({1: 2}, "a key of values is a str, not int")],
)
def test_what_are_no_values(values: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        ValuesLayer(values)


class TestChoosing:
    @pytest.mark.parametrize(
        "paths",
        [
            {"config_path": "config.toml"},
            {"secrets_path": "secrets.toml"},
            {"secrets_path": None},
            {"override_path": "x"},
        ],
    )
    @pytest.mark.parametrize("call", [Settings, Settings.watch])
    def test_layers_and_paths_exclude_each_other(self, paths: dict[str, Any], call: Any) -> None:
        with pytest.raises(TypeError, match=r"\(\) takes paths or layers, not both: make the paths a FileLayer each"):
            call(**paths, layers=[ValuesLayer({})])

    @pytest.mark.parametrize(
        ("layers", "message"),
        [
            (
                ["a.toml"],
                "layers[0] is a str; Settings() takes FileLayer, FolderLayer or ValuesLayer: for a path, write FileLayer(path)",
            ),
            (
                [ValuesLayer({}), Path("a")],
                f"layers[1] is a {type(Path()).__name__}; Settings() takes FileLayer, FolderLayer or ValuesLayer: for a path, write FileLayer(path)",
            ),
            (
                [{}],
                "layers[0] is a dict; Settings() takes FileLayer, FolderLayer or ValuesLayer: for values, write ValuesLayer(values)",
            ),
            ([None], "layers[0] is a NoneType; Settings() takes FileLayer, FolderLayer or ValuesLayer"),
            ("a.toml", "layers is a list of layers, not a str"),
            (ValuesLayer({}), "layers is a list of layers, not a ValuesLayer"),
            (
                [StoreLayer(cast(Any, None), "k", name="k")],
                "layers[0] is a StoreLayer; Settings() takes FileLayer, FolderLayer or ValuesLayer: 'k' is in a store, which only watch() follows",
            ),
        ],
    )
    def test_something_else_is_in_the_list(self, layers: Any, message: str) -> None:
        with pytest.raises(TypeError) as caught:
            Settings(layers=layers)
        assert str(caught.value) == message

    def test_no_layer(self) -> None:
        with pytest.raises(ValueError, match="layers is empty"):
            Settings(layers=[])

    def test_names_differ(self) -> None:
        message = r"layers\[0\] and layers\[2\] are both named 'config.toml': give one of them another name with name="
        with pytest.raises(ValueError, match=message):
            Settings(layers=[FileLayer("config.toml"), ValuesLayer({}), FolderLayer("a/config.toml")])

    def test_any_iterable(self) -> None:
        assert Settings(layers=(ValuesLayer({"name": str(n)}, name=str(n)) for n in range(3))).name == "2"  # type: ignore[arg-type]


class TestNamedSecrets:
    def test_the_default_may_be_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "config.toml").write_text("name = 'x'\n")
        assert Settings().name == "x"
        assert Settings("config.toml").name == "x"
        (tmp_path / "secrets.toml").write_text("token = 'y'\n")
        assert (Settings().token, Settings(secrets_path="secrets.toml").token) == ("y", "y")
        assert Settings(secrets_path=None).token == ""

    @pytest.mark.parametrize("path", ["secrets.toml", "other.toml", Path("secrets.toml")])
    def test_one_that_was_named_must_exist(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str | Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "config.toml").write_text("")
        with pytest.raises(LayerError) as caught:
            Settings(secrets_path=path)
        assert str(caught.value.problems[0]) == f"{path}  no such file in {tmp_path}; create it"


@pytest.mark.parametrize("kind", [FileLayer, FolderLayer, ValuesLayer])
def test_layers_are_public(kind: Any) -> None:
    assert kind.__module__ == "hotsettings"
    assert getattr(hotsettings, kind.__name__) is kind
    assert kind.__name__ in hotsettings.__all__
    assert inspect.getdoc(kind)
    shown = pydoc.plain(pydoc.render_doc(kind))
    assert inspect.getdoc(kind).splitlines()[0] in shown  # type: ignore[union-attr]
    assert "origin" not in shown
    assert "revision" not in shown
    assert "secret: bool = False" in str(inspect.signature(kind))


def test_a_layer_shows_what_is_documented() -> None:
    shown = [name for name in dir(ValuesLayer({})) if not name.startswith("_")]
    assert shown == ["label", "name", "required", "secret", "values"]
