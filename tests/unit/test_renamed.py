"""Fields with former keys: who wins, what is warned of, and where everything is said to be written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Struct

from hotsettings import BaseSettings, FolderLayer, InvalidSettings, LayerError, Renamed, Secret
from hotsettings._layers.file import FileLayer
from hotsettings._loading.explain import explain, origins
from hotsettings._loading.load import Loaded, load
from hotsettings._schema.schema import schema_of


class Db(Struct, frozen=True):
    host: Annotated[str, Renamed("hst", "hostname")] = "h"
    port: int = 1
    token: Annotated[Secret[str] | None, Renamed("key")] = None


class Disk(Struct, frozen=True, tag="disk"):
    path: Annotated[str, Renamed("dir")] = "/"


class Bucket(Struct, frozen=True, tag="bucket"):
    name: Annotated[str, Renamed("dir")] = "b"


class Settings(BaseSettings):
    MONGODB_URL: Annotated[str, Renamed("MONGO_URL", "MONGO")] = "m"
    db: Annotated[Db, Renamed("database")] = Db()
    dbs: Mapping[str, Db] = {}
    row: tuple[Db | int, ...] = ()
    store: Disk | Bucket = Disk()


class Tolerating(Settings, forbid_unknown_fields=False):
    pass


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loaded(*texts: str, cls: type[Any] = Settings, secret: bool = False) -> Loaded:
    layers = []
    for number, text in enumerate(texts):
        Path(f"{number}.toml").write_text(text)
        layers.append(FileLayer(f"{number}.toml", name=str(number), secret=secret))
    return load(schema_of(cls), layers)


def problems(*texts: str, cls: type[Any] = Settings) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        loaded(*texts, cls=cls)
    return [str(problem).splitlines()[0] for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("MONGO_URL = 'x'", "MONGODB_URL", "x"),
        ("MONGO = 'x'", "MONGODB_URL", "x"),
        ("[database]\nport = 5", "db.port", 5),
        ("[database]\nhst = 'x'", "db.host", "x"),
        ("[dbs.a]\nhostname = 'x'", "dbs.a.host", "x"),
        ("store.dir = 'x'", "store.path", "x"),
        ("[store]\ntype = 'bucket'\ndir = 'x'", "store.name", "x"),
    ],
)
def test_a_former_key_is_taken(text: str, key: str, value: Any, caplog: pytest.LogCaptureFixture) -> None:
    it = loaded("\n" + text)
    found: Any = it.settings
    for part in key.split("."):
        found = found[part] if isinstance(found, Mapping) else getattr(found, part)
    assert found == value
    assert caplog.messages
    assert all("has its old name" in message for message in caplog.messages)


def test_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "MONGO_URL").write_text("x\n")
    (folder / "database.hst").write_text("y\n")
    settings = Settings(layers=[FolderLayer(folder, secret=True)])
    assert (settings.MONGODB_URL, settings.db.host) == ("x", "y")


def test_a_broken_file_with_an_old_name_is_not_quoted(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "OLD_PIN").write_text("5550123 5550123")

    class S(BaseSettings):
        PIN: Annotated[Secret[int], Renamed("OLD_PIN")] = 1

    with pytest.raises(LayerError) as caught:
        S(layers=[FolderLayer(folder)])
    assert "5550123" not in str(caught.value)


def test_a_table_without_a_tag_that_nobody_knows() -> None:
    class S(BaseSettings):
        stores: Mapping[str, Disk | Bucket] = {}

    assert problems("stores.x.dir = 'y'", cls=S) == ["0.toml:1:8  stores.x.type: required, but missing from this table"]


def test_the_mark_shows_its_names() -> None:
    assert repr(Renamed("a", "b")) == "Renamed('a', 'b')"


def test_in_an_array() -> None:
    assert loaded("row = [{ hst = 'x' }, 5]").settings.row == (Db("x"), 5)


def test_the_warning_says_where_and_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    loaded("# here\n  MONGO_URL = 'x'", "[database]\nhst = 'y'")
    assert caplog.messages == [
        "0.toml:2:3  MONGODB_URL: has its old name, MONGO_URL; rename it to MONGODB_URL",
        "1.toml:1:2  db: has its old name, database; rename it to db",
        "1.toml:2:1  db.host: has its old name, hst; rename it to host",
    ]


def test_origins_are_where_the_text_has_it() -> None:
    it = loaded("MONGO_URL = 'x'\n[database]\nport = 5\nhst = 'y'")
    assert str(origins(it)["MONGODB_URL"]) == "0.toml:1:13"
    assert str(origins(it)["db.port"]) == "0.toml:3:8"
    assert str(origins(it)["db.host"]) == "0.toml:4:7"
    assert str(explain(it, "db.host").winner.origin) == "0.toml:4:7"


def test_the_higher_layer_wins_by_either_name() -> None:
    assert loaded("MONGO_URL = 'x'", "MONGODB_URL = 'y'").settings.MONGODB_URL == "y"
    assert loaded("MONGODB_URL = 'x'", "MONGO_URL = 'y'").settings.MONGODB_URL == "y"
    assert loaded("[database]\nport = 5", "[db]\nhst = 'z'").settings.db == Db("z", 5)


def test_a_layer_without_the_tag_means_that_of_the_layers_below() -> None:
    assert loaded("store.type = 'bucket'", "store.dir = 'x'").settings.store == Bucket("x")


@pytest.mark.parametrize("cls", [Settings, Tolerating])
def test_both_in_one_layer_are_a_problem(cls: type[Any]) -> None:
    assert problems("MONGODB_URL = 'x'\nMONGO_URL = 'y'", cls=cls) == [
        "0.toml:2:1  MONGO_URL: the old name of MONGODB_URL, which is set too; remove it"
    ]
    assert problems("db.host = 'x'\ndb.hst = 'y'", "db.host = 'z'", cls=cls) == [
        "0.toml:2:4  db.hst: the old name of host, which is set too; remove it"
    ]
    assert problems("MONGO_URL = 'x'\nMONGO = 'y'", cls=cls) == [
        "0.toml:2:1  MONGO: the old name of MONGODB_URL, which is set too; remove it"
    ]


def test_a_problem_has_the_place_of_the_old_key() -> None:
    assert problems("[database]\nhst = 5") == ["0.toml:2:7  db.host: expected str, got int; put it in quotes"]


def test_values_in_code() -> None:
    assert Settings.from_values(MONGO_URL="x").MONGODB_URL == "x"
    assert Settings.from_values().replace(database={"hst": "y"}).db == Db("y")


def test_conflicts_beyond_the_first_thousand_are_counted() -> None:
    with pytest.raises(InvalidSettings) as caught:
        loaded("".join(f"dbs.k{number} = {{ host = 'a', hst = 'b' }}\n" for number in range(1001)))
    assert (len(caught.value.problems), caught.value.total) == (1000, 1001)
    assert {problem.code for problem in caught.value.problems} == {"conflict"}


def test_a_secret_is_secret_by_its_old_name_too() -> None:
    """In the text of a problem with the value, and of a file that cannot be parsed."""
    with pytest.raises(InvalidSettings) as caught:
        loaded("[database]\nkey = 5550123")
    assert "5550123" not in str(caught.value)
    with pytest.raises(LayerError) as broken:
        loaded("[database]\nkey = 'hunter2", "")
    assert "hunter2" not in str(broken.value)
    with pytest.raises(LayerError) as quoted:
        loaded("[database]\nkey = 'hunter2-hunter2'", "MONGO = 'hunter2-hunter2")
    assert "hunter2" not in str(quoted.value)


def test_a_renamed_table_in_a_live_excerpt(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidSettings) as caught:
        loaded("database = { key = 'hunter2-hunter2', port = '5' }")
    assert "hunter2" not in str(caught.value)
    del capsys


def test_a_layer_that_uses_no_former_key_is_the_same_document() -> None:
    it = loaded("MONGODB_URL = 'x'")
    assert it.documents[0].former == {}
    assert it.warnings.total == 0
