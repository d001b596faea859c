"""Signals stop a block, do something else while that is asked for, and in the end kill what hangs."""

from __future__ import annotations

import signal
import subprocess
import sys

import anyio
import anyio.lowlevel
import pytest

from integr8scode import stopping as stopping_module
from integr8scode.stopping import SIGNALS, shielded, stopping


@pytest.mark.anyio
@pytest.mark.parametrize("number", SIGNALS)
async def test_the_block_is_cancelled(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with anyio.fail_after(30), stopping():
        signal.raise_signal(number)
        await anyio.sleep_forever()
    assert signal.getsignal(number) in (before, signal.SIG_DFL)


@pytest.mark.anyio
async def test_something_else_may_be_done_instead() -> None:
    received: list[int] = []
    with anyio.fail_after(30), stopping() as signals:
        with signals.instead(received.append):
            signal.raise_signal(signal.SIGTERM)
            while not received:
                await anyio.lowlevel.checkpoint()
        signal.raise_signal(signal.SIGINT)
        await anyio.sleep_forever()
    assert received == [signal.SIGTERM]


@pytest.mark.anyio
async def test_what_is_held_around_stands_until_the_inside_has_been_left() -> None:
    left: list[str] = []
    with anyio.fail_after(30), stopping() as signals:
        try:
            with anyio.CancelScope() as scope, signals.inside(scope):
                signal.raise_signal(signal.SIGTERM)
                try:
                    await anyio.sleep_forever()
                finally:
                    left.append("inside")
            await anyio.lowlevel.checkpoint()  # nobody is cancelled here
            signal.raise_signal(signal.SIGTERM)
            await anyio.sleep_forever()
        finally:
            left.append("around")
    assert left == ["inside", "around"]


@pytest.mark.anyio
async def test_what_the_block_raises_is_left_alone() -> None:
    with pytest.raises(LookupError), stopping():
        raise LookupError


@pytest.mark.anyio
async def test_a_signal_limits_what_is_shielded_already_and_what_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping_module, "FINISHING", 0.3)
    monkeypatch.setattr(stopping_module, "CLOSING", 0.3)
    cut: list[str] = []

    async def shield(name: str, once_stopping: float) -> None:
        with shielded(once_stopping=once_stopping) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        cut.append(name)

    with anyio.fail_after(30):
        began = anyio.current_time()
        with stopping():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(shield, "never longer than both steps", 3600)
                tasks.start_soon(shield, "of its own limit", 0.2)
                await anyio.wait_all_tasks_blocked()
                signal.raise_signal(signal.SIGTERM)
                try:
                    await anyio.sleep_forever()
                finally:
                    await shield("begun later", 0.4)
        assert 0.6 <= anyio.current_time() - began < 3
    assert cut == ["of its own limit", "begun later", "never longer than both steps"]


@pytest.mark.anyio
async def test_without_a_signal_a_shield_has_its_own_limit_only() -> None:
    with stopping(), anyio.CancelScope() as cancelled:
        cancelled.cancel()
        with shielded(once_stopping=0.01):
            await anyio.sleep(0.1)
        with shielded(0.05) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught


HANGS = """
import anyio
from integr8scode.stopping import stopping

async def main():
    with stopping():
        print("here", flush=True)
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                print("closing", flush=True)
                await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_the_second_one_kills_what_hangs(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", HANGS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(number)
        assert process.stdout.readline() == "closing\n"
        process.send_signal(number)
        assert process.wait(30) == -number
