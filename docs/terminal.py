"""Draw what the command line shows in a terminal, light and dark: python docs/terminal.py [FOLDER]. Needs a POSIX system."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
COLUMNS, LINES = 96, 40
COMMAND = Path(sys.executable).with_name("hotsettings")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
THEMES = {
    "light": TerminalTheme(
        (255, 255, 255),
        (28, 35, 48),
        [
            (28, 35, 48),
            (201, 42, 42),
            (25, 113, 60),
            (154, 91, 0),
            (25, 83, 175),
            (130, 50, 150),
            (11, 110, 120),
            (90, 99, 115),
        ],
    ),
    "dark": TerminalTheme(
        (27, 32, 42),
        (232, 234, 240),
        [
            (27, 32, 42),
            (255, 143, 143),
            (116, 214, 150),
            (245, 196, 94),
            (130, 175, 255),
            (215, 160, 240),
            (110, 215, 225),
            (232, 234, 240),
        ],
    ),
}
# The reader's own monospaced font: a picture fetches nothing from another host.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "Fira Code", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono"
)
LIGHT_EDGE, EDGE = 'stroke="rgba(255,255,255,0.35)"', 'stroke="rgba(128,128,128,0.6)"'
"""What can be seen on a dark page only, and on both."""


class Terminal:
    """A command in a terminal, and what it has printed so far."""

    def __init__(self, shown: int, process: subprocess.Popen[bytes]) -> None:
        self._shown = shown
        self.process = process
        self.text = ""

    def until(self, pattern: str) -> None:
        """Read until it has printed something, colours left aside."""
        ends = time.monotonic() + 60
        while not re.search(pattern, ANSI.sub("", self.text)):
            assert time.monotonic() < ends, self.text
            if select.select([self._shown], [], [], 1)[0]:
                self._read()

    def until_it_ends(self) -> None:
        """Read all of it."""
        with contextlib.suppress(OSError):  # how Linux tells that nobody writes any more
            while self._read():
                pass

    def _read(self) -> bytes:
        read = os.read(self._shown, 65536)
        self.text += read.decode().replace("\r\n", "\n")
        return read


@contextmanager
def terminal(folder: Path, *arguments: str) -> Iterator[Terminal]:
    """The real program, in a terminal of a fixed size."""
    shown, behind = pty.openpty()
    fcntl.ioctl(behind, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environ = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES")}
    environ |= {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(
        [COMMAND, *arguments], cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=behind, stderr=behind
    )
    os.close(behind)
    try:
        yield Terminal(shown, process)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        os.close(shown)


def blocks(language: str) -> dict[str, str]:
    """The files that the README shows."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(rf"```{language}\n# (\S+)\n(.*?)```", readme, re.DOTALL)
    return {name: f"# {name}\n{code}" for name, code in found}


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    other = file.with_name("edited")
    other.write_text(text.replace(old, new), encoding="utf-8")
    other.replace(file)


def session(folder: Path) -> str:
    """What a person sees who checks a broken file, and then watches a good and a bad edit."""
    files = {**blocks("toml"), **blocks("python")}
    config, secrets = folder / "config.toml", folder / "secrets.toml"
    (folder / "settings.py").write_text(files["settings.py"], encoding="utf-8")
    config.write_text(files["config.toml"].replace("TIMEOUT = 10", 'TIMEOUT = "5s"\nWORKER = 8'), encoding="utf-8")
    secrets.write_text('SECRET_KEY = "too short"\n', encoding="utf-8")
    secrets.chmod(0o600)
    with terminal(folder, "check", "settings:Settings") as check:
        check.until_it_ends()
    config.write_text(files["config.toml"], encoding="utf-8")
    secrets.write_text(files["secrets.toml"], encoding="utf-8")
    with terminal(folder, "watch", "settings:Settings") as watch:
        watch.until("Ctrl")
        replace(config, "TIMEOUT = 10", "TIMEOUT = 20")
        watch.until(r"config\.toml:2")
        replace(config, "TIMEOUT = 20", "TIMEOUT = 0")
        watch.until(r"\^\n")
    prompt = "\x1b[2m$\x1b[0m "
    return (
        f"{prompt}hotsettings check settings:Settings\n{check.text.rstrip()}\n\n"
        f"{prompt}hotsettings watch settings:Settings\n{watch.text.rstrip()}\n"
    )


def drawn(text: str, theme: TerminalTheme) -> str:
    """A terminal window as SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Text.from_ansi(text), soft_wrap=True)
    svg = console.export_svg(title="hotsettings", theme=theme, code_format=FORMAT, unique_id="terminal")
    return svg.replace(LIGHT_EDGE, EDGE)


def main(pictures: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        text = session(Path(scratch))
    for scheme, theme in THEMES.items():
        (pictures / f"terminal-{scheme}.svg").write_text(drawn(text, theme), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "docs" / "images")
