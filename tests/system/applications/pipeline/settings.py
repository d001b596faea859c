"""The settings of a data pipeline: where records come from, what is done with them, where they go, and when."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from hotsettings import (
    BaseSettings,
    Before,
    Check,
    Deprecated,
    FileLayer,
    Renamed,
    RestartRequired,
    Secret,
    Section,
    derived,
)


@dataclass(frozen=True)
class Money:
    """An amount in a currency: "12.50 EUR"."""

    amount: Decimal
    currency: str

    @classmethod
    def parse(cls, text: Any) -> "Money":
        try:
            amount, currency = text.split()
            return cls(Decimal(amount), currency)
        except (AttributeError, ValueError, InvalidOperation):
            raise ValueError('write an amount and a currency, such as "12.50 EUR"') from None

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


class ByteSize(int):
    """A number of bytes: "64 MiB"."""

    UNITS = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("B", 1))

    @classmethod
    def parse(cls, value: Any) -> "ByteSize":
        if type(value) is int:
            return cls(value)
        for unit, factor in cls.UNITS:
            number = str(value).removesuffix(unit).rstrip()
            if str(value).endswith(unit) and number.isdigit():
                return cls(int(number) * factor)
        raise ValueError('write a size such as "64 MiB"')

    def __str__(self) -> str:
        unit, factor = next((unit, factor) for unit, factor in self.UNITS if self % factor == 0)
        return f"{int(self) // factor} {unit}"


def duration(value: Any) -> Any:
    """Take "15m" and "1h" for a timedelta. Anything else is left to the type."""
    if isinstance(value, str) and (found := re.fullmatch("([0-9]+)([smh])", value)):
        return timedelta(seconds=int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]])
    return value


def cron(line: str) -> None:
    """Refuse what has not the five fields of cron."""
    if len(line.split()) != 5:
        raise ValueError("a cron line has five fields")


Duration = Annotated[timedelta, Before(duration)]
Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$")]


class BasicAuth(Struct, frozen=True, tag_field="type", tag="basic"):
    user: str
    password: Secret[str]


class TokenAuth(Struct, frozen=True, tag_field="type", tag="token"):
    token: Secret[str]
    header: str = "Authorization"


class Kafka(Struct, frozen=True, kw_only=True, tag_field="kind", tag="kafka"):
    name: Name
    brokers: Annotated[tuple[str, ...], Meta(min_length=1)]
    topics: re.Pattern[str]
    group: str = "pipeline"
    sasl: BasicAuth | None = None
    max_bytes: ByteSize = ByteSize(2**20)


class Http(Struct, frozen=True, kw_only=True, tag_field="kind", tag="http"):
    name: Name
    url: Annotated[str, Meta(pattern="^https?://")]
    auth: BasicAuth | TokenAuth | None = None
    headers: Mapping[str, Secret[str]] = {}
    timeout: Duration = timedelta(seconds=30)
    cost_per_call: Money | None = None


class Files(Struct, frozen=True, kw_only=True, tag_field="kind", tag="files"):
    name: Name
    path: PurePosixPath
    matching: re.Pattern[str] = re.compile(".*")
    compression: Literal["none", "gzip", "zstd"] = "none"
    part_size: ByteSize = ByteSize(64 * 2**20)


class Warehouse(Struct, frozen=True, kw_only=True, tag_field="kind", tag="warehouse"):
    name: Name
    dsn: Secret[str]
    table: Annotated[str, Renamed("table_name")]
    budget: Money = Money(Decimal(100), "EUR")


class Filter(Struct, frozen=True, tag_field="do", tag="filter"):
    field: str
    matches: re.Pattern[str]
    keep: bool = True


class Rename(Struct, frozen=True, tag_field="do", tag="rename"):
    fields: Annotated[Mapping[str, str], Meta(min_length=1)]


class Mask(Struct, frozen=True, tag_field="do", tag="mask"):
    fields: frozenset[str]
    salt: Secret[str]


class Cases(Struct, frozen=True):
    value: str | int | bool
    to: str


class Branch(Struct, frozen=True, tag_field="do", tag="branch"):
    on: str
    cases: Annotated[tuple[Cases, ...], Meta(min_length=1)]
    otherwise: str | None = None


class Every(Struct, frozen=True, tag_field="run", tag="every"):
    interval: Duration
    jitter: Duration = timedelta()


class Cron(Struct, frozen=True, tag_field="run", tag="cron"):
    at: Annotated[str, Check(cron)]
    zone: ZoneInfo = ZoneInfo("UTC")
    not_before: datetime | None = None


class Streaming(Struct, frozen=True, tag_field="run", tag="streaming"):
    batch: Annotated[int, Meta(ge=1)] = 500


class Flow(Struct, frozen=True):
    """From a source through steps to sinks."""

    source: str
    sinks: Annotated[tuple[str, ...], Meta(min_length=1)]
    schedule: Every | Cron | Streaming = Streaming()
    steps: tuple[Filter | Rename | Mask | Branch, ...] = ()
    retries: Annotated[int, Meta(ge=0)] = 3
    enabled: bool = True
    alert_above: Money | None = None


class Settings(BaseSettings, decoders={Money: Money.parse, ByteSize: ByteSize.parse}):
    workers: RestartRequired[Annotated[int, Section("Engine"), Meta(ge=1, le=64)]] = 4
    memory: Annotated[ByteSize, Meta(description="Records that wait are spilled to disk beyond this.")] = ByteSize(
        2**30
    )
    spill_to: PurePosixPath = PurePosixPath("/var/spool/pipeline")
    checkpoint_every: Duration = timedelta(minutes=1)
    strict: Annotated[bool, Deprecated("every flow is strict")] = True

    sources: Annotated[
        tuple[Kafka | Http | Files, ...],
        Section("Sources and sinks"),
        Meta(min_length=1, examples=[[{"kind": "files", "name": "orders", "path": "/data/in"}]]),
    ]
    sinks: Annotated[
        tuple[Http | Files | Warehouse, ...],
        Meta(min_length=1, examples=[[{"kind": "files", "name": "archive", "path": "/data/out"}]]),
    ]

    flows: Annotated[
        Mapping[Name, Flow],
        Section("Flows"),
        Meta(examples=[{"orders": {"source": "orders", "sinks": ["archive"]}}]),
    ]
    prices: Mapping[str, Money] = {}
    thresholds: tuple[tuple[Money, Literal["warn", "stop"]], ...] = ()

    def __post_init__(self) -> None:
        sources, sinks = {source.name for source in self.sources}, {sink.name for sink in self.sinks}
        for name, flow in self.flows.items():
            if flow.source not in sources:
                raise ValueError(f"flows.{name}.source: there is no source {flow.source}")
            if missing := [sink for sink in flow.sinks if sink not in sinks]:
                raise ValueError(f"flows.{name}.sinks: there is no sink {', '.join(missing)}")

    @derived("flows")
    def enabled_flows(self) -> tuple[str, ...]:
        """The flows that run."""
        return tuple(sorted(name for name, flow in self.flows.items() if flow.enabled))

    @derived("workers", "memory")
    def memory_per_worker(self) -> ByteSize:
        """What one worker may hold."""
        return ByteSize(self.memory // self.workers)


def layers() -> list[FileLayer]:
    """The engine and its flows, the sinks with their credentials, and what a developer changes."""
    return [
        FileLayer("pipeline.toml"),
        FileLayer("sinks.toml", secret=True),
        FileLayer("local.toml", required=False),
    ]
