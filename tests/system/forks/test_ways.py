"""Every way in which Python makes processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.forking import Files, Settings, descriptors, python, sees

from hotsettings import BlockingLive

Live = BlockingLive[Settings]

PROCESSES = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from support.forking import Files, until

if __name__ == "__main__":
    method, way = {method!r}, {way!r}
    files = Files(Path.cwd())
    from support import following_app
    context = multiprocessing.get_context(method)
    if way == "Process":
        processes = [context.Process(target=following_app.process, args=(1,)) for _ in range(3)]
        for process in processes:
            process.start()
        files.edit(A=1)
        for process in processes:
            process.join(40)
        assert [process.exitcode for process in processes] == [0, 0, 0]
        print(sorted(path.read_text() for path in Path.cwd().glob("seen-by-*")))
    else:
        make = context.Pool if way == "Pool" else lambda count: ProcessPoolExecutor(count, mp_context=context)
        with make(3) as pool:
            call = pool.apply_async if way == "Pool" else pool.submit
            found = []
            for value in (1, 2):
                calls = [call(following_app.follow, (value,) if way == "Pool" else value) for _ in range(6)]
                files.edit(A=value)
                found += [(each.get(40) if way == "Pool" else each.result(40))[1] for each in calls]
        print(found)
    assert following_app.follow(following_app.live.current.A)
    following_app.live.stop()
"""


@pytest.mark.parametrize("way", ["Process", "Pool", "ProcessPoolExecutor"])
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(tmp_path: Path, method: str, way: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROCESSES.format(method=method, way=way))
    tests = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(program)],
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tests)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    expected = ["1", "1", "1"] if way == "Process" else [1] * 6 + [2] * 6
    assert (done.returncode, done.stdout) == (0, f"{expected}\n"), done.stderr
    assert not done.stderr


FORKSERVER = """
import multiprocessing
from pathlib import Path
from support.forking import Files

if __name__ == "__main__":
    files = Files(Path.cwd())
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.following_app"])  # so the server follows, and its children are forked from it
    from support import following_app
    processes = [context.Process(target=following_app.process, args=(1,)) for _ in range(3)]
    for process in processes:
        process.start()
    files.edit(A=1)
    for process in processes:
        process.join(40)
    print([process.exitcode for process in processes], len(list(Path.cwd().glob("seen-by-*"))))
"""


def test_a_forkserver_that_follows_itself(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(FORKSERVER)
    tests = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(program)],
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tests)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "[0, 0, 0] 3\n", done.stderr


class TestSubprocesses:
    def test_they_pay_nothing(self, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[str] = []
        os.register_at_fork(before=lambda: told.append("a fork"))
        assert subprocess.run(["true"], check=True).returncode == 0
        assert not told

    def test_with_a_preexec_fn(self, files: Files, live: Live, tmp_path: Path) -> None:
        before = descriptors()
        shown = subprocess.run(
            ["sh", "-c", "ls -l /proc/self/fd; pwd"],
            preexec_fn=lambda: os.chdir(tmp_path),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert "anon_inode" not in shown
        assert shown.splitlines()[-1] == str(tmp_path.resolve())
        assert descriptors() == before
        files.edit(A=1)
        assert sees(live, 1) == (2, True)

    def test_what_is_executed_in_the_place_of_the_child_inherits_nothing(self, live: Live) -> None:
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            os.dup2(write, 1)
            os.execvp("ls", ["ls", "-l", "/proc/self/fd"])
        os.close(write)
        os.waitpid(pid, 0)
        with os.fdopen(read) as stream:
            shown = stream.read()
        assert "pipe" in shown
        assert "anon_inode" not in shown


EXITS = """
import logging, os, sys, threading
from contextlib import contextmanager
from pathlib import Path
from support.forking import Files, Settings, sees

logging.basicConfig(stream=sys.stderr)
files = Files(Path.cwd())
live = files.start()
handle = live.on_change(lambda change: None)
changes = live.changes()
threading.Thread(target=lambda: list(changes), daemon=True).start()

@contextmanager
def build(settings):
    try:
        yield settings.A
    finally:
        print("closed in the", "parent" if os.getpid() == parent else "child", flush=True)

parent = os.getpid()
block = live.resource(build, "B")
resource = block.__enter__()
pid = os.fork()
if not pid:
    assert resource.current == 0
    files.edit(A=1)
    sees(live, 1)
    block.__exit__(None, None, None)
    sys.exit(7)  # as the workers of gunicorn do: the interpreter ends in the usual way
_, status = os.waitpid(pid, 0)
print("the child has ended with", os.waitstatus_to_exitcode(status), flush=True)
sees(live, 1)
block.__exit__(None, None, None)
"""


def test_a_child_that_ends_in_the_usual_way_says_nothing(tmp_path: Path) -> None:
    command = python(EXITS, tmp_path)
    command[1:1] = ["-X", "dev", "-W", "ignore::DeprecationWarning"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == [
        "closed in the child",
        "the child has ended with 7",
        "closed in the parent",
    ], done.stderr
    assert done.returncode == 0
    assert not [line for line in done.stderr.splitlines() if "took" not in line]


DAEMON = """
import os, sys
from pathlib import Path
from support.forking import Files, sees

files = Files(Path.cwd())
live = files.start()
os.setsid() if os.getpid() != os.getpgrp() else None
if os.fork():
    os._exit(0)
if os.fork():  # at once, before the child can have begun
    os._exit(0)
files.edit(A=1)
print(sees(live, 1), flush=True)
"""


def test_a_daemon_forks_twice(tmp_path: Path) -> None:
    done = subprocess.run(python(DAEMON, tmp_path), check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout == "(2, True)\n", done.stderr
