"""Exceptions that do what they can to hurt whoever catches, tells or logs them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import anyio

from hotsettings import SettingsError
from hotsettings._concurrency.loop_calls import running_loop


class Refusal(BaseException):
    """What hostile objects raise when they are asked for anything."""


def refuse(*_: object, **__: object) -> Any:
    raise Refusal


TRAITS: dict[str, dict[str, Any]] = {
    "plain": {},
    "__str__ raises": {"__str__": refuse},
    "__str__ is no text": {"__str__": lambda _: 7},
    "__repr__ raises": {"__repr__": refuse},
    "__notes__ raises": {"__notes__": property(refuse)},
    "__notes__ lies": {"__notes__": 7},
    "__class__ raises": {"__class__": property(refuse)},
    "__class__ lies": {"__class__": property(lambda _: asyncio.CancelledError)},
    "never equal": {"__eq__": refuse, "__hash__": refuse},
    "no truth": {"__bool__": refuse, "__len__": refuse},
    "frozen": {"__setattr__": refuse, "__delattr__": refuse},
    "no attributes": {"__getattribute__": refuse},
    "keeps its frames": {"with_traceback": refuse, "__traceback__": property(refuse)},
    "chain raises": {"__cause__": property(refuse), "__context__": property(refuse)},
    "no arguments": {"args": property(refuse)},
    "problems": {"problems": property(refuse), "reason": property(refuse), "by": property(refuse)},
    "__await__ raises": {"__await__": refuse},
}

BASES: list[type[BaseException]] = [
    *(Exception, BaseException, SystemExit, GeneratorExit, StopIteration, StopAsyncIteration, TimeoutError),
    *(MemoryError, RecursionError, asyncio.CancelledError, OSError, SettingsError),
]


class Meta(type):
    """Classes that do not say what they are."""

    def __getattribute__(cls, name: str) -> Any:
        raise Refusal


class Grouped(BaseExceptionGroup[BaseException]):
    """A group that refuses to be looked into."""

    split = subgroup = derive = property(refuse)
    exceptions = property(refuse)


def hostile() -> Iterator[tuple[str, BaseException]]:
    """Every base with every two traits."""
    for base, (one, other) in itertools.product(BASES, itertools.combinations(TRAITS, 2)):
        kind: Any = type("Hostile", (base,), {**TRAITS[one], **TRAITS[other]})
        yield f"{base.__name__}: {one}, {other}", kind("hostile")
    nameless: Any = Meta("Nameless", (Exception,), {})
    yield "no name", nameless("hostile")
    yield "a group", ExceptionGroup("hostile", [ValueError("a"), OSError("b")])
    yield "a group of more", BaseExceptionGroup("hostile", [SystemExit(3), asyncio.CancelledError()])
    yield "a hostile group", Grouped("hostile", [SystemExit(3)])
    deep: BaseException = ValueError("deep")
    for _ in range(300):
        deep = BaseExceptionGroup("hostile", [deep, SystemExit(1)])
    yield "a deep group", deep
    if running_loop() is not None and anyio.get_cancelled_exc_class() is not asyncio.CancelledError:
        yield "cancelled by hand", anyio.get_cancelled_exc_class()._create()  # type: ignore[attr-defined]
