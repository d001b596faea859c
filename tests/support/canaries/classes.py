"""Generated settings classes: Secret fields of every kind, with values of every shape, and what stands beside them."""

from __future__ import annotations

import base64
import datetime
import decimal
import enum
import json
import types
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from hotsettings import BaseSettings, RestartRequired, Secret
from hotsettings._schema.marks import SECRET
from support.canaries.leaks import Planted
from support.canaries.shapes import SHAPES, plant, token

T = TypeVar("T")


class Account(Struct, frozen=True, forbid_unknown_fields=True):
    password: Secret[str]
    host: str = "db-1.internal.example"
    port: int = 5432


class Login(Struct, frozen=True, tag="login", forbid_unknown_fields=True):
    password: Secret[str]
    user: str = "app"


class Bearer(Struct, frozen=True, tag="bearer", forbid_unknown_fields=True):
    token: Secret[str]


class Box(Struct, Generic[T], frozen=True, forbid_unknown_fields=True):
    content: T
    label: str = "box"


class Holder(Struct, Generic[T], frozen=True, forbid_unknown_fields=True):
    box: Box[Secret[T]]


class Both(Struct, frozen=True, forbid_unknown_fields=True):
    """The same generic, once with a secret and once without."""

    hidden: Box[Secret[str]]
    shown: Box[str] = Box("plain")


class Vault(Struct, frozen=True, forbid_unknown_fields=True):
    first: str
    second: str = ""


class Outer(Struct, frozen=True, forbid_unknown_fields=True):
    account: Account
    name: str = "outer"


@dataclass
class Field:
    """A field of a generated class: its annotation, what the file says for it, and the secrets in that."""

    name: str
    annotation: Any
    toml: str
    secrets: list[Planted]
    wrong: str = "[[1979-05-27]]"
    """A value of a type that the field does not take."""
    default: Any = msgspec.NODEFAULT


