"""`hotsettings watch` as a process whose output is read along."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLASS = "followed:Followed"


class Reader:
    """Lines of a process, each awaited for at most ten seconds."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self.process = process
        self._descriptor = process.stdout.fileno()
        self._rest = b""

    def line(self) -> str:
        deadline = time.monotonic() + 60  # a traced command on a busy machine takes long to begin
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._descriptor], [], [], deadline - time.monotonic())
            assert ready, f"nothing more was printed: {self._rest!r}"
            more = os.read(self._descriptor, 65536)
            assert more, f"it has ended: {self._rest!r}"
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()


def write(path: Path, text: str) -> None:
    written = path.with_name("new~")
    written.write_text(text, encoding="utf-8")
    os.replace(written, path)


@contextmanager
def watching(folder: Path, *options: str) -> Iterator[Reader]:
    command = [sys.executable, "-m", "hotsettings.cli", "watch", CLASS, *options]
    # A shell's background job would ignore the interrupt; a person's terminal does not.
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield Reader(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
