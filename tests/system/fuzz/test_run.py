"""The run finds what it is there to find, and repeats itself."""

from __future__ import annotations

import json
import logging
import math
import os
import random
import stat
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.fuzz import __main__ as fuzz
from support.fuzz import worker
from support.fuzz.cases import CLASSES, Case, Data, KeyFiles, case, class_of, corpus, keys_in, put
from support.traced import TRACED

from hotsettings import BaseSettings, InvalidSettings, Origin, Problem
from hotsettings._loading import load


def test_a_seed_decides_everything() -> None:
    assert [case(7, index) for index in range(50)] == [case(7, index) for index in range(50)]
    assert case(7, 1) != case(8, 1)
    assert len(corpus()) > 700


def test_the_classes_have_types_of_all_kinds() -> None:
    names = " ".join(str(class_of(3, number).__annotations__) for number in range(1, CLASSES))
    for kind in (
        "int",
        "Point",
        "Cat",
        "Colour",
        "Mapping",
        "frozenset",
        "tuple",
        "Literal",
        "SECRET",
        "RESTART_REQUIRED",
    ):
        assert kind in names


def on_disk(path: Path) -> Data:
    """What `put` has written."""
    if not path.is_dir():
        return path.read_bytes() if path.exists() else None
    volume = (path / "..data").is_symlink()
    inside = os.fsencode(path / "..data" if volume else path)
    return KeyFiles(tuple(entry_on_disk(inside, name) for name in os.listdir(inside)), volume)


def entry_on_disk(folder: bytes, name: bytes) -> tuple[bytes, str, bytes]:
    path = os.path.join(folder, name)
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return name, "link", os.readlink(path)
    if stat.S_ISREG(mode):
        return name, "file", Path(os.fsdecode(path)).read_bytes()
    return name, "fifo" if stat.S_ISFIFO(mode) else "folder", b""


def plain(data: Data) -> object:
    """The same without order, and without where something leads that leads nowhere."""
    if not isinstance(data, KeyFiles):
        return data
    return {name: (kind, what if kind in ("file", "link") else b"") for name, kind, what in data.entries}, data.volume


def test_there_are_folders_of_all_kinds(tmp_path: Path) -> None:
    kinds, names = Counter[str](), set[bytes]()
    for index in range(200):
        for data in case(3, index).layers:
            if isinstance(data, KeyFiles):
                put(tmp_path / "layer", data)
                assert plain(on_disk(tmp_path / "layer")) == plain(data)
                kinds.update(kind for _, kind, _ in data.entries)
                kinds["volume"] += data.volume
                names.update(name for name, _, _ in data.entries)
    assert min(kinds[kind] for kind in ("file", "link", "fifo", "folder", "volume")) > 0
    assert any(name.startswith(b".") for name in names)
    assert any(b"." in name[1:-1] for name in names)
    assert any(b"\xff" in name or b"\xe9" in name for name in names)


def test_all_outcomes_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if TRACED:
        monkeypatch.setattr(worker, "SECONDS", math.inf)
    found = set()
    for index in range(400):
        this = case(5, index)
        result = worker.judged(this, tmp_path, class_of(5, this.number))
        assert result["wrong"] == ""
        found.add((result["outcome"], any(isinstance(data, KeyFiles) for data in this.layers)))
    assert {(kind, folder) for kind in ("LayerError", "InvalidSettings") for folder in (False, True)} <= found


GOOD = Case((b"A = 'x'", b"S = 'c0123456789abcdef'", None), 1, b"c0123456789abcdef", "toml_rs")


class Small(BaseSettings):
    A: str
    S: str


def judged(tmp_path: Path) -> dict[str, Any]:
    return worker.judged(GOOD, tmp_path, Small)


def test_it_finds_bare_exceptions_secrets_chains_and_slowness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(tmp_path) == {"outcome": "settings", "wrong": "", "seconds": pytest.approx(0, abs=1)}

    def raising(error: BaseException) -> Any:
        def decode(*_: object) -> None:
            raise error

        return decode

    for error, wrong in [
        (KeyError("x"), "UnforeseenError: "),
        (KeyboardInterrupt(), "KeyboardInterrupt: "),
        (InvalidSettings([Problem("", GOOD.canary.decode(), Origin(""))]), "a value of the secrets file shows"),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(load, "_validated", raising(error))
            assert judged(tmp_path)["wrong"].startswith(wrong)

    with monkeypatch.context() as patch:
        patch.setattr(load, "_validated", lambda *_: logging.getLogger("hotsettings").warning(GOOD.canary.decode()))
        assert judged(tmp_path)["wrong"] == "a value of the secrets file is logged"

    def slow(*_: object) -> None:
        end = time.thread_time() + 0.3
        while time.thread_time() < end:
            pass
        raise msgspec.ValidationError

    monkeypatch.setattr(load, "decode", slow)
    monkeypatch.setattr(worker, "SECONDS", 0.01)
    assert "s of the processor" in judged(tmp_path)["wrong"]


def test_keys_are_no_secrets() -> None:
    assert keys_in(b"[a]\nb = [{c = 'd'}]").split() == [b"a", b"b", b"c"]
    assert keys_in(b"?") == keys_in(None) == b""


SCRIPT = """
import os, sys, time
index = int(sys.argv[-2])
while True:
    os.write(1, b"%d\\n" % index)
    if index == 2: os.abort()
    if index == 4: time.sleep(60)
    os.write(1, b'{"outcome": "settings", "wrong": "", "seconds": 0.0}\\n')
    index += 1
"""


@pytest.mark.thorough
def test_it_finds_deaths_and_hangs_and_goes_on_behind_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = fuzz.Worker.__init__

    def scripted(self: fuzz.Worker, command: list[str], folder: Path) -> None:
        begin(self, [sys.executable, "-c", SCRIPT, *command[3:]], folder)

    monkeypatch.setattr(fuzz.Worker, "__init__", scripted)
    wrong = {}
    for index, result in fuzz.outcomes(1, 0, tmp_path, time.monotonic() + 60, hangs=3):
        wrong[index] = result["wrong"]
        if index == 6:
            break
    assert sorted(wrong) == list(range(7))
    assert wrong[2].startswith("the process ended with -6")
    assert wrong[4] == "it hangs for 3 s"
    assert {wrong[index] for index in (0, 1, 3, 5, 6)} == {""}


def test_a_short_run_saves_what_can_be_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = random.randrange(1000)
    assert fuzz.run(0.05, seed, tmp_path) == 0
    assert "0 failures" in capsys.readouterr().out
    about = json.loads((tmp_path / "slowest" / "case.json").read_text())
    saved = [tmp_path / "slowest" / f"{name}.toml" for name in ("config", "secrets", "override")]
    assert [plain(on_disk(path)) for path in saved] == [plain(data) for data in case(seed, about["index"]).layers]
    assert fuzz.replay(tmp_path / "slowest") == 0
    assert '"wrong": ""' in capsys.readouterr().out
