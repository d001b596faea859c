"""Random writers and faults against random watchers and event loops, for as long as you like.

python -m support.faults.soak [--minutes 30] [--seed N]: ``make soak ARGS="--minutes 30"``.

A round follows two files in several processes, each with hooks, a resource, slow and failing subscribers, and callers that give
up. It changes the files in all ways that ``writers`` and ``orders`` know, and lets descriptors run out, processes stop, reads
fail and neighbours make noise. The oracle knows every state that was complete at one moment, and asserts of each process:

- nothing but those states was ever seen, by any thread (atomic, together, never torn), and none that the hook vetoes (transactional)
- the last state of all is live in time, whatever came before (converges, newest only, isolated)
- a bad state changes nothing, and the process says so (last good); an edit that changes no value is no generation (quiet)
- one instance of the resource is open, built from what is live; leaving leaves nothing.

A round is decided by its seed, which is printed first: ``--seed N`` does the same once more.
"""

from __future__ import annotations

import argparse
import errno
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from support.faults.fuse import Mounted, fuse_is_there, mounted
from support.faults.harness import SETTLE, SLACK, Following, Party, Place, Watched, allowed, replace, with_mounts
from support.faults.orders import LinkSwapped, Order, is_knowable, torn
from support.faults.tagged import State, is_vetoed, text, whole
from support.faults.writers import (
    Burst,
    Exchange,
    InChunks,
    InPlace,
    LinkIn,
    Overwrite,
    Recreate,
    Replace,
    ReplaceFromElsewhere,
    SameTimes,
    Shell,
    Slowly,
    VimCopying,
    VimRenaming,
    Writer,
)

RESCAN = 0.5
KINDS = list(product(("inotify", "watchfiles", "poll"), ("asyncio", "uvloop", "trio", "blocking")))
WRITERS: list[type[Writer]] = [
    *(
        Burst,
        Exchange,
        InChunks,
        InPlace,
        LinkIn,
        Overwrite,
        Recreate,
        Replace,
        ReplaceFromElsewhere,
        SameTimes,
        Shell,
        Slowly,
    ),
    *(VimCopying, VimRenaming),
]
ORDERS = [
    Order(LinkSwapped, begins, ends, lag)
    for begins, ends in product(("before", "after"), ("closed", "short", "long"))
    for lag in (0.0, 0.001, 0.02)
]
WAITS = RESCAN + SETTLE + 2.0
"""Seconds that anything may take: the longest is a read that has failed for so long that it is tried every two seconds."""


class World:
    """Two files. They are changed in the folder ``outside``, and followed in ``inside``, which shows the same."""

    def __init__(self, outside: Path, inside: Path) -> None:
        self.base = LinkSwapped(outside)
        self.base.begin(text(1))
        own = outside / "own"
        own.mkdir()
        self.own = own
        self.secrets = own / "config.toml"
        self.secrets.write_text(text(1, "S"))
        self.place = Place(inside)
        self.place.config = inside / self.base.path.relative_to(outside)
        self.place.secrets = inside / self.secrets.relative_to(outside)
        self.fuse: Mounted | None = None


