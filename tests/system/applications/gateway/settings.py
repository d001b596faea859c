"""The settings of a gateway between the machines of a factory and the cloud."""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from hotsettings import (
    BaseSettings,
    Before,
    Check,
    FileLayer,
    FolderLayer,
    Renamed,
    RestartRequired,
    Secret,
    Section,
    Tolerant,
    ValuesLayer,
    derived,
)

Port: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]
Register: TypeAlias = Annotated[int, Meta(ge=0, le=65535)]


def seconds(value: Any) -> Any:
    """Take numbers as seconds for a timedelta. Anything else is left to the type."""
    return timedelta(seconds=value) if type(value) in (int, float) else value


def hexadecimal(value: Any) -> Any:
    """Take "0x1F" for a number."""
    return int(value, 16) if isinstance(value, str) else value


def unique(registers: tuple[Point, ...]) -> None:
    """Refuse two values of one name."""
    names = [register.name for register in registers]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)} is there more than once")


def ordered(limits: Limits) -> None:
    """Refuse limits the wrong way round."""
    if limits.low >= limits.high:
        raise ValueError(f"low ({limits.low}) is not below high ({limits.high})")


class Limits(Struct, frozen=True):
    low: float = float("-inf")
    high: float = float("inf")
    action: Literal["log", "alarm", "stop"] = "log"


class Point(Struct, frozen=True):
    """One value of a device."""

    name: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$")]
    register: Annotated[Register, Before(hexadecimal)]
    kind: Literal["u16", "i16", "u32", "f32", "bit"] = "u16"
    scale: float = 1.0
    unit: str | None = None
    limits: Annotated[Limits, Check(ordered)] = Limits()


class Modbus(Struct, frozen=True, tag_field="protocol", tag="modbus"):
    """A device that is asked."""

    unit: Annotated[int, Meta(ge=0, le=247)] = 1
    port: Port = 502
    poll: Annotated[timedelta, Before(seconds)] = timedelta(seconds=5)
    points: Annotated[tuple[Point, ...], Check(unique)] = ()


class OpcUa(Struct, frozen=True, tag_field="protocol", tag="opcua"):
    """A device that tells by itself."""

    endpoint: str
    security: Literal["none", "sign", "encrypt"] = "encrypt"
    user: str | None = None
    nodes: Mapping[str, str] = {}
    certificate: Path = Path("/etc/gateway/opcua.pem")


class Serial(Struct, frozen=True, tag_field="protocol", tag="serial"):
    """A device on a wire."""

    line: Path
    baud: Literal[9600, 19200, 115200] = 9600
    parity: Literal["none", "even", "odd"] = "none"
    points: Annotated[tuple[Point, ...], Check(unique)] = ()


class Login(Struct, frozen=True):
    user: str
    password: str


class Broker(Struct, frozen=True):
    """Where values are published."""

    host: Annotated[str, Renamed("hostname")]
    port: Port = 8883
    client_id: str | None = None
    password: Secret[str] = ""
    client_key: Secret[str] = ""
    topics: Mapping[str, Annotated[int, Meta(ge=0, le=2)]] = {}
    keep_alive: Annotated[timedelta, Before(seconds)] = timedelta(minutes=1)


class Interface(Struct, frozen=True):
    address: ipaddress.IPv4Interface
    gateway: ipaddress.IPv4Address | None = None
    dns: tuple[ipaddress.IPv4Address, ...] = ()
    metric: int | Literal["auto"] = "auto"


class Firewall(Struct, frozen=True):
    allow: tuple[ipaddress.IPv4Network, ...] = ()
    allow6: tuple[ipaddress.IPv6Network, ...] = ()
    drop: frozenset[int] = frozenset()


class Buffer(Struct, frozen=True):
    path: Path = Path("/var/lib/gateway/buffer")
    most: Annotated[int, Meta(ge=1)] = 100_000
    flush_at: Annotated[int, Meta(ge=1)] = 1_000


class Rule(Struct, frozen=True):
    """What happens at the gateway itself, without the cloud."""

    when: str
    above: float | None = None
    below: float | None = None
    write: tuple[str, int | float | bool] | None = None

    def __post_init__(self) -> None:
        if self.above is None and self.below is None:
            raise ValueError("a rule needs above or below")


def buffered(buffer: Buffer) -> None:
    """Refuse a buffer that is never flushed."""
    if buffer.flush_at > buffer.most:
        raise ValueError(f"flush_at ({buffer.flush_at}) is more than most ({buffer.most})")


class Settings(BaseSettings):
    site: Annotated[str, Section("Gateway"), Meta(pattern="^[A-Z]{2}-[0-9]{3}$", examples=["CH-042"])]
    listen: RestartRequired[ipaddress.IPv4Address | None] = None
    port: RestartRequired[Port] = 9100
    log_level: Literal["debug", "info", "warning"] = "info"
    dry_run: bool = False
    enrolment_token: Secret[str | None] = None

    interfaces: Annotated[Mapping[str, Interface], Section("Network")] = {}
    firewall: Firewall = Firewall()
    ntp: tuple[str, ...] = ("pool.ntp.org",)

    brokers: Annotated[Mapping[str, Broker], Section("Cloud"), Meta(min_length=1)]
    logins: Secret[Mapping[str, Login]] = {}  # noqa: RUF012 - it is read-only
    buffer: Annotated[Buffer, Check(buffered)] = Buffer()

    devices: Annotated[Mapping[str, Modbus | OpcUa | Serial], Section("Devices")] = {}
    vendor: Tolerant[Mapping[str, Limits]] = {}  # noqa: RUF012 - it is read-only
    rules: tuple[Rule, ...] = ()

    @derived("brokers", "site")
    def primary(self) -> str:
        """The broker that is tried first."""
        return f"{self.site.lower()}@{next(iter(self.brokers.values())).host}"

    @derived("devices")
    def polls_per_minute(self) -> float:
        """How often devices are asked."""
        asked = (device.poll for device in self.devices.values() if isinstance(device, Modbus))
        return sum(60 / poll.total_seconds() for poll in asked)

    def __post_init__(self) -> None:
        for address in self.logins:
            if address not in self.devices:
                raise ValueError(f"logins names {address}, which is no device")


def options(arguments: Sequence[str]) -> dict[str, Any]:
    """What was given on the command line, and nothing else."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--site", default=argparse.SUPPRESS)
    parser.add_argument("--log-level", default=argparse.SUPPRESS)
    parser.add_argument("--dry-run", action="store_true", default=argparse.SUPPRESS)
    parser.add_argument("--listen", default=argparse.SUPPRESS)
    return vars(parser.parse_args(arguments))


def layers(*arguments: str) -> list[FileLayer | FolderLayer | ValuesLayer]:
    """The site, its devices, the mounted secrets, and the command line."""
    return [
        FileLayer("gateway.toml"),
        FileLayer("devices.toml", required=False),
        FolderLayer("secrets", secret=True),
        ValuesLayer(options(arguments), name="command line"),
    ]
