"""What type checkers know of settings classes. Never run: mypy and pyright read it, and `assert_type` is the test.

A line that must be refused carries an ignore for each checker; the checkers refuse an ignore that is not needed.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar, assert_type

from msgspec import Meta, Struct

from hotsettings import (
    BaseSettings,
    Before,
    Check,
    Deprecated,
    FileLayer,
    FolderLayer,
    Renamed,
    RestartRequired,
    Secret,
    Tolerant,
    ValuesLayer,
    derived,
)


class Pool(Struct, frozen=True):
    size: int = 10


class Settings(BaseSettings):
    SECRET_KEY: Secret[Annotated[str, Meta(min_length=32, description="JWT signing key")]]
    PASSWORD: Secret[str] | None = None
    BOOTSTRAP: str = "kafka:29092"
    OFFSET: Literal["earliest", "latest"] = "earliest"
    WORKERS: RestartRequired[int] = 4
    BOUNDED: RestartRequired[Annotated[int, Meta(ge=1)]] = 4
    TOKEN: RestartRequired[Secret[str]] = "t"
    OTHER_TOKEN: Secret[RestartRequired[str | None]] = None
    RATE: Annotated[float, Meta(ge=0, le=1)] = 0.1
    LANGUAGES: tuple[str, ...] = ("en",)
    LIMITS: Mapping[str, int] = {}
    POOL: Pool = Pool()
    LOOSE: Tolerant[Pool] = Pool()
    WAIT: Annotated[int, Before(int), Check(print), Renamed("TIMEOUT"), Deprecated("use RATE")] = 1

    @derived("BOOTSTRAP", "WORKERS")
    def URL(self) -> str:
        return f"kafka://{self.BOOTSTRAP}"


def calls_that_load() -> None:
    assert_type(Settings(), Settings)
    assert_type(Settings("config.test.toml"), Settings)
    assert_type(Settings(config_path="config.test.toml"), Settings)
    assert_type(Settings(override_path="config.worker.toml", secrets_path="/etc/app/secrets.toml"), Settings)
    assert_type(Settings(override_path=None), Settings)


def calls_that_are_refused() -> None:
    # A value is no argument: values come from files, or from from_values().
    Settings(SECRET_KEY="x" * 32)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Settings(BOOTSTRAP="kafka:9092")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    # Which path would that be?
    Settings("config.toml", "secrets.toml")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Settings(config_path=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def attributes(settings: Settings) -> None:
    assert_type(settings.SECRET_KEY, str)
    assert_type(settings.LOOSE, Pool)
    assert_type(settings.WAIT, int)
    assert_type(settings.URL, str)
    settings.URL = "x"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    assert_type(settings.PASSWORD, str | None)
    assert_type(settings.BOOTSTRAP, str)
    assert_type(settings.OFFSET, Literal["earliest", "latest"])
    assert_type(settings.WORKERS, int)
    assert_type(settings.BOUNDED, int)
    assert_type(settings.TOKEN, str)
    assert_type(settings.OTHER_TOKEN, str | None)
    assert_type(settings.RATE, float)
    assert_type(settings.LANGUAGES, tuple[str, ...])
    assert_type(settings.LIMITS, Mapping[str, int])
    assert_type(settings.POOL, Pool)
    assert_type(settings.POOL.size, int)
    settings.MISSPELT  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018


def other_ways_to_make_one(settings: Settings) -> None:
    assert_type(Settings.from_values(SECRET_KEY="x" * 32), Settings)
    assert_type(settings.replace(BOOTSTRAP="kafka:9092"), Settings)


class Base(BaseSettings):
    NAME: str = "base"


class Derived(Base, forbid_unknown_fields=False):
    PORT: Annotated[int, Meta(ge=1, le=65535)] = 443


def subclasses_keep_their_type(derived: Derived) -> None:
    assert_type(Derived(override_path="o.toml"), Derived)
    assert_type(Derived.from_values(PORT=1), Derived)
    assert_type(derived.replace(PORT=1), Derived)
    assert_type(derived.NAME, str)
    assert_type(derived.PORT, int)


S = TypeVar("S", bound=BaseSettings)


def load(cls: type[S], path: str) -> S:
    return cls(path)


def a_generic_helper_keeps_the_type() -> None:
    assert_type(load(Derived, "config.toml"), Derived)


layers = [FileLayer("config.toml"), FolderLayer("/run/secrets", secret=True), ValuesLayer({"A": 1}, name="options")]
assert_type(Settings(layers=layers), Settings)
assert_type(Settings(secrets_path=None), Settings)
