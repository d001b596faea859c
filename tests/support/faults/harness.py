"""Starts watched processes, gives them orders, and judges what they tell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from support import TESTS, chosen_parser
from support.faults.tagged import State, text, whole

Report = dict[str, Any]

PATIENCE = 30.0
"""Seconds after which a watched process is taken for dead."""
SLACK = 2.5
"""Seconds that a busy machine may add to what is promised. Whoever needs the regular look needs far longer: see NEVER."""
NEVER = 60.0
"""A rescan interval that no test lives to see: what is seen was told of."""
SETTLE = 0.1
_ids = count(1)


class Place:
    """A folder with the layers' files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.secrets = folder / "secrets.toml"
        self.override: Path | None = None
        self.secrets_are_optional = False
        self.layer: Path | None = None
        """A folder that is followed in the place of these files."""

    def begin(self) -> None:
        """Write the first state, whole(1)."""
        self.config.write_text(text(1))
        self.secrets.write_text(text(0, "S"))

    @property
    def paths(self) -> dict[str, str]:
        if self.layer is not None:
            return {"folder": str(self.layer)}
        if self.secrets_are_optional:
            return {"base": str(self.config), "optional": str(self.secrets)}
        paths = {"config_path": str(self.config), "secrets_path": str(self.secrets)}
        if self.override is not None:
            paths["override_path"] = str(self.override)
        return paths


def replace(path: Path, content: str, *, beside: str = "new") -> float:
    """Replace a file as editors and tools do, and return when."""
    fresh = path.with_name(f"{path.name}.{beside}")
    fresh.write_text(content)
    os.replace(fresh, path)
    return time.monotonic()


