"""Reading one key."""

from __future__ import annotations

import tempfile
import timeit
from pathlib import Path
from typing import Any

import anyio

from integr8scode.settings import Settings

from . import peers
from .figures import Figure, Row, Scale, Target
from .loading import Taken, by_median, in_processes, ratio
from .measuring import Measure, ratios, rounds, spread
from .peers import Files

PLAIN = "an attribute of a plain object"
LIVE = "hotsettings: live.current.KEY"
UNROLLED, READS = 20, 5000


def read(scale: Scale) -> Figure:
    taken = in_processes("reading:read_rounds", scale.processes, count=scale.rounds)
    return Figure(
        name="read",
        title="Read one key",
        measured="An integer, by its name, from the object that stays while the settings change.",
        columns={"time": "seconds", "against a plain attribute": "ratio"},
        rows=[
            Row(who, {"time": spread(times), "against a plain attribute": ratios(times, taken[PLAIN])})
            for who, times in by_median(taken)
        ],
        targets=[Target("reading, against a plain attribute", ratio(taken, LIVE, PLAIN), 1.5, guarded=True)],
        drawn="time",
    )


def read_rounds(count: int) -> Taken:
    with tempfile.TemporaryDirectory() as folder:
        return anyio.run(_read_rounds, Files.copied(Path(folder)), count)


class Plain:
    def __init__(self) -> None:
        self.KAFKA_MAX_POLL_RECORDS = 500


class Holder:
    def __init__(self, current: Any) -> None:
        self.current = current


async def _read_rounds(files: Files, count: int) -> Taken:
    dynamic = peers.dynamic_source(files)
    dynamic.init()
    async with Settings.watch(
        files.config, secrets_path=files.secrets, override_path=files.override, watcher="poll"
    ) as live:
        holders: dict[str, tuple[str, Any]] = {
            PLAIN: ("it.KAFKA_MAX_POLL_RECORDS", Plain()),
            LIVE: ("it.current.KAFKA_MAX_POLL_RECORDS", live),
            "a plain object in a plain object": ("it.current.KAFKA_MAX_POLL_RECORDS", Holder(Plain())),
            "pydantic: a model's attribute": ("it.KAFKA_MAX_POLL_RECORDS", peers.by_hand(files)()),
            "dynamic-config-py: config.current().key": ("it.current().KAFKA_MAX_POLL_RECORDS", dynamic),
            "dynaconf": ("it.KAFKA_MAX_POLL_RECORDS", peers.dynaconf(files)()),
            "omegaconf": ("it.KAFKA_MAX_POLL_RECORDS", peers.omegaconf(files)()),
        }
        return await rounds({who: reads(*how) for who, how in holders.items()}, count)


def reads(expression: str, it: Any) -> Measure:
    """Measure reads of a key, twenty in a row, so that what the loop costs counts little."""
    assert eval(expression, {"it": it}) == 500, expression
    timer = timeit.Timer("; ".join([expression] * UNROLLED), globals={"it": it})

    async def measure() -> float:
        count = READS // UNROLLED
        return timer.timeit(count) / (count * UNROLLED)

    return measure
