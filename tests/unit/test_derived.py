"""Values that follow from settings: when they are worked out, who sees them change, and who may see them."""

import copy
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from hotsettings import BaseSettings, FileLayer, InvalidSettings, RestartRequired, Secret, derived
from hotsettings._live.reload.restart import keep_first
from hotsettings._live.snapshot import Snapshot, changed_keys
from hotsettings._live.statistics import describe
from hotsettings._loading.explain import effective, explain, live_values
from hotsettings._loading.load import Loaded, load
from hotsettings._redaction import Redactor
from hotsettings._schema.masking import HIDDEN
from hotsettings._schema.schema import schema_of
from hotsettings.cli.commands.reference import markdown

worked_out: list[str] = []


class Account(Struct, frozen=True):
    host: str
    password: Secret[str]


class Accounts(BaseSettings):
    accounts: Mapping[str, Account]
    nodes: tuple[str, ...] = ()

    @derived("accounts")
    def by_host(self) -> Mapping[str, str]:
        return {account.host: name for name, account in self.accounts.items()}

    @derived("accounts")
    def urls(self) -> tuple[str, ...]:
        return tuple(f"https://{account.password}@{account.host}" for account in self.accounts.values())

    @derived("nodes")
    def declared(self) -> Secret[tuple[str, ...]]:
        return self.nodes


class Db(Struct, frozen=True):
    host: str = "h"
    port: int = 1


class Settings(BaseSettings):
    MONGO_HOST: str = "localhost"
    MONGO_PORT: RestartRequired[int] = 27017
    PASSWORD: Secret[str] = "default-password"
    db: Db = Db()
    other: int = 0

    @derived("MONGO_*")
    def MONGODB_URL(self) -> str:
        """Where the database is."""
        worked_out.append("MONGODB_URL")
        if self.MONGO_HOST == "bad":
            raise ValueError("no such host: bad")
        return f"mongodb://{self.MONGO_HOST}:{self.MONGO_PORT}"

    @derived("MONGO_HOST", "PASSWORD")
    def dsn(self) -> str:
        return f"amqp://user:{self.PASSWORD}@{self.MONGO_HOST}/"

    @derived("db")
    def ports(self) -> Mapping[str, Any]:
        return {self.db.host: [self.db.port]}

    @property
    def plain(self) -> int:
        return self.other


SCHEMA = schema_of(Settings)


def loaded(tmp_path: Path, config: str = "", secrets: str | None = None) -> Loaded:
    layers = [FileLayer(tmp_path / "config.toml", name="base", label="config.toml")]
    (tmp_path / "config.toml").write_text(config)
    if secrets is not None:
        (tmp_path / "secrets.toml").write_text(secrets)
        layers.append(FileLayer(tmp_path / "secrets.toml", name="secrets", label="secrets.toml", secret=True))
    return load(SCHEMA, layers)


class TestValue:
    def test_it_is_worked_out_once_when_settings_are_made(self) -> None:
        worked_out.clear()
        settings = Settings.from_values(MONGO_HOST="m")
        assert worked_out == ["MONGODB_URL"]
        assert settings.MONGODB_URL == settings.MONGODB_URL == "mongodb://m:27017"
        assert worked_out == ["MONGODB_URL"]

    def test_a_copy_with_other_values_has_another_one(self) -> None:
        assert Settings.from_values().replace(MONGO_HOST="n").MONGODB_URL == "mongodb://n:27017"

    def test_it_is_immutable(self) -> None:
        settings = Settings.from_values()
        assert settings.ports == {"h": (1,)}
        with pytest.raises(TypeError):
            settings.ports["x"] = 1  # type: ignore[index]
        with pytest.raises(AttributeError):
            settings.MONGODB_URL = "x"  # type: ignore[assignment]

    def test_what_can_change_is_a_problem(self) -> None:
        class Mutable:
            __hash__ = None  # type: ignore[assignment]

        class S(BaseSettings):
            x: int = 1

            @derived("x")
            def y(self) -> Any:
                return Mutable()

        with pytest.raises(
            InvalidSettings, match=r"y: TypeError: a derived value must be immutable, and Mutable is not$"
        ):
            S.from_values()

    def test_what_it_raises_is_a_problem_of_its_name(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidSettings, match=r"1 problem\n  MONGODB_URL: no such host: bad$"):
            loaded(tmp_path, "MONGO_HOST = 'bad'")

    def test_a_layer_cannot_set_it(self, tmp_path: Path) -> None:
        with pytest.raises(
            InvalidSettings, match=r"MONGODB_URL: unknown key; it is derived from MONGO_HOST, MONGO_PORT: set these"
        ):
            loaded(tmp_path, "MONGODB_URL = 'x'")

    def test_it_is_in_no_encoding_no_equality_and_no_repr(self) -> None:
        settings = Settings.from_values()
        assert b"mongodb" not in msgspec.json.encode(settings)
        assert "mongodb" not in repr(settings)
        assert "amqp" not in repr(settings)
        bare = msgspec.convert({}, Settings)
        assert bare == settings
        assert hash(bare) == hash(settings)

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_it_is_worked_out_anew_where_a_pickle_is_restored(self, protocol: int) -> None:
        settings = Settings.from_values(MONGO_HOST="m")
        again = pickle.loads(pickle.dumps(settings, protocol))
        assert again == settings
        assert again.MONGODB_URL == "mongodb://m:27017"
        assert copy.deepcopy(settings).MONGODB_URL == "mongodb://m:27017"

    def test_a_class_inherits_it(self) -> None:
        class More(Settings):
            more: int = 1

            @derived("more")
            def twice(self) -> int:
                return 2 * self.more

        settings = More.from_values(more=4)
        assert (settings.twice, settings.MONGODB_URL) == (8, "mongodb://localhost:27017")
        assert [leaf.key for leaf in schema_of(More).derived] == ["MONGODB_URL", "dsn", "ports", "twice"]

    def test_of_the_class_it_is_itself(self) -> None:
        assert Settings.MONGODB_URL.patterns == ("MONGO_*",)
        assert Settings.MONGODB_URL.__doc__ == "Where the database is."