def text(value: str) -> str:
    """As a string of TOML."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _text(annotation: Any) -> Callable[[str, str, Random], Field]:
    def made(name: str, shape: str, random: Random) -> Field:
        secret = plant(name, shape, random)
        return Field(name, annotation, text(secret.text), [secret], wrong=f"[{text(secret.text)}]")

    return made


def _several(annotation: Any, toml: Callable[[list[str]], str], below: str = "") -> Callable[[str, str, Random], Field]:
    """Several secrets in one field. ``below`` is the key under which each of them is written."""

    def made(name: str, shape: str, random: Random) -> Field:
        secrets = [plant(f"{name}.{below}" if below else name, each, random) for each in (shape, "plain")]
        written = toml([text(secret.text) for secret in secrets])
        return Field(
            name, annotation, written, [each for each in secrets if text(each.text) in written], wrong="1979-05-27"
        )

    return made


def _value(
    annotation: Any, make: Callable[[Random], Any], toml: Callable[[Any], str], *spelt: Callable[[Any], str]
) -> Callable[[str, str, Random], Field]:
    """A secret that is no text; ``spelt`` are the ways in which it could be written."""

    def made(name: str, _: str, random: Random) -> Field:
        value = make(random)
        texts = dict.fromkeys([str(value), repr(value), *(spell(value) for spell in spelt)])
        kind = type(value).__name__
        return Field(
            name, annotation, toml(value), [Planted(name, each, (), (), kind, verbatim=True) for each in texts]
        )

    return made


def _colour(name: str, _: str, random: Random) -> Field:
    values = {f"member_{number}": token(random) for number in range(3)}
    kind: Any = enum.Enum("Colour", values)  # type: ignore[misc]
    chosen = values["member_1"]
    return Field(
        name,
        Annotated[kind, SECRET],
        text(chosen),
        [Planted(name, chosen, (chosen,), (), "enum")],
        wrong=text(token(random)),
    )


_LITERAL: Any = Literal


def _literal(name: str, _: str, random: Random) -> Field:
    values = tuple(token(random) for _ in range(3))
    return Field(
        name,
        Annotated[_LITERAL[values], SECRET],
        text(values[0]),
        [Planted(name, values[0], (values[0],), (), "Literal")],
    )


def _keys(name: str, _: str, random: Random) -> Field:
    secrets = [plant(name, shape, random) for shape in ("plain", "quoted")]
    toml = "{ " + ", ".join(f"{text(secret.text)} = 1" for secret in secrets) + " }"
    return Field(name, Mapping[Secret[str], int], toml, secrets, wrong=f"{{ {text(secrets[0].text)} = 'x' }}")


def _bytes(name: str, _: str, random: Random) -> Field:
    value = random.randbytes(20)
    written = base64.b64encode(value).decode()
    secrets = [
        Planted(name, written, (), (), "bytes"),
        Planted(name, repr(value)[2:-1], (), (), "repr of bytes", verbatim=True),
    ]
    return Field(name, Secret[bytes], text(written), secrets)


def _bytes_of_text(name: str, shape: str, random: Random) -> Field:
    secret = plant(name, shape, random)
    return Field(name, Secret[bytes], text(base64.b64encode(secret.text.encode()).decode()), [secret])


_DAY = datetime.date(2031, 7, 19)

KINDS: Final[dict[str, Callable[[str, str, Random], Field]]] = {
    "str": _text(Secret[str]),
    "optional": _text(Secret[str | None]),  # type: ignore[misc]
    "optional secret": _text(Secret[str] | None),
    "limited": _text(Annotated[Secret[str], Meta(max_length=100_000)]),
    "restart": _text(RestartRequired[Secret[str]]),
    "secret restart": _text(Secret[RestartRequired[str]]),
    "int": _value(Secret[int], lambda r: r.randint(10**9, 10**17), str),
    "float": _value(Secret[float], lambda r: r.uniform(10**6, 10**9), repr),
    "Decimal": _value(Secret[decimal.Decimal], lambda r: decimal.Decimal(r.randint(10**10, 10**15)) / 1000, lambda v: text(str(v))),
    "UUID": _value(Secret[uuid.UUID], lambda r: uuid.UUID(int=r.getrandbits(128)), lambda v: text(str(v)), lambda v: v.hex),
    "date": _value(Secret[datetime.date], lambda r: _DAY + datetime.timedelta(r.randint(1, 9999)), str),
    "datetime": _value(
        Secret[datetime.datetime],
        lambda r: datetime.datetime(2031, 7, 19, tzinfo=datetime.UTC) + datetime.timedelta(seconds=r.randint(1, 10**8)),
        lambda v: v.isoformat(),
        lambda v: v.isoformat(),
    ),
    "timedelta": _value(
        Secret[datetime.timedelta], lambda r: datetime.timedelta(seconds=r.randint(10**8, 10**9)), lambda v: text(f"PT{v.total_seconds():.0f}S")
    ),
    "enum": _colour,
    "Literal": _literal,
    "bytes": _bytes,
    "bytes of text": _bytes_of_text,
    "secret tuple": _several(Secret[tuple[str, ...]], lambda each: f"[{each[0]}, {each[1]}]"),
    "tuple of secrets": _several(tuple[Secret[str], ...], lambda each: f"[{each[0]}, {each[1]}]"),
    "pair": _several(tuple[Secret[str], Secret[str], int], lambda each: f"[{each[0]}, {each[1]}, 1]"),
    "frozenset": _several(Secret[frozenset[str]], lambda each: f"[{each[0]}, {each[1]}]"),
    "mapping of secrets": _several(Mapping[str, Secret[str]], lambda each: f"{{ one = {each[0]}, two = {each[1]} }}"),
    "secret mapping": _several(Secret[Mapping[str, str]], lambda each: f"{{ one = {each[0]}, two = {each[1]} }}"),
    "secret keys": _keys,
    "struct": _several(Account, lambda each: f"{{ password = {each[0]} }}", "password"),
    "struct in struct": _several(Outer, lambda each: f"{{ account = {{ password = {each[0]} }} }}", "account.password"),
    "optional struct": _several(Account | None, lambda each: f"{{ password = {each[0]} }}", "password"),
    "structs in a tuple": _several(
        tuple[Account, ...], lambda each: f"[{{ password = {each[0]} }}, {{ password = {each[1]}, port = 1 }}]", "password"
    ),
    "structs in a mapping": _several(
        Mapping[str, Account], lambda each: f"{{ main = {{ password = {each[0]} }}, other = {{ password = {each[1]} }} }}", "password"
    ),
    "union": _several(Login | Bearer, lambda each: f"{{ type = 'bearer', token = {each[0]} }}", "token"),
    "unions in a tuple": _several(
        tuple[Login | Bearer, ...],
        lambda each: f"[{{ type = 'login', password = {each[0]} }}, {{ type = 'bearer', token = {each[1]} }}]",
        "password",
    ),
    "generic": _several(Box[Secret[str]], lambda each: f"{{ content = {each[0]} }}", "content"),
    "generic of a struct": _several(Box[Account], lambda each: f"{{ content = {{ password = {each[0]} }} }}", "content.password"),
    "generic of generic": _several(
        Box[Box[Secret[str]]], lambda each: f"{{ content = {{ content = {each[0]} }} }}", "content.content"
    ),
    "generic in a generic": _several(Holder[str], lambda each: f"{{ box = {{ content = {each[0]} }} }}", "box.content"),
    "generic with and without": _several(Both, lambda each: f"{{ hidden = {{ content = {each[0]} }} }}", "hidden.content"),
    "generics in a mapping": _several(
        Mapping[str, Box[Secret[str]]], lambda each: f"{{ a = {{ content = {each[0]} }}, b = {{ content = {each[1]} }} }}", "content"
    ),
    "secret struct": _several(Secret[Vault], lambda each: f"{{ first = {each[0]}, second = {each[1]} }}", "first"),
    "secret structs": _several(Secret[tuple[Vault, ...]], lambda each: f"[{{ first = {each[0]}, second = {each[1]} }}]", "first"),
    "restart mapping": _several(
        RestartRequired[Mapping[str, Secret[str]]], lambda each: f"{{ one = {each[0]}, two = {each[1]} }}"
    ),
}  # fmt: skip
"""Every kind of Secret field. Those whose value is a text take one of any shape."""

TEXTS: Final = list(SHAPES)

PLAIN: Final[dict[str, tuple[Any, Any, str]]] = {
    "NAME": (str, "shop-service", "'shop-service'"),
    "PORT": (int, 8080, "8080"),
    "MODE": (Literal["fast", "slow"], "fast", "'slow'"),
    "LABELS": (Mapping[str, str], {}, "{ tier = 'one' }"),
    "LIMIT": (float, 1.5, "2.5"),
}
"""What is no secret: annotation, default, and what config.toml says."""


@dataclass
class Made:
    """A settings class, what its files say, and what they must not tell."""

    cls: type[BaseSettings]
    fields: list[Field]
    config: dict[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> list[Planted]:
        return [secret for each in self.fields for secret in each.secrets]

    def config_text(self, *without: str) -> str:
        return _lines({key: value for key, value in self.config.items() if key not in without})

    def secrets_text(self, **instead: str) -> str:
        return _lines({each.name: each.toml for each in self.fields} | instead)


def _lines(values: Mapping[str, str]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in values.items())


def settings_class(
    fields: list[Field], rule: Callable[[Any], None] | None = None, **options: Any
) -> type[BaseSettings]:
    """A class with these fields, the plain ones, and a rule."""
    body: dict[str, Any] = {"__annotations__": {each.name: each.annotation for each in fields}, "__module__": __name__}
    for name, (annotation, default, _) in PLAIN.items():
        body["__annotations__"][name] = annotation
        body[name] = default
    if rule is not None:
        body["__post_init__"] = rule
    return types.new_class("Generated", (BaseSettings,), options, lambda namespace: namespace.update(body))


def generated(
    kinds: list[tuple[str, str]], random: Random, rule: Callable[[Any], None] | None = None, **options: Any
) -> Made:
    """A class with a secret field of each of these kinds, the shapes beside them."""
    names = ["TOKEN", "DSN", "ACCESS_KEY", "CREDS", "db"]
    fields = [KINDS[kind](name, shape, random) for name, (kind, shape) in zip(names, kinds, strict=False)]
    return Made(settings_class(fields, rule, **options), fields, {name: value for name, (_, _, value) in PLAIN.items()})
