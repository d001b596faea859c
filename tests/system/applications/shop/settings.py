"""The settings of a web shop, with the names that a Django project has."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

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
    Section,
    Tolerant,
    derived,
)

POSTGRES = "django.db.backends.postgresql"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
Seconds = Annotated[int, Meta(ge=0)]
Port = Annotated[int, Meta(ge=1, le=65535)]


def seconds(value: Any) -> Any:
    """Take "2w" for two weeks; numbers are seconds already."""
    if not isinstance(value, str):
        return value
    number, unit = value[:-1], value[-1:]
    if not number.isdigit() or unit not in UNITS:
        raise ValueError("write a number of seconds, or a text such as 30s, 5m, 12h, 7d or 2w")
    return int(number) * UNITS[unit]


def duration(value: Any) -> Any:
    """Take "1m" for a timedelta. Anything else is left to the type, which takes "PT60S"."""
    if isinstance(value, str) and value[:-1].isdigit():
        return timedelta(seconds=seconds(value))
    return value


def dotted_names(names: tuple[str, ...]) -> None:
    """Refuse what Django could not import."""
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise ValueError(f"{name} is no dotted name of a class")


class Postgres(Struct, frozen=True, tag_field="ENGINE", tag=POSTGRES):
    """A database on a PostgreSQL server."""

    NAME: str
    USER: str
    HOST: Annotated[str, Renamed("HOSTNAME")]
    PASSWORD: Secret[str]
    PORT: Port = 5432
    CONN_MAX_AGE: Annotated[Seconds, Before(seconds)] = 60
    OPTIONS: Mapping[str, str | int | bool] = {}
    REPLICAS: tuple[str, ...] = ()


class Sqlite(Struct, frozen=True, tag_field="ENGINE", tag="django.db.backends.sqlite3"):
    """A database in a file."""

    NAME: Path
    TIMEOUT: float = 5.0


class RedisCache(Struct, frozen=True, tag_field="BACKEND", tag="redis"):
    LOCATION: Secret[str]
    KEY_PREFIX: str = ""
    TIMEOUT: Annotated[Seconds | None, Before(seconds)] = 300
    MAX_CONNECTIONS: Annotated[int, Meta(ge=1)] = 50


class LocalCache(Struct, frozen=True, tag_field="BACKEND", tag="locmem"):
    MAX_ENTRIES: Annotated[int, Meta(ge=1)] = 1000


class Email(Struct, frozen=True):
    HOST: str = "localhost"
    PORT: Port = 25
    USER: str = ""
    PASSWORD: Secret[str] = ""
    SECURITY: Literal["none", "starttls", "tls"] = "none"
    FROM: Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$")] = "shop@localhost"
    SUBJECT_PREFIX: str = "[shop] "


class Template(Struct, frozen=True):
    BACKEND: str
    DIRS: tuple[Path, ...] = ()
    APP_DIRS: bool = True
    OPTIONS: Mapping[str, tuple[str, ...]] = {}


class FileStorage(Struct, frozen=True, tag_field="BACKEND", tag="files"):
    ROOT: Path
    PERMISSIONS: Annotated[int, Meta(ge=0, le=0o777)] = 0o644


class ObjectStorage(Struct, frozen=True, tag_field="BACKEND", tag="s3"):
    BUCKET: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9.-]{2,62}$")]
    REGION: str
    ACCESS_KEY: Secret[str]
    SECRET_KEY: Secret[str]
    ACL: Literal["private", "public-read"] = "private"


class Throttle(Struct, frozen=True):
    REQUESTS: Annotated[int, Meta(ge=1)]
    PER: Annotated[timedelta, Before(duration)]
    SCOPE: Literal["user", "anonymous", "ip"] = "user"


class Stripe(Struct, frozen=True, tag_field="PROVIDER", tag="stripe"):
    PUBLISHABLE_KEY: str
    API_KEY: Secret[str]
    WEBHOOK_SECRETS: Secret[tuple[str, ...]] = ()


class Invoice(Struct, frozen=True, tag_field="PROVIDER", tag="invoice"):
    DAYS: int = 30


class Handler(Struct, frozen=True):
    """A handler of the standard library's logging. Each class of handlers has options of its own."""

    CLASS: str = "logging.StreamHandler"
    LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Logging(Struct, frozen=True):
    HANDLERS: Tolerant[Mapping[str, Handler]] = {}
    LOGGERS: Mapping[str, tuple[str, ...]] = {}


