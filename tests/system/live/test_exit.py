"""How a process ends: when its main has ended, whatever hangs, and with the code that a callback has asked for."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import chosen_parser
from support.examples import covering
from support.traced import TRACED

LOOPS = {"asyncio": "{}", "trio": "{}", "uvloop": "{'use_uvloop': True}"}

START = """
import os, sys, threading, time
from pathlib import Path

import anyio

from hotsettings import BaseSettings

class Settings(BaseSettings):
    A: int = 0

Path("config.toml").write_text("A = 1")
"""

HANGS = """
nobody_writes, _ = os.pipe()
before = os.{call}
stuck = threading.Event()

def hangs(*arguments, **options):
    if threading.current_thread() is not threading.main_thread():
        stuck.set()
        os.read(nobody_writes, 1)  # in the kernel, as on a dead mount
    return before(*arguments, **options)

async def main():
    async with Settings.watch(settle=0.0, rescan_interval=0.1, watcher="poll") as live:
        os.{call} = hangs
        Path("config.toml").write_text("A = 2")
        while not stuck.is_set():
            await anyio.sleep(0.01)
        os.{call} = before
"""

HANGS_AT_THE_START = (
    HANGS[: HANGS.index("async def main")]
    + """
async def enter():
    async with Settings.watch():
        pass

async def main():
    os.{call} = hangs
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(enter)
        while not stuck.is_set():
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    os.{call} = before
"""
)

PROGRAMS = {"running": HANGS, "at the start": HANGS_AT_THE_START}

EXITS = """
async def main():
    async with Settings.watch(settle=0.0) as live:
        live.on_change(lambda change: sys.exit(7))
        Path("config.toml").write_text("A = 2")
        await live.reload()
        await live.wait_applied()
        print("the block went on")
"""

RUN = """
anyio.run(main, backend="{backend}", backend_options={options})
print("main has returned", time.time(), flush=True)
"""


def started(folder: Path, main: str, loop: str) -> subprocess.Popen[str]:
    run = RUN.replace("{backend}", "trio" if loop == "trio" else "asyncio").replace("{options}", LOOPS[loop])
    program = chosen_parser.use_it() + START + main + run
    return subprocess.Popen([sys.executable, "-c", program], cwd=folder, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("program", "call", "loop"), covering([*PROGRAMS], ["stat", "open"], [*LOOPS]))
def test_it_ends_though_a_check_hangs(tmp_path: Path, program: str, call: str, loop: str) -> None:
    with started(tmp_path, PROGRAMS[program].replace("{call}", call), loop) as process:
        try:
            assert process.wait(20) == 0
            took = time.time()
        finally:
            process.kill()
        assert process.stdout is not None
        words = process.stdout.read().split()
    assert words[:3] == ["main", "has", "returned"]
    assert took - float(words[3]) < (10.0 if TRACED else 1.0)  # what was measured is written at the end


@pytest.mark.parametrize("loop", LOOPS)
def test_it_ends_with_the_code_of_a_callback(tmp_path: Path, loop: str) -> None:
    with started(tmp_path, EXITS, loop) as process:
        assert process.stdout is not None
        assert process.stdout.read() == "the block went on\n"
        assert process.wait(20) == 7