class Watched:
    """A watched process."""

    def __init__(self, watcher: str, backend: str = "asyncio", *, under: Sequence[str] = ()) -> None:
        self.watcher = watcher
        self.name = f"{watcher} on {backend}"
        self.reports: list[Report] = []
        self._news = threading.Condition()
        path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            [*under, sys.executable, "-m", "support.faults.watched", backend, chosen_parser.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            text=True,
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            report = json.loads(line)
            with self._news:
                self.reports.append(report)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def ready(self) -> Report:
        return self.wait("", "ready")

    def order(self, do: str, id: str = "", **more: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, "id": id, **more}) + "\n")
        self.process.stdin.flush()

    def ask(self, do: str, answer: str, id: str = "", within: float = PATIENCE, **more: Any) -> Report:
        """Give an order and wait for the answer."""
        known = len(self.reports)
        self.order(do, id, **more)
        return self.wait(id, answer, within=within, after=known)

    def wait(
        self,
        id: str,
        what: str,
        that: Callable[[Report], bool] = lambda _: True,
        *,
        within: float = PATIENCE,
        after: int = 0,
    ) -> Report:
        """Wait for a report."""
        deadline, looked = time.monotonic() + within, after
        while True:
            with self._news:
                new = self.reports[looked:]
                looked += len(new)
            for report in new:
                if report["id"] == id and report["what"] == what and that(report):
                    return report
            with self._news:
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._reading.is_alive()):
                    raise AssertionError(self.story(id, f"no report {what!r} within {within:g} s"))
                if looked == len(self.reports):
                    self._news.wait(min(left, 0.5))

    def story(self, id: str, what: str) -> str:
        told = [report for report in list(self.reports) if report["id"] in (id, "")][-25:]
        lines = [f"    {report['at']:.3f} " + json.dumps({**report, "id": None, "at": None}) for report in told]
        alive = "alive" if self.process.poll() is None else f"dead, {self.process.returncode}"
        return "\n".join([f"{self.name} ({alive}, now {time.monotonic():.3f}): {what}", *lines])

    def logged(self, *, after: int = 0, level: str = "WARNING") -> list[str]:
        """Log messages of a level."""
        return [r["message"] for r in self.reports[after:] if r["what"] == "log" and r["level"] == level]

    def stop(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def measure(self) -> Report:
        return self.ask("measure", "measured", f"measure-{next(_ids)}")

    @contextmanager
    def follow(self, place: Place, **options: Any) -> Iterator[Following]:
        """Let it follow the files of a place as long as the block lasts; leaving must be quick, and leave nothing."""
        before = self.measure()
        following = Following(self, place, options)
        try:
            following.up()
            yield following
        except BaseException:
            self.order("leave", following.id)
            raise
        following.leave()
        assert_nothing_left(before, self)

    def end(self) -> None:
        if self.process.poll() is None:
            self.go_on()
            try:
                self.order("end")
                self.process.wait(5)
            except (OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                self._reading.join(1)
                try:
                    stream.close()
                except OSError:
                    pass


def assert_nothing_left(before: Report, watched: Watched) -> None:
    """Compare what the process holds with what it held. watchfiles closes its descriptor a little later."""
    deadline = time.monotonic() + 10
    while True:
        after = watched.measure()
        # What the pool's workers and the event loop keep for themselves was there before, or is no more than one each.
        if after["threads"] <= before["threads"] and after["descriptors"] == before["descriptors"]:
            return
        if time.monotonic() > deadline:
            raise AssertionError(watched.story("", f"left behind: {before} became {after}"))
        time.sleep(0.02)


class Following:
    """One use of ``watch`` in a watched process, and what was told of it."""

    def __init__(self, watched: Watched, place: Place, options: dict[str, Any]) -> None:
        self.watched = watched
        self.id = f"f{next(_ids)}"
        self.readers: int = options.pop("readers", 2)
        self.pause: float = options.pop("pause", 0.001)
        self.options = {"watcher": watched.watcher, "settle": SETTLE, "rescan_interval": NEVER, **options}
        if watched.watcher == "poll":
            self.options["rescan_interval"] = options.get("looking", 0.05)
        self.options.pop("looking", None)
        more = {"crowd": self.options.pop("crowd")} if "crowd" in self.options else {}
        self._place = place
        self._since = len(watched.reports)
        order = {"paths": place.paths, "options": self.options, "readers": self.readers, "pause": self.pause, **more}
        watched.order("watch", self.id, **order)

    @property
    def reports(self) -> list[Report]:
        return [report for report in self.watched.reports[self._since :] if report["id"] == self.id]

    @property
    def looks_every(self) -> float:
        """Seconds between its looks where it has nothing else; 0 where it is told of what happens."""
        return float(self.options["rescan_interval"]) if self.watched.watcher == "poll" else 0.0

    def up(self) -> None:
        self.watched.wait(self.id, "subscribed", after=self._since)

    def wait(self, what: str, that: Callable[[Report], bool] = lambda _: True, within: float = PATIENCE) -> Report:
        return self.watched.wait(self.id, what, that, within=within, after=self._since)

    def ask(self, do: str, answer: str, within: float = PATIENCE) -> Report:
        return self.watched.ask(do, answer, self.id, within)

    def status(self) -> Report:
        return self.ask("status", "status")

    def reaches(self, state: State, since: float, promised: float) -> float:
        """Wait until the subscriber has this state; assert that it came in time, and return after how many seconds."""
        report = self.wait("changed", lambda report: as_state(report) == state, promised + 2 * SLACK)
        took = float(report["told"]) - since
        assert took <= promised + SLACK, self.watched.story(self.id, f"{state} took {took:.3f} s, promised {promised}")
        return took

    def comes_to(self, state: State) -> None:
        """Wait until this is the state, whether or not it was that from the start."""
        deadline = time.monotonic() + 10
        while as_state(self.status()) != state:
            assert time.monotonic() < deadline, self.watched.story(self.id, f"does not come to {state}")
            time.sleep(0.01)

    def rejected(self, within: float = PATIENCE, containing: str = "") -> Report:
        """Wait until a reload was rejected."""
        return self.wait("rejected", lambda report: containing in report["reason"], within)

    @property
    def states(self) -> set[State]:
        """All states that anybody has seen."""
        return {as_state(report) for report in self.reports if "state" in report}

    def saw_only(self, published: Iterable[State]) -> None:
        """Assert that no state was seen that nobody has published."""
        wrong = self.states - set(published)
        assert not wrong, self.watched.story(self.id, f"nobody has published {sorted(wrong)}")

    def leave(self) -> None:
        self.watched.order("leave", self.id)
        self.left()

    def left(self) -> None:
        report = self.wait("left")
        # Promised are 0.1 s; a busy machine may need more.
        assert report["took"] < 1.0, self.watched.story(self.id, "slow to leave")


def as_state(report: Report) -> State:
    base, secrets, override = (tuple(tags) for tags in report["state"])
    return base, secrets, override


class Party:
    """Several watched processes that follow the same files."""

    def __init__(self, members: Sequence[Watched]) -> None:
        self.members = members

    @contextmanager
    def follow(self, place: Place, **options: Any) -> Iterator[Followers]:
        before = [member.measure() for member in self.members]
        followings = [Following(member, place, dict(options)) for member in self.members]
        try:
            for following in followings:
                following.up()
            yield Followers(followings)
        except BaseException:
            for following in followings:
                following.watched.order("leave", following.id)
            raise
        for following in followings:
            following.watched.order("leave", following.id)
        for following in followings:
            following.left()
        for member, state in zip(self.members, before, strict=True):
            assert_nothing_left(state, member)


class Followers:
    """What all of the party's processes tell."""

    def __init__(self, each: Sequence[Following]) -> None:
        self.each = each

    def __iter__(self) -> Iterator[Following]:
        return iter(self.each)

    def of(self, watcher: str) -> list[Following]:
        return [following for following in self.each if following.watched.watcher == watcher]

    def reach(self, state: State, since: float, promised: float) -> None:
        """Wait until every subscriber has this state; ``promised`` is for watchers that are told of what happened."""
        for following in self.each:
            following.reaches(state, since, max(promised, following.looks_every + SETTLE))

    def saw_only(self, published: Iterable[State]) -> None:
        published = set(published)
        for following in self.each:
            following.saw_only(published)

    def rejected(self, containing: str = "") -> None:
        for following in self.each:
            following.rejected(containing=containing)

    def take_a_good_edit(self, place: Place, tag: int, **layers: int) -> State:
        """A good edit after all that happened is applied; return its state."""
        state = whole(tag, **layers)
        self.reach(state, replace(place.config, text(tag), beside="good"), 0.02)
        return state


def needs(condition: bool, reason: str) -> None:
    """Skip a test that the system does not allow."""
    if not condition:
        pytest.skip(reason)


def allowed(*command: str) -> bool:
    """Whether the system lets us run this."""
    try:
        return subprocess.run(command, capture_output=True, timeout=20).returncode == 0
    except OSError:
        return False


@contextmanager
def with_mounts(watcher: str, *commands: str) -> Iterator[Watched]:
    """A process in a mount namespace of its own, in which these shell commands have been run before it started."""
    needs(allowed("unshare", "--mount", "true"), "the system allows no mount namespaces")
    script = " && ".join(["mount --make-rprivate /", *commands, 'exec "$@"'])
    watched = Watched(watcher, under=("unshare", "--mount", "sh", "-c", script, "sh"))
    try:
        watched.ready()
        yield watched
    finally:
        watched.end()


@contextmanager
def process(watcher: str, backend: str = "asyncio", under: tuple[str, ...] = ()) -> Iterator[Watched]:
    watched = Watched(watcher, backend, under=under)
    try:
        watched.ready()
        yield watched
    finally:
        watched.end()


def becomes_unreadable(following: Following) -> None:
    deadline = time.monotonic() + 10
    while (status := following.status())["layers"]["base"] != "unreadable":
        assert time.monotonic() < deadline, status
    assert not status["healthy"]
    assert 0 <= time.time() - status["since"][0] < 5


def rejections(following: Following) -> list[str]:
    return [report["reason"] for report in following.reports if report["what"] == "rejected"]


KINDS = [
    ("inotify", "asyncio"),
    ("watchfiles", "asyncio"),
    ("poll", "asyncio"),
    ("inotify", "trio"),
    ("watchfiles", "trio"),
    ("inotify", "uvloop"),
    ("inotify", "blocking"),
    ("watchfiles", "blocking"),
]