class Round:
    """What is done in one round, and what may be seen of it."""

    def __init__(self, seed: int, world: World, party: Party) -> None:
        self.random = random.Random(seed)
        self.world = world
        self.party = party
        self.tags = [1, 1]
        self.last = 1
        self.published: set[State] = {whole(1, 1)}
        self.story: list[str] = []
        self.each: list[Following] = []

    @property
    def state(self) -> State:
        return whole(*self.tags)

    def next_tag(self) -> int:
        self.last += 1
        if self.last % 10 == 7 and self.random.random() < 0.5:
            self.last += 1
        return self.last

    def put(self, layer: int, tag: int) -> None:
        """From now on this may be seen."""
        self.tags[layer] = tag
        if not is_vetoed(self.state):
            self.published.add(self.state)

    # What can be done

    def order(self) -> None:
        """Another file arrives in the place of the base."""
        order = self.random.choice([each for each in ORDERS if self.world.fuse is None or is_knowable(each)])
        first, then = self.next_tag(), self.next_tag()
        self.world.base.prepare(text(first))
        self.put(0, first)
        self.put(0, then)
        self.story[-1] += f" {order}"
        rested = order.run(self.world.base, text(then))
        if self.world.fuse is not None and rested >= 0.9 * SETTLE:  # the kernel does not say who writes
            half = torn(then)[0], *self.state[1:]
            self.published.add(half)

    def write_base(self) -> None:
        tag = self.next_tag()
        self.put(0, tag)
        path = self.world.base.path
        if self.random.random() < 0.5:
            replace(path, text(tag))
        else:
            path.write_text(text(tag))

    def write_secrets(self) -> None:
        kind = self.random.choice([each for each in WRITERS if self.world.fuse is None or not each.only_closes_tell])
        self.story[-1] += f" {kind.__name__}"
        tag = self.next_tag()
        self.put(1, tag)
        kind(self.world.own).write(text(tag, "S"))

    def quick(self) -> None:
        """Both files, again and again."""
        for _ in range(self.random.randrange(2, 8)):
            self.write_base()
            replace(self.world.secrets, text(self._to(1), "S"))
            time.sleep(self.random.choice([0.0, 0.002, 0.02]))

    def _to(self, layer: int) -> int:
        tag = self.next_tag()
        self.put(layer, tag)
        return tag

    def quiet(self) -> None:
        """Nothing changes but the file: there is no generation."""
        self.settle()
        before = [following.status()["generation"] for following in self.each]
        path = self.world.base.path
        if self.random.random() < 0.5:
            path.write_text(path.read_text() + "# a comment\n")
        else:
            os.utime(path)
        time.sleep(WAITS / 4)
        after = [following.status()["generation"] for following in self.each]
        assert after == before, f"an edit that changes no value made generations: {before} {after}"

    def bad(self) -> None:
        """A rejection, and the old settings serve."""
        self.settle()
        path = self.world.secrets
        ways: list[Callable[[], object]] = [
            path.unlink,
            lambda: path.write_text(""),
            lambda: replace(path, "S00 = ="),
            lambda: replace(path, 'S00 = "x"'),
        ]
        spoil = self.random.choice(ways)
        spoil()
        time.sleep(RESCAN + SETTLE + 0.1)
        for following in self.each:
            deadline = time.monotonic() + WAITS + SLACK
            while (status := following.status())["healthy"]:
                assert time.monotonic() < deadline, following.watched.story(following.id, "it does not mind a bad file")
                time.sleep(0.02)
            assert as_list(status["state"]) == self.state, status
        replace(path, text(self._to(1), "S"))

    def starve(self) -> None:
        """No descriptor is left in one of the processes."""
        self.faulty("starve", "starved")

    def fail(self) -> None:
        number = self.random.choice([errno.EIO, errno.ESTALE, errno.ENOMEM, errno.EACCES])
        if self.world.fuse is None:
            self.faulty("fail", "failing", errno=number)
            return
        self.world.fuse.behave(errno=number)
        self.write_base()
        time.sleep(self.random.choice([0.05, 0.5, 3.0]))
        self.world.fuse.behave(shifting=self.random.random() < 0.5)

    def faulty(self, do: str, done: str, **more: Any) -> None:
        member = self.random.choice(self.party.members)
        member.ask(do, done, **more)
        try:
            self.write_base()
            time.sleep(self.random.choice([0.05, 0.5, 3.0]))
        finally:
            member.ask("mend", "mended")

    def stop(self) -> None:
        """One of the processes gets no time while much happens."""
        member = self.random.choice(self.party.members)
        member.stop()
        try:
            self.quick()
            time.sleep(self.random.choice([0.0, 0.3]))
        finally:
            member.go_on()

    def noise(self) -> None:
        """Neighbours are busy."""
        over = threading.Event()

        def busy() -> None:
            with open(self.world.own / "app.log", "a") as file:
                while not over.is_set():
                    file.write("a line\n")
                    file.flush()
                    (self.world.own / "scratch").touch()
                    (self.world.own / "scratch").unlink()
                    os.close(os.open(os.fsencode(self.world.own) + b"/caf\xe9", os.O_CREAT | os.O_WRONLY))
                    time.sleep(0.001)

        thread = threading.Thread(target=busy)
        thread.start()
        try:
            self.write_secrets()
            self.settle()
        finally:
            over.set()
            thread.join()

    # What must hold

    def settle(self) -> None:
        """The last state is live in time, unless it is vetoed; then there is another one."""
        if is_vetoed(self.state):
            time.sleep(RESCAN)
            self.write_base()
        while is_vetoed(self.state):
            self.write_base()
        deadline = time.monotonic() + WAITS + SLACK
        for following in self.each:
            while as_list((status := following.status())["state"]) != self.state or not status["healthy"]:
                assert time.monotonic() < deadline, following.watched.story(
                    following.id, f"{self.state} is not live: {status}"
                )
                time.sleep(0.01)
        self.judge()

    def judge(self) -> None:
        for following in self.each:
            following.saw_only(self.published)
            status = following.status()
            generations = [report["generation"] for report in following.reports if report["what"] == "applied"]
            assert generations == sorted(generations), following.watched.story(following.id, "generations go back")
            deadline = time.monotonic() + SLACK
            while status["built"] != 1 and time.monotonic() < deadline:  # the old one may still be drained
                time.sleep(0.02)
                status = following.status()
            assert status["built"] == 1, following.watched.story(following.id, f"{status['built']} resources are open")
            assert as_list(status["resource"]) == as_list(status["state"]), "the resource is of other settings"

    def run(self, steps: int) -> None:
        seed = self.random.randrange(1 << 30)
        does = [self.order, self.write_base, self.write_secrets, self.quick] * 2
        does += [self.quiet, self.bad, self.starve, self.fail, self.stop, self.noise]
        with self.party.follow(
            self.world.place, rescan_interval=RESCAN, pause=0.02, readers=1, crowd=seed
        ) as followers:
            self.each = list(followers)
            for _ in range(steps):
                do = self.random.choice(does)
                self.story.append(do.__name__)
                do()
                if self.random.random() < 0.5:
                    self.settle()
            self.settle()
        for following in self.each:
            assert not any(report["what"] == "unclosed" for report in following.reports), "a resource was left open"