class Settings(BaseSettings):
    SECRET_KEY: Annotated[
        Secret[Annotated[str, Meta(min_length=40, description="Signs sessions and password links.")]], Section("Core")
    ]
    SECRET_KEY_FALLBACKS: Secret[tuple[str, ...]] = ()
    DEBUG: bool = False
    BASE_DIR: Path = Path("/srv/shop")
    ALLOWED_HOSTS: Annotated[tuple[str, ...], Renamed("HOSTS"), Meta(min_length=1)]
    TIME_ZONE: ZoneInfo = ZoneInfo("UTC")
    LANGUAGES: tuple[tuple[str, str], ...] = (("en", "English"),)
    USE_L10N: Annotated[bool, Deprecated("it is always on since Django 4")] = True
    ADMINS: Mapping[str, str] = {}
    WEB_CONCURRENCY: RestartRequired[Annotated[int, Meta(ge=1)]] = 4

    INSTALLED_APPS: Annotated[tuple[str, ...], Section("Applications"), Check(dotted_names)]
    MIDDLEWARE: Annotated[tuple[str, ...], Check(dotted_names)] = ()
    TEMPLATES: tuple[Template, ...] = ()

    DATABASES: Annotated[
        Mapping[str, Postgres | Sqlite],
        Section("Data"),
        Meta(
            description="At least one, which is called default.",
            examples=[
                {"default": {"ENGINE": POSTGRES, "NAME": "shop", "USER": "shop", "HOST": "db", "PASSWORD": "CHANGE-ME"}}
            ],
        ),
    ]
    DATABASE_ROUTES: Mapping[str, str] = {}
    CACHES: Mapping[str, RedisCache | LocalCache] = {"default": LocalCache()}
    STORAGES: Mapping[str, FileStorage | ObjectStorage] = {}

    SESSION_COOKIE_AGE: Annotated[Seconds, Section("Security"), Before(seconds)] = 1209600
    CORS_ALLOWED_ORIGINS: tuple[re.Pattern[str], ...] = ()
    THROTTLES: Mapping[str, Throttle] = {}

    EMAIL: Annotated[Email, Section("Services")] = Email(HOST="smtp.shop.internal", SECURITY="starttls", PORT=587)
    PAYMENT: Stripe | Invoice = Invoice()
    SENTRY_DSN: Secret[str | None] = None
    LOGGING: Logging = Logging()
    FEATURES: Mapping[str, bool] = {}

    def __post_init__(self) -> None:
        unknown = sorted(set(self.DATABASE_ROUTES.values()) - self.DATABASES.keys())
        if unknown:
            raise ValueError(f"DATABASE_ROUTES names {', '.join(unknown)}, which DATABASES does not have")

    @derived("DATABASES")
    def DATABASE_URL(self) -> str:
        """The default database, for tools that want a URL."""
        database = self.DATABASES["default"]
        if isinstance(database, Sqlite):
            return f"sqlite:///{database.NAME}"
        login = f"{database.USER}:{quote(database.PASSWORD, safe='')}"
        return f"postgresql://{login}@{database.HOST}:{database.PORT}/{database.NAME}"

    @derived("ALLOWED_HOSTS", "DEBUG")
    def SITE_URL(self) -> str:
        """Where mails point to."""
        return f"http{'' if self.DEBUG else 's'}://{self.ALLOWED_HOSTS[0]}/"


def layers() -> list[FileLayer | FolderLayer]:
    """The base, what one deployment changes, and the secrets, a file for each."""
    return [
        FileLayer("base.toml"),
        FileLayer("production.toml"),
        FolderLayer("secrets", secret=True),
    ]
