"""The run: one worker after the other, until the time is over."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from support import TESTS
from support.fuzz.cases import Case, case, class_of, put
from support.traced import untraced_environ

FOUND: Final = Path(".fuzz")
HANGS: Final = 120.0
"""Seconds without a word, after which a load is said to hang."""
MOST: Final = 50
"""Findings that are saved; then the run ends."""


class Worker:
    """A process that loads the cases from a number on."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.errors = folder / "stderr"
        with self.errors.open("wb") as errors:
            environ = untraced_environ()  # there is a limit of time
            paths = os.pathsep.join(filter(None, (str(TESTS), environ.get("PYTHONPATH"))))
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, env={**environ, "PYTHONPATH": paths}
            )
        self._said: queue.Queue[bytes] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line)
        self._said.put(b"")

    def line(self, within: float) -> str | None:
        """The next thing that it says, "" at its end, or None if it says nothing for so many seconds."""
        try:
            return self._said.get(timeout=within).decode()
        except queue.Empty:
            return None

    def death(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        return f"the process ended with {self._process.returncode}: {self.errors.read_text(errors='replace')[-2000:]}"

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def outcomes(
    seed: int, first: int, folder: Path, until: float, hangs: float = HANGS
) -> Iterator[tuple[int, dict[str, Any]]]:
    """What comes of each case, until that time, but of one at least.

    A worker that dies or hangs is replaced by one that begins behind the case.
    """
    index = first
    while True:
        worker = Worker([sys.executable, "-m", "support.fuzz.worker", str(seed), str(index), str(folder)], folder)
        try:
            while True:
                line = worker.line(hangs)
                result: dict[str, Any] = {"outcome": "none", "seconds": 0.0}
                if line is None:
                    result["wrong"] = f"it hangs for {hangs:g} s"
                elif not line:
                    result["wrong"] = worker.death()
                elif not line.startswith("{"):
                    index = int(line)
                    continue
                else:
                    result = json.loads(line)
                yield index, result
                if time.monotonic() >= until:
                    return
                index += 1
                if not line:
                    break
        finally:
            worker.close()


def save(folder: Path, seed: int, index: int, this: Case, result: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in zip(("config", "secrets", "override"), this.layers, strict=True):
        put(folder / f"{name}.toml", data)
    about = {"seed": seed, "index": index, "class": this.number, "parser": this.parser, **result}
    (folder / "case.json").write_text(json.dumps(about, indent=2) + "\n")


def run(minutes: float, seed: int, found: Path) -> int:
    print(
        f"seed {seed}, for {minutes:g} minutes; again: make fuzz ARGS='--minutes {minutes:g} --seed {seed}'", flush=True
    )
    counts: Counter[str] = Counter()
    slowest, failures, told = 0.0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for index, result in outcomes(seed, 0, Path(folder), time.monotonic() + 60 * minutes):
            counts[result["outcome"]] += 1
            if result["wrong"]:
                failures += 1
                where = found / f"{seed}-{index}"
                save(where, seed, index, case(seed, index), result)
                print(f"{where}: {result['wrong']}", flush=True)
            if result["seconds"] > slowest:
                slowest = result["seconds"]
                save(found / "slowest", seed, index, case(seed, index), result)
            if time.monotonic() > told + 60:
                told = time.monotonic()
                print(f"{counts.total()} cases, {failures} failures, slowest {slowest:.2f} s", flush=True)
            if failures == MOST:
                break
    print(f"{counts.total()} cases: {', '.join(f'{n} {kind}' for kind, n in counts.most_common())}")
    print(f"the slowest took {slowest:.2f} s of the processor: {found / 'slowest'}")
    print(
        f"{failures} failures"
        + (f", in {found}; replay one: make fuzz ARGS='--replay {found}/NAME'" if failures else "")
    )
    return 1 if failures else 0


def replay(folder: Path) -> int:
    """Load what was saved, with the class that it was for."""
    about = json.loads((folder / "case.json").read_text())
    seed, index = about["seed"], about["index"]
    with tempfile.TemporaryDirectory() as temporary:
        for number, result in outcomes(seed, index, Path(temporary), float("inf")):
            print(json.dumps(result, indent=2))
            print(f"class: {class_of(seed, about['class']).__annotations__}")
            return 1 if result["wrong"] and number == index else 0
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="for how long (default: 1)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32), help="repeat a run")
    parser.add_argument("--found", type=Path, default=FOUND, help="where findings are saved (default: .fuzz)")
    parser.add_argument("--replay", type=Path, metavar="FOLDER", help="load again what a run has saved")
    options = parser.parse_args()
    return replay(options.replay) if options.replay else run(options.minutes, options.seed, options.found)


if __name__ == "__main__":
    sys.exit(main())
