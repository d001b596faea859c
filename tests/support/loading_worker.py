"""Loads settings from files that it is told of, one load after the other, in a process that may die of it.

Started as a script. For each line on its standard input, with three paths or nulls and the stacks to load on, it answers with
one line: what came of it on each, and the seconds and the memory that it took.
"""

import faulthandler
import json
import os
import sys
import threading
import time
from typing import Any

import toml_rs

from hotsettings import SettingsError
from integr8scode.settings import Settings


def loaded(config: str, secrets: str | None, override: str | None) -> dict[str, Any]:
    """Load, print the error if there is one, and tell what happened."""
    pace = slowness()
    before = peak()
    start = time.thread_time()
    try:
        shown = repr(Settings(config, secrets_path=secrets or None, override_path=override))
        outcome = "Settings"
    except SettingsError as error:
        shown = f"{error}\n{error!r}"
        outcome = type(error).__name__
        chained = error.__context__ is not None or error.__cause__ is not None
        if chained or not error.problems or len(shown) > 1_000_000:
            outcome = f"bad {outcome}: {shown[:500]}"
    except BaseException as error:
        shown = outcome = f"{type(error).__name__}: {str(error)[:500]}"
    seconds = time.thread_time() - start
    return {
        "outcome": outcome,
        "seconds": seconds,
        "pace": max(pace, slowness()),
        "memory": peak() - before,
        "shown": shown[:200_000],
    }


def slowness() -> float:
    """How much slower this machine is right now than the one that the limits were measured on, or 1 if it is not."""
    start = time.thread_time()
    values = toml_rs.loads(SAMPLE)["a"]
    sorted(f"{key}.{value}" for key, value in values.items())
    return max(1.0, (time.thread_time() - start) / 0.0009)


SAMPLE = "".join(f"[a.b{number}]\nk = {number}\n" for number in range(1000))


def peak() -> int:
    """The most memory this process has had, in bytes."""
    if sys.platform == "win32":
        return 0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def on_a_small_stack(paths: list[Any]) -> dict[str, Any]:
    results: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: results.append(loaded(*paths)))
    thread.start()
    thread.join()
    return results[0]


def answer(paths: list[Any], stacks: list[str]) -> str:
    return json.dumps([on_a_small_stack(paths) if stack == "small" else loaded(*paths) for stack in stacks])


def main() -> None:
    faulthandler.enable()
    threading.stack_size(512 * 1024)
    for line in sys.stdin:
        asked = json.loads(line)
        if not hasattr(os, "fork"):
            print(answer(**asked), flush=True)
            continue
        # A process for each: its death is told, not shared, and so is its peak of memory.
        if (child := os.fork()) == 0:
            import resource

            resource.setrlimit(resource.RLIMIT_CPU, (60, 60))  # in seconds, so that nothing runs for ever
            print(answer(**asked), flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            print(json.dumps(f"died of {os.waitstatus_to_exitcode(status)}"), flush=True)


if __name__ == "__main__":
    main()
