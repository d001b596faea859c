"""Loading, reloading and importing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import msgspec
import toml_rs
from anyio import to_thread

from integr8scode.settings import Settings

from . import peers
from .figures import Figure, Row, Scale, Target
from .measuring import Measure, ratios, rounds, spread, timed
from .peers import DYNAMIC, FLOOR, HOTSETTINGS, Files, merge
from .process import clean_environment, measured

Taken = dict[str, list[float]]


def load(scale: Scale) -> Figure:
    taken = in_processes("loading:load_rounds", scale.processes, count=scale.rounds)
    targets = [
        Target("loading the three files, against the floor", ratio(taken, HOTSETTINGS, FLOOR), 1.5, guarded=True)
    ]
    targets += ahead_of_all("loading", taken, [HOTSETTINGS, FLOOR])
    rows = [
        Row(
            who,
            {"time": spread(times), "against the floor": ratios(times, taken[FLOOR]), "checks": peers.VALIDATES[who]},
        )
        for who, times in by_median(taken)
    ]
    return Figure(
        name="load",
        title="Load three files into 85 settings",
        measured="`config.toml`, `secrets.example.toml` and `config.coordinator.toml`, from the paths to the settings.",
        columns={"time": "seconds", "against the floor": "ratio", "checks": "text"},
        rows=rows,
        targets=targets,
        drawn="time",
    )


def load_rounds(count: int) -> Taken:
    loaders = peers.loaders(Files.shipped())
    return anyio.run(rounds, {name: timed(load) for name, load in loaders.items()}, count)


RELOADED = "`await live.reload()`, hotsettings"
FLOOR_RELOAD = "the floor: read one, toml_rs, msgspec"
FLOOR_THREAD = "the floor, in a worker thread"
DYNAMIC_RELOAD = f"{DYNAMIC}, reload()"
DYNAMIC_ASYNC = f"{DYNAMIC}, await reload_async()"


def reload(scale: Scale) -> Figure:
    taken = in_processes("loading:reload_rounds", scale.processes, count=2 * scale.rounds)
    targets = [
        Target("reloading, against the floor", ratio(taken, RELOADED, FLOOR_RELOAD), 1.5),
        Target("reloading, against the floor in a worker thread", ratio(taken, RELOADED, FLOOR_THREAD), 1.5),
    ]
    targets += ahead_of_all("reloading", taken, [RELOADED, FLOOR_RELOAD, FLOOR_THREAD])
    rows = [
        Row(
            who,
            {
                "time": spread(times),
                "against the floor": ratios(times, taken[FLOOR_RELOAD]),
                "against that in a thread": ratios(times, taken[FLOOR_THREAD]),
            },
        )
        for who, times in by_median(taken)
    ]
    return Figure(
        name="reload",
        title="Reload when one of the three files has changed",
        measured="From the changed bytes on disk to the new settings for every reader, without the time in which the change "
        "is noticed.",
        columns={"time": "seconds", "against the floor": "ratio", "against that in a thread": "ratio"},
        rows=rows,
        targets=targets,
        drawn="time",
    )


class Edits:
    """Changes one number in config.toml, by rename, and to another one each time."""

    def __init__(self, path: str) -> None:
        self.value = 500
        self._path = path
        self._text = Path(path).read_text(encoding="utf-8")

    def next(self) -> None:
        self.value = 500 + (self.value - 499) % 1000
        beside = self._path + "~"
        Path(beside).write_text(self._text.replace("RECORDS = 500", f"RECORDS = {self.value}"), encoding="utf-8")
        os.replace(beside, self._path)


def reload_rounds(count: int) -> Taken:
    with tempfile.TemporaryDirectory() as folder:
        return anyio.run(_reload_rounds, Files.copied(Path(folder)), count)


async def _reload_rounds(files: Files, count: int) -> Taken:
    edits = Edits(files.config)
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(
            Settings.watch(
                files.config,
                secrets_path=files.secrets,
                override_path=files.override,
                watcher="poll",
                settle=0.0,
                rescan_interval=3600.0,
            )
        )
        source = peers.dynamic_source(files)
        source.init()
        floor = floor_reload(files)

        async def ours() -> Any:
            await live.reload()
            return live.current

        async def in_a_thread() -> Any:
            return await to_thread.run_sync(floor)

        async def dynamic_async() -> Any:
            await source.reload_async()
            return source.current()

        def dynamic() -> Any:
            source.reload()
            return source.current()

        ways: dict[str, Callable[[], Any]] = {RELOADED: ours, FLOOR_THREAD: in_a_thread, DYNAMIC_ASYNC: dynamic_async}
        blocking = {FLOOR_RELOAD: floor, DYNAMIC_RELOAD: dynamic, "dynaconf, reload()": dynaconf_reload(files)}
        for name, make in peers.LOADERS.items():
            if name not in (FLOOR, HOTSETTINGS, DYNAMIC, "dynaconf"):
                blocking[f"{name}, loading anew"] = make(files)
        measures = {name: after_an_edit(edits, way) for name, way in ways.items()}
        measures |= {name: after_an_edit(edits, on_the_loop(call)) for name, call in blocking.items()}
        return await rounds(measures, count)


def floor_reload(files: Files) -> Callable[[], Settings]:
    """Read and parse the one that has changed, by hand, and convert; the others are still there."""
    with open(files.secrets, "rb") as secrets, open(files.override, "rb") as override:
        others = [toml_rs.loads(file.read().decode()) for file in (secrets, override)]

    def load() -> Settings:
        with open(files.config, "rb") as file:
            merged = toml_rs.loads(file.read().decode())
        for other in others:
            merged = merge(merged, other)
        return msgspec.convert(merged, Settings)

    return load


def dynaconf_reload(files: Files) -> Callable[[], Any]:
    settings = peers.dynaconf(files)()

    def load() -> Any:
        settings.reload()
        return settings

    return load


def on_the_loop(call: Callable[[], Any]) -> Callable[[], Any]:
    async def run() -> Any:
        return call()

    return run


def after_an_edit(edits: Edits, reload: Callable[[], Any]) -> Measure:
    """Measure reloads, each after an edit that is not measured; what is there then is looked at."""

    async def measure() -> float:
        total, count = 0.0, 5
        for _ in range(count):
            edits.next()
            start = time.perf_counter()
            settings = await reload()
            total += time.perf_counter() - start
            assert edits.value == settings.KAFKA_MAX_POLL_RECORDS
        return total / count

    return measure


OURS, PARTS = "hotsettings", "msgspec and toml_rs"
WATCHING, WATCHING_PARTS = "hotsettings, to watch", "these two, anyio and inotify_simple"
IMPORTS = {
    PARTS: "import msgspec, toml_rs",
    OURS: "import hotsettings",
    WATCHING_PARTS: "import msgspec, toml_rs, anyio, anyio.to_thread, inotify_simple, datetime, hashlib, logging",
    WATCHING: "import hotsettings, hotsettings._live.watch, hotsettings._watching.events.inotify",
    "pydantic (and tomllib)": "import tomllib; from pydantic import BaseModel, Field",
    "pydantic-settings": "from pydantic_settings import BaseSettings, TomlConfigSettingsSource; from pydantic import Field",
    "dynamic-config-py (and msgspec)": "import msgspec; from dynamic_config import DynamicConfig",
    "dynaconf": "from dynaconf import Dynaconf",
    "typed-settings": "import typed_settings; typed_settings.load_settings",
    "confz": "from confz import BaseConfig, FileSource",
    "omegaconf": "from omegaconf import OmegaConf",
}
TIMED_IMPORT = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"


def importing(scale: Scale) -> Figure:
    measures = {name: import_time(statement) for name, statement in IMPORTS.items()}
    taken = anyio.run(rounds, measures, scale.imports)
    targets = [
        Target("import, against msgspec and toml_rs", ratio(taken, OURS, PARTS), 1.5, guarded=True),
        Target("import to watch, against what that needs", ratio(taken, WATCHING, WATCHING_PARTS), 1.5),
    ]
    rows = [
        Row(who, {"time": spread(times), "against msgspec and toml_rs": ratios(times, taken[PARTS])})
        for who, times in by_median(taken)
    ]
    return Figure(
        name="import",
        title="Import",
        measured="The import statement in a fresh interpreter, with everything in the disk cache.",
        columns={"time": "seconds", "against msgspec and toml_rs": "ratio"},
        rows=rows,
        targets=targets,
        drawn="time",
    )


def import_time(statement: str) -> Measure:
    command = [sys.executable, "-I", "-c", TIMED_IMPORT.format(statement)]

    async def measure() -> float:  # like the other measures, though nothing else runs meanwhile
        done = subprocess.run(command, capture_output=True, check=True, env=clean_environment())  # noqa: ASYNC221
        return float(json.loads(done.stdout))

    return measure


def in_processes(function: str, processes: int, **arguments: Any) -> Taken:
    """Measure in several processes, one after the other: each has its own luck with memory layout and hashes."""
    taken: Taken = {}
    for _ in range(processes):
        for name, times in measured(function, **arguments).items():
            taken.setdefault(name, []).extend(times)
    return taken


def by_median(taken: Taken) -> list[tuple[str, list[float]]]:
    return sorted(taken.items(), key=lambda item: spread(item[1])[1])


def ratio(taken: Taken, subject: str, reference: str) -> float:
    return ratios(taken[subject], taken[reference])[1]


def ahead_of_all(doing: str, taken: Taken, but: list[str]) -> list[Target]:
    """That the subject, the first of ``but``, takes less time than each of the others."""
    others = [name for name in taken if name not in but]
    quickest = min(others, key=lambda name: spread(taken[name])[1])
    return [
        Target(f"{doing}, against the quickest peer ({quickest})", ratio(taken, but[0], quickest), 1.0, guarded=True)
    ]