class TestDefining:
    def test_a_pattern_that_matches_nothing(self) -> None:
        with pytest.raises(TypeError, match=r"^S.y: no key matches 'xx'; did you mean 'x_x'\?$"):

            class S(BaseSettings):
                x_x: int = 1

                @derived("xx")
                def y(self) -> int:
                    return 1

    def test_no_keys(self) -> None:
        with pytest.raises(TypeError, match=r"^derived names the keys that the value depends on"):
            derived()
        with pytest.raises(TypeError, match=r"^derived names the keys that the value depends on"):
            derived(lambda self: 1)  # type: ignore[arg-type]

    def test_a_taken_name(self) -> None:
        with pytest.raises(TypeError, match=r"^S.replace: the name is a method of settings"):

            class S(BaseSettings):
                x: int = 1

                @derived("x")
                def replace(self) -> int:  # type: ignore[override]
                    return 1

    def test_a_nested_struct_has_none(self) -> None:
        class Inner(Struct, frozen=True):
            x: int = 1

            @derived("x")
            def y(self) -> int:
                return 1

        with pytest.raises(TypeError, match=r"^Inner.y: only settings classes have derived values$"):
            type("S", (BaseSettings,), {"__annotations__": {"inner": Inner}, "inner": Inner()})

    def test_an_annotation_that_only_type_checkers_know(self) -> None:
        class S(BaseSettings):
            x: int = 1

            @derived("x")
            def y(self) -> "Unknown":  # type: ignore[name-defined]  # noqa: F821
                return self.x

        assert S.from_values().y == 1


class TestChange:
    def test_it_is_among_the_keys_where_it_differs(self) -> None:
        old = Settings.from_values()
        assert changed_keys(SCHEMA, old, old.replace(MONGO_HOST="n")) == {"MONGO_HOST", "MONGODB_URL", "dsn"}
        assert changed_keys(SCHEMA, old, old.replace(other=1)) == {"other"}
        assert changed_keys(SCHEMA, old, old.replace(db={"port": 2})) == {"db.port", "ports"}

    def test_one_that_never_is_the_same_changes_with_its_keys_only(self) -> None:
        class S(BaseSettings):
            x: int = 1
            other: int = 1

            @derived("x")
            def fresh(self) -> object:
                return object()

        old = S.from_values()
        assert changed_keys(schema_of(S), old, old.replace(other=2)) == {"other"}
        assert changed_keys(schema_of(S), old, old.replace(x=2)) == {"x", "fresh"}

    def test_it_has_the_values_that_are_kept_until_a_restart(self, tmp_path: Path) -> None:
        first = loaded(tmp_path)
        kept = keep_first(first, loaded(tmp_path, "MONGO_PORT = 5\nMONGO_HOST = 'n'"))
        assert kept.pending == {"MONGO_PORT"}
        assert kept.settings.MONGODB_URL == "mongodb://n:27017"


