"""How loading and reloading grow with the number of keys, flat and nested."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import msgspec
import toml_rs
from msgspec import Struct

from hotsettings import BaseSettings

from .figures import Figure, Row, Scale, Target
from .loading import Taken
from .measuring import Measure, ratios, rounds, spread, timed
from .process import measured

FLAT, NESTED = "flat", "nested"
LOADED, RELOADED, FLOOR = "hotsettings, load", "hotsettings, reload", "the floor: read, toml_rs, msgspec"
IN_A_TABLE = 10


class Group(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of ten keys."""

    a: int
    b: int
    c: int
    d: int
    e: int
    f: str
    g: str
    h: str
    i: float
    j: bool


class Nested(BaseSettings):
    N: int
    T: Mapping[str, Group]


def flat(size: int) -> type[Any]:
    """A class with a field for each key."""
    metaclass: Any = type(BaseSettings)
    made: type[Any] = metaclass(
        "Flat", (BaseSettings,), {"__annotations__": {"N": int} | dict.fromkeys(names(size), int)}
    )
    return made


def names(size: int) -> list[str]:
    return [f"KEY_{number}" for number in range(size)]


def text(shape: str, size: int) -> str:
    if shape == FLAT:
        return "N = 1\n" + "".join(f"{name} = {number}\n" for number, name in enumerate(names(size)))
    group = 'a = 1\nb = 2\nc = 3\nd = 4\ne = 5\nf = "six"\ng = "seven"\nh = "eight"\ni = 9.5\nj = true\n'
    return "N = 1\n" + "".join(f"[T.table_{number}]\n{group}" for number in range(size // IN_A_TABLE))


def sizes_rounds(shape: str, size: int, count: int) -> Taken:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.toml")
        path.write_text(text(shape, size), encoding="utf-8")
        return anyio.run(_sizes_rounds, path, Nested if shape == NESTED else flat(size), count)


async def _sizes_rounds(path: Path, cls: Any, count: int) -> Taken:
    def by_hand() -> Any:
        with open(path, "rb") as file:
            return msgspec.convert(toml_rs.loads(file.read().decode()), cls)

    def load() -> Any:
        return cls(path, secrets_path=None)

    assert load() == by_hand()
    measures = {LOADED: timed(load), FLOOR: timed(by_hand)}
    async with cls.watch(path, secrets_path=None, watcher="poll", settle=0.0, rescan_interval=3600.0) as live:
        measures[RELOADED] = _reloads(path, live)
        return await rounds(measures, count)


def _reloads(path: Path, live: Any) -> Measure:
    written = path.read_text(encoding="utf-8")

    async def measure() -> float:
        number = live.current.N % 2 + 1
        beside = path.with_name("config.toml~")
        beside.write_text(written.replace("N = 1\n", f"N = {number}\n", 1), encoding="utf-8")
        os.replace(beside, path)
        start = time.perf_counter()
        await live.reload()
        took = time.perf_counter() - start
        assert number == live.current.N
        return took

    return measure


def grow(scale: Scale) -> Figure:
    rows: list[Row] = []
    targets: list[Target] = []
    for shape in (FLAT, NESTED):
        taken = {
            size: measured("growing:sizes_rounds", shape=shape, size=size, count=scale.rounds) for size in scale.sizes
        }
        for size, times in taken.items():
            rows += [
                Row(
                    f"{who}, {shape}",
                    {
                        "time": spread(found),
                        "each key": spread(found)[1] / size,
                        "against the floor": ratios(found, times[FLOOR]),
                    },
                    str(size),
                )
                for who, found in times.items()
            ]
        largest = taken[max(taken)]
        for who in (LOADED, RELOADED):
            if len(taken) > 1:
                against = slope(taken, who) - slope(taken, FLOOR)
                targets.append(Target(f"{shape}: {who}, exponent above the floor's", against, 0.1, unit="count"))
            found = ratios(largest[who], largest[FLOOR])[1]
            targets.append(Target(f"{shape}, {max(taken):,} keys: {who}, against the floor", found, 1.5))
    return Figure(
        name="growth",
        title="Growth with the number of keys",
        measured="Flat: as many fields of one class. Nested: tables of ten keys in a mapping.",
        columns={"time": "seconds", "each key": "seconds", "against the floor": "ratio"},
        rows=rows,
        targets=targets,
        drawn="time",
        lines=True,
    )


def slope(taken: dict[int, Taken], who: str) -> float:
    """The exponent by which the time grows between the two largest sizes: 1 is as much as the keys."""
    *_, (size, times), (larger, longer) = sorted(taken.items())
    return math.log(spread(longer[who])[1] / spread(times[who])[1]) / math.log(larger / size)
