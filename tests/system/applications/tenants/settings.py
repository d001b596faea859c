"""The settings of a service that many customers share: each tenant has its own database, login, limits and branding."""

import ipaddress
from collections import Counter
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID
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
    Tolerant,
    derived,
)

Slug = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{1,30}$")]
Hostname = Annotated[str, Meta(pattern=r"^([a-z0-9-]+\.)+[a-z]{2,}$")]


def words(value: Any) -> Any:
    """Take "a, b" for an array of two."""
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else value


def private(network: ipaddress.IPv4Network) -> None:
    """Refuse an allow-list that lets everybody in."""
    if network.prefixlen < 8:
        raise ValueError(f"{network} is most of the internet")


class Limits(Struct, frozen=True, kw_only=True):
    """How much one tenant may ask for."""

    requests_per_minute: Annotated[int, Meta(ge=1)] = 600
    burst: Annotated[int, Meta(ge=1)] = 50
    concurrent_jobs: Annotated[int, Meta(ge=0)] = 4
    storage_gib: Annotated[int, Meta(ge=1)] | Literal["unlimited"] = 10

    def __post_init__(self) -> None:
        if self.burst > self.requests_per_minute:
            raise ValueError("burst is more than requests_per_minute")


class Database(Struct, frozen=True, kw_only=True):
    host: str = "pool.db.internal"
    port: Annotated[int, Meta(ge=1, le=65535)] = 5432
    name: str
    user: str
    password: Secret[Annotated[str, Meta(min_length=8)]]
    pool: Annotated[int, Meta(ge=1, le=100), Renamed("pool_size", "max_connections")] = 5


class Passwords(Struct, frozen=True, kw_only=True, tag_field="method", tag="passwords"):
    """Users log in here."""

    minimum_length: Annotated[int, Meta(ge=8)] = 12
    second_factor: bool = True


class Oidc(Struct, frozen=True, kw_only=True, tag_field="method", tag="oidc"):
    """Users log in at the identity provider of the tenant."""

    issuer: Annotated[str, Meta(pattern="^https://")]
    client_id: str
    client_secret: Secret[str]
    scopes: Annotated[tuple[str, ...], Before(words)] = ("openid", "email")
    claims: Mapping[Literal["email", "name", "groups"], str] = {}


class Saml(Struct, frozen=True, kw_only=True, tag_field="method", tag="saml"):
    metadata_url: Annotated[str, Meta(pattern="^https://")]
    signing_key: Secret[str]
    signing_password: Secret[str | None] = None


class Webhook(Struct, frozen=True, kw_only=True):
    url: Annotated[str, Meta(pattern="^https://")]
    events: frozenset[Literal["created", "updated", "deleted"]] = frozenset({"created"})
    signing_key: Secret[str]
    retries: Annotated[int, Meta(ge=0, le=10)] = 3


class Branding(Struct, frozen=True, kw_only=True):
    """What the portal of a tenant looks like. The portal is released on its own, and adds keys."""

    title: str = ""
    colour: Annotated[str, Meta(pattern="^#[0-9a-f]{6}$")] = "#336699"
    logo: str | None = None


class Contact(Struct, frozen=True, kw_only=True):
    name: str
    email: str
    role: Literal["owner", "billing", "technical"] = "owner"


class Tenant(Struct, frozen=True, kw_only=True):
    """One customer."""

    id: UUID
    plan: Literal["free", "team", "enterprise"] = "team"
    active: bool = True
    zone: ZoneInfo = ZoneInfo("UTC")
    maintenance_at: time = time(3, 0)
    trial_ends: date | Literal["never"] = "never"
    price: Decimal = Decimal("49.00")
    domains: tuple[Hostname, ...] = ()
    allowed_networks: tuple[Annotated[ipaddress.IPv4Network, Check(private)], ...] = ()
    egress: ipaddress.IPv6Address | None = None
    limits: Limits = Limits()
    database: Database
    login: Passwords | Oidc | Saml = Passwords()
    webhooks: Mapping[str, Webhook] = {}
    contacts: tuple[Contact, ...] = ()
    features: frozenset[str] = frozenset()
    branding: Tolerant[Branding] = Branding()
    beta: Annotated[bool, Deprecated('write features = ["beta"]')] = False


class Metering(Struct, frozen=True, kw_only=True):
    endpoint: str = "https://metering.internal"
    token: Secret[str]
    every_seconds: float = 60.0


class Settings(BaseSettings):
    listen: Annotated[RestartRequired[ipaddress.IPv4Address], Section("Server")] = ipaddress.IPv4Address("127.0.0.1")
    port: RestartRequired[Annotated[int, Meta(ge=1, le=65535)]] = 8080
    region: Literal["eu-central", "eu-west", "us-east"]
    trusted_proxies: tuple[ipaddress.IPv4Network, ...] = ()
    read_only: bool = False

    defaults: Annotated[Limits, Section("Limits")] = Limits(requests_per_minute=300)
    global_limits: Mapping[Literal["login", "signup", "export"], int] = {"login": 100, "signup": 20, "export": 5}

    encryption_keys: Annotated[Secret[Mapping[str, str]], Section("Keys")]
    metering: Metering

    tenants: Annotated[Mapping[Slug, Tenant], Section("Tenants"), Meta(min_length=1)]
    banned: Mapping[str, tuple[ipaddress.IPv4Network, ...]] = {}

    def __post_init__(self) -> None:
        seen = Counter(domain for tenant in self.tenants.values() for domain in tenant.domains)
        if twice := [domain for domain, count in seen.items() if count > 1]:
            raise ValueError(f"tenants share the domains {', '.join(twice)}")

    @derived("tenants")
    def tenant_of(self) -> Mapping[str, str]:
        """Which tenant a host belongs to."""
        return {domain: slug for slug, tenant in self.tenants.items() for domain in tenant.domains}


def layers() -> list[FileLayer]:
    """The server, its tenants, their secrets, and what the people on duty have changed today."""
    return [
        FileLayer("server.toml"),
        FileLayer("tenants.toml"),
        FileLayer("secrets.toml", secret=True),
        FileLayer("today.toml", required=False),
    ]