class TestShown:
    def test_show_and_explain(self, tmp_path: Path) -> None:
        it = loaded(tmp_path, "MONGO_HOST = 'm'")
        setting = {setting.key: setting for setting in effective(it)}["MONGODB_URL"]
        assert setting.value == "mongodb://m:27017"
        assert setting.origin.kind == "derived"
        assert str(setting.origin) == "derived from MONGO_HOST, MONGO_PORT"
        assert str(explain(it, "MONGODB_URL")) == (
            'MONGODB_URL\n  → "mongodb://m:27017"  derived from MONGO_HOST, MONGO_PORT'
        )
        with pytest.raises(ValueError, match=r"did you mean MONGODB_URL\?"):
            explain(it, "MONGODB_UR")

    def test_it_is_masked_if_a_source_is_secret(self, tmp_path: Path) -> None:
        it = loaded(tmp_path)
        assert explain(it, "dsn").winner.value is HIDDEN
        described = {each.key: each for each in describe(it)}
        assert described["dsn"].hidden
        assert described["dsn"].identity
        assert described["MONGODB_URL"].value == '"mongodb://localhost:27017"'
        assert described["MONGODB_URL"].description == "Where the database is."
        assert not described["MONGODB_URL"].required

    def test_it_is_masked_if_a_source_is_in_a_secret_layer(self, tmp_path: Path) -> None:
        it = loaded(tmp_path, "", "MONGO_HOST = 'internal-host-7'")
        assert explain(it, "MONGODB_URL").winner.value is HIDDEN
        redactor = Redactor(SCHEMA)
        redactor.learn(it.documents, it.unwritten)
        assert "mongodb" not in redactor.redact("cannot reach mongodb://internal-host-7:27017")

    def test_the_redactor_knows_what_is_derived_of_a_secret(self) -> None:
        class S(BaseSettings):
            token: Secret[str] = ""

            @derived("token")
            def header(self) -> str:
                return self.token[::-1]

        it = load(schema_of(S), [])
        assert it.unwritten is it.settings
        redactor = Redactor(schema_of(S))
        settings: Any = S.from_values(token="abcdefghijkl")
        redactor.learn((), settings)
        assert redactor.redact("sent lkjihgfedcba") == "sent ********"

    def test_what_is_shown_of_its_sources_is_no_secret_because_it_is_derived_of_them(self) -> None:
        redactor = Redactor(schema_of(Accounts))
        settings: Any = Accounts.from_values(
            accounts={"acme": {"host": "acme.example", "password": "swordfish"}}, nodes=["node-one-7"]
        )
        redactor.learn((), settings)
        said = "acme at acme.example: https://swordfish@acme.example or node-one-7"
        assert redactor.redact(said) == "acme at acme.example: ******** or ********"

    def test_the_digest_is_of_the_settings_alone(self, tmp_path: Path) -> None:
        class Bare(BaseSettings):
            MONGO_HOST: str = "localhost"

        class Same(BaseSettings):
            MONGO_HOST: str = "localhost"

            @derived("MONGO_HOST")
            def url(self) -> str:
                return self.MONGO_HOST

        snapshots = [Snapshot[Any](load(schema_of(cls), []), 1) for cls in (Bare, Same)]
        assert snapshots[0].digest == snapshots[1].digest

    def test_an_object_of_the_users_own(self, tmp_path: Path) -> None:
        class Url:
            def __str__(self) -> str:
                return "an url"

        class S(BaseSettings):
            keys: Mapping[str, int] = {}
            a1: int = 1
            a2: int = 1
            a3: int = 1
            a4: int = 1
            a5: int = 1

            @derived("*")
            def url(self) -> Url:
                return Url()

        winner = explain(load(schema_of(S), []), "url").winner
        assert winner.value == "an url"
        assert str(winner.origin) == "derived from keys, a1, a2, a3, a4 and 1 more"

    def test_the_reference_lists_it(self) -> None:
        assert "| `MONGODB_URL` | Where the database is. | `MONGO_HOST`, `MONGO_PORT` |" in markdown(SCHEMA)


def test_only_the_settings_that_are_asked_for(tmp_path: Path) -> None:
    it = loaded(tmp_path, "MONGO_HOST = 'n'")
    paths = {("MONGO_HOST",), ("dsn",)}
    assert {setting.path for setting in effective(it, paths)} == paths
    values = live_values(it)
    assert {path: values[path] for path in paths} == {
        ("MONGO_HOST",): "n",
        ("dsn",): "amqp://user:default-password@n/",
    }
    assert set(values) == {setting.path for setting in effective(it)}