def as_list(state: list[list[int]] | State) -> State:
    base, secrets, override = (tuple(tags) for tags in state)
    return base, secrets, override


@contextmanager
def stage(rng: random.Random, kind: str) -> Iterator[tuple[World, Party]]:
    """A world of a kind, and processes that see it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        chosen = rng.sample(KINDS, 3)
        if kind == "mount":
            outside, inside = folder / "outside", folder / "inside"
            outside.mkdir()
            inside.mkdir()
            world = World(outside, inside)
            mount = f"mount --bind '{outside}' '{inside}'"
            members = [stack.enter_context(with_mounts(watcher, mount)) for watcher, _ in chosen]
        else:
            if kind == "fuse":
                fuse = stack.enter_context(mounted(folder, shifting=rng.random() < 0.5))
                for path in (fuse.outside.config, fuse.outside.secrets):
                    path.unlink()
                world = World(fuse.outside.folder, fuse.place.folder)
                world.fuse = fuse
            else:
                inside = folder / "place"
                inside.mkdir()
                world = World(inside, inside)
            members = [Watched(watcher, backend) for watcher, backend in chosen]
            for member in members:
                stack.callback(member.end)
            for member in members:
                member.ready()
        yield world, Party(members)


def stages() -> list[str]:
    """The kinds of worlds that the system allows; says why it leaves one out."""
    found = ["plain", "plain", "plain"]
    for kind, there, lacks in (
        ("mount", allowed("unshare", "--mount", "true"), "no mount namespaces: util-linux and the right to make them"),
        ("fuse", fuse_is_there(), "no FUSE: mfusepy, libfuse and /dev/fuse"),
    ):
        if there:
            found.append(kind)
        else:
            print(f"left out: {lacks}", flush=True)
    return found


def soak(seed: int, kinds: list[str], steps: int) -> bool:
    """One round; whether it held."""
    rng = random.Random(seed)
    kind = rng.choice(kinds)
    began = time.monotonic()
    current: Round | None = None
    try:
        with stage(rng, kind) as (world, party):
            names = ", ".join(member.name for member in party.members)
            print(f"seed {seed}: {kind}, {names}", flush=True)
            current = Round(seed, world, party)
            current.run(steps)
    except (AssertionError, pytest.skip.Exception) as error:
        done = "\n    ".join(current.story) if current else ""
        print(f"seed {seed} FAILED after:\n    {done}\n{error}", flush=True)
        return False
    print(f"    held, {steps} steps in {time.monotonic() - began:.0f} s", flush=True)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description="Random writers and faults, for so many minutes.")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, help="do this round, and no other")
    parser.add_argument("--steps", type=int, default=25, help="how much is done in a round")
    options = parser.parse_args()
    kinds = stages()
    if options.seed is not None:
        return 0 if soak(options.seed, kinds, options.steps) else 1
    until, first, held = time.monotonic() + 60 * options.minutes, int(time.time()), 0
    failed: list[int] = []
    while time.monotonic() < until:
        seed = first + held + len(failed)
        if soak(seed, kinds, options.steps):
            held += 1
        else:
            failed.append(seed)
    print(f"{held} rounds held" + (f", FAILED: {failed}" if failed else ""), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
