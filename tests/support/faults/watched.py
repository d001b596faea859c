"""The watched process. It follows settings as it is told on stdin, and tells what it sees on stdout, as JSON lines.

python -m support.faults.watched BACKEND PARSER, where BACKEND is asyncio, uvloop, trio or blocking, and PARSER is toml_rs or
tomllib. With "blocking" it follows by the blocking form; asyncio serves the orders alone.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import random
import resource
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

import hotsettings._watching.sources.file
from hotsettings import (
    Applied,
    Change,
    FileLayer,
    FolderLayer,
    Live,
    Rejected,
    Rejection,
    Resource,
    SettingsError,
    use_parser,
)
from support import blocking_face
from support.faults.tagged import State, Tagged, TaggedFolder, is_vetoed, state_of_folder
from support.faults.tagged import state_of as state_of_files

Order = dict[str, Any]
_telling = threading.Lock()


def tell(id: str, what: str, **more: Any) -> None:
    """Write a report. Called from any thread."""
    line = json.dumps({"id": id, "what": what, "at": time.monotonic(), **more}) + "\n"
    with _telling:
        sys.stdout.write(line)
        sys.stdout.flush()


class LogTeller(logging.Handler):
    """Tells of log records."""

    def emit(self, record: logging.LogRecord) -> None:
        tell("", "log", level=record.levelname, message=record.getMessage())


def watch(paths: dict[str, Any], options: dict[str, Any]) -> Any:
    """Follow the files of a place, or all that is in a folder."""
    if "folder" in paths:
        return TaggedFolder.watch(layers=[FolderLayer(paths["folder"], name="base")], **options)
    if "optional" in paths:
        secrets = FileLayer(paths["optional"], name="secrets", required=False, secret=True)
        return Tagged.watch(layers=[FileLayer(paths["base"], name="base"), secrets], **options)
    return Tagged.watch(**paths, **options)


def state_of(settings: Any) -> State:
    return state_of_folder(settings) if isinstance(settings, TaggedFolder) else state_of_files(settings)


class Following:
    """One use of ``Tagged.watch``: threads that read, a subscriber, a callback, a reader of events."""

    def __init__(self, order: Order) -> None:
        self.id: str = order["id"]
        self.order = order
        self.live: Live[Tagged]
        self.leaving = anyio.Event()
        self.over = False
        self.built = 0
        self.random: random.Random
        self.resource: Resource[State]

    async def run(self) -> None:
        began = time.monotonic()
        try:
            async with watch(self.order["paths"], self.order["options"]) as self.live:
                tell(self.id, "up", took=time.monotonic() - began, state=state_of(self.live.current))
                readers = [threading.Thread(target=self.read) for _ in range(self.order["readers"])]
                for reader in readers:
                    reader.start()
                self.live.on_change(lambda change: tell(self.id, "called", state=state_of(change.new)))
                async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
                    if "crowd" in self.order:
                        await self.crowd(self.order["crowd"], stack, tasks)
                    tasks.start_soon(self.subscribe)
                    tasks.start_soon(self.record)
                    await self.leaving.wait()
                    tasks.cancel_scope.cancel()
                self.over = True
                if blocking_face.faces:  # nobody can cancel a build there: it is left again when it has come
                    with anyio.move_on_after(1):
                        while self.built:
                            await anyio.sleep(0.01)
                if self.built:
                    tell(self.id, "unclosed", number=self.built)
                for reader in readers:
                    reader.join()
                ended = time.monotonic()
        except SettingsError as error:
            tell(self.id, "failed", reason=str(error))
        else:
            tell(self.id, "left", took=time.monotonic() - ended)

    def read(self) -> None:
        """Look at the current settings all the time; every state that is new to this thread is told."""
        last: Tagged | None = None
        pause: float = self.order["pause"]
        while not self.over:
            for _ in range(200):
                now = self.live.current
                if now is not last:
                    last = now
                    tell(self.id, "seen", state=state_of(now))
            if pause:
                time.sleep(pause)

    async def crowd(self, seed: int, stack: AsyncExitStack, tasks: TaskGroup) -> None:
        """Everything else that a program may have: hooks, resources, bad subscribers, and callers that give up."""
        self.random = random.Random(seed)
        self.live.prepare(self.veto)
        self.resource = await stack.enter_async_context(self.live.resource(self.build, drain_timeout=0.5))
        self.live.on_change(self.dawdle)
        self.live.on_change(self.fail)
        tasks.start_soon(self.give_up)

    async def veto(self, change: Change[Tagged]) -> None:
        await anyio.sleep(self.random.choice([0, 0.001, 0.02]))
        if is_vetoed(state_of(change.new)):
            raise ValueError("vetoed")

    @asynccontextmanager
    async def build(self, settings: Tagged) -> AsyncIterator[State]:
        self.built += 1
        try:
            await anyio.sleep(self.random.choice([0, 0.001, 0.02]))
            yield state_of(settings)
        finally:
            self.built -= 1

    async def dawdle(self, change: Change[Tagged]) -> None:
        await anyio.sleep(0.3)

    def fail(self, change: Change[Tagged]) -> None:
        raise ValueError("a callback that fails")

    async def give_up(self) -> None:
        """Ask for things, and do not wait until they are there."""
        while True:
            with anyio.move_on_after(self.random.choice([0, 0.001, 0.01, 0.1])):
                asked: list[Callable[[], Awaitable[object]]] = [self.live.reload, self.live.wait_applied]
                asked += [self.live.changes().__anext__, self.lease]
                ask = self.random.choice(asked)
                try:
                    await ask()
                except Rejected:
                    pass
            await anyio.sleep(self.random.choice([0.01, 0.2]))

    async def lease(self) -> None:
        async with self.resource.lease():
            await anyio.sleep(0.01)

    async def subscribe(self) -> None:
        changes = self.live.changes()
        tell(self.id, "subscribed")
        async for change in changes:
            at = time.monotonic()
            tell(self.id, "changed", state=state_of(change.new), told=at, generation=change.generation)

    async def record(self) -> None:
        async for event in self.live.events():
            match event:
                case Rejection():
                    tell(self.id, "rejected", reason=event.reason)
                case Applied():
                    tell(self.id, "applied", generation=event.generation, keys=len(event.keys))

    def status(self) -> None:
        status = self.live.status
        layers = {layer.name: layer.state for layer in status.layers}
        tell(
            self.id,
            "status",
            healthy=status.healthy,
            generation=status.generation,
            error=status.last_error,
            layers=layers,
            built=self.built,
            resource=self.resource.current if "crowd" in self.order else None,
            since=[layer.since.timestamp() for layer in status.layers if layer.since],
            state=state_of(self.live.current),
        )

    async def reload(self) -> None:
        try:
            change = await self.live.reload()
        except Rejected as rejected:
            tell(self.id, "reloaded", rejected=str(rejected.reason))
        else:
            tell(self.id, "reloaded", state=state_of(self.live.current), changed=change is not None)


class Process:
    """What the orders are about."""

    def __init__(self) -> None:
        self.followings: dict[str, Following] = {}
        self.stuck = threading.Event()
        self.unpatch = ExitStack()

    async def obey(self, order: Order) -> None:
        following = self.followings.get(order["id"])
        match order["do"]:
            case "watch":
                following = self.followings[order["id"]] = Following(order)
                await following.run()
                del self.followings[order["id"]]
            case "leave" if following is not None:
                following.leaving.set()
            case "status" if following is not None:
                following.status()
            case "reload" if following is not None:
                await following.reload()
            case "measure":
                measure(order["id"])
            case "become":
                os.setgroups([])
                os.setuid(order["uid"])
                tell(order["id"], "became")
            case "limit":
                Path("/proc/sys/user", order["name"]).write_text(str(order["value"]))
                tell(order["id"], "limited")
            case "fail":
                self.fail(order["errno"])
                tell(order["id"], "failing")
            case "mend":
                self.unpatch.close()
                tell(order["id"], "mended")
            case "starve":
                self.starve()
                tell(order["id"], "starved")
            case "block":
                self.block()
                tell(order["id"], "blocked")
            case "unblock":
                self.stuck.set()
                self.unpatch.close()
                tell(order["id"], "unblocked")
            case "cycle":
                await cycle(order)
            case "hold":
                await hold(order)
            case _:
                tell(order["id"], "unknown")

    def block(self) -> None:
        """Let every read hang, as on a dead network mount."""
        self.stuck = threading.Event()
        self.patch(lambda layer: self.stuck.wait())

    def fail(self, number: int) -> None:
        """Let every read fail, as on a broken disk."""

        def fail(layer: Any) -> None:
            raise OSError(number, os.strerror(number))

        self.patch(fail)

    def patch(self, before: Callable[[Any], object]) -> None:
        """Do this before every read."""
        files: Any = hotsettings._watching.sources.file
        attempt: Callable[[Any], bytes | None] = files.fetch_once

        def patched(layer: Any) -> bytes | None:
            before(layer)
            return attempt(layer)

        setattr(hotsettings._watching.sources.file, "fetch_once", patched)  # noqa: B010 - the name is not the module's own
        self.unpatch.callback(setattr, hotsettings._watching.sources.file, "fetch_once", attempt)

    def starve(self) -> None:
        """Leave no descriptor to be had."""
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
        self.unpatch.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)


async def cycle(order: Order) -> None:
    """Enter, change, leave, over and over, each time from the start."""
    paths, options = order["paths"], order["options"]
    config = Path(paths["config_path"])
    texts = order["texts"]
    for turn in range(order["turns"]):
        async with Tagged.watch(**paths, **options) as live:
            changes = live.changes()
            fresh = config.with_suffix(".new")
            fresh.write_text(texts[turn % len(texts)])
            fresh.replace(config)
            with anyio.fail_after(20):
                change = await anext(changes)
                while len(set(state_of(change.new)[0])) != 1:
                    change = await anext(changes)
    tell(order["id"], "cycled")


async def hold(order: Order) -> None:
    """Follow without threads that read, and say nothing until told to leave: for measuring."""
    async with Tagged.watch(**order["paths"], **order["options"]):
        tell(order["id"], "holding")
        await anyio.sleep_forever()


def measure(id: str) -> None:
    """Tell what the process holds and has used."""
    gc.collect()
    workers = [thread for thread in threading.enumerate() if "AnyIO worker" in thread.name or "Trio" in thread.name]
    kinds = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            kinds.append(os.readlink(f"/proc/self/fd/{descriptor}").split(":")[0])
        except OSError:
            pass  # the one that listed them
    tell(
        id,
        "measured",
        descriptors=sorted(kinds),
        threads=len(threading.enumerate()) - len(workers),
        memory=int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
        cpu=time.process_time(),
    )


async def orders() -> AsyncIterator[Order]:
    os.set_blocking(0, False)
    unfinished = b""
    while True:
        await anyio.wait_readable(sys.stdin)
        came = os.read(0, 65536)
        if not came:
            return
        *lines, unfinished = (unfinished + came).split(b"\n")
        for line in lines:
            yield json.loads(line)
        await checkpoint()


async def main() -> None:
    process = Process()
    async with anyio.create_task_group() as tasks:
        tell("", "ready", pid=os.getpid())
        async for order in orders():
            if order["do"] == "end":
                break
            tasks.start_soon(process.obey, order)
        tasks.cancel_scope.cancel()


def run(backend: str) -> None:
    logging.getLogger("hotsettings").addHandler(LogTeller())
    logging.getLogger("hotsettings").setLevel(logging.INFO)
    options: dict[str, Any] = {}
    face = blocking_face.installed() if backend == "blocking" else nullcontext()
    if backend == "uvloop":
        options = {"use_uvloop": True}
    starting: Callable[..., Any] = anyio.run
    with face:
        starting(main, backend="trio" if backend == "trio" else "asyncio", backend_options=options)


if __name__ == "__main__":
    _, backend, parser = sys.argv
    use_parser("tomllib" if parser == "tomllib" else "toml_rs")
    run(backend)
