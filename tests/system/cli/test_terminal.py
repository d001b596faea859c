"""The installed command itself: on a terminal of some width, in a pipe, and completed by bash."""

import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import CLASS
from support.examples import first
from support.terminal import ESCAPE

COMMAND = str(Path(sys.executable).with_name("hotsettings"))
LONG = "word " * 30 + "unbroken" * 20

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")


@pytest.fixture
def environ(folder: Path) -> dict[str, str]:
    """What the command inherits: nothing that says how to colour or how wide to print."""
    (folder / "long.toml").write_text(f'PROXY = "{LONG}"\nRATE = "{LONG}"\n', encoding="utf-8")
    (folder / "fine.toml").write_text(f'PROXY = "{LONG}"\n', encoding="utf-8")
    wanted = ("PATH", "HOME", "PYTHONPATH")  # and what counts the lines that are covered
    kept = {name: value for name, value in os.environ.items() if name in wanted or name.startswith("COV")}
    path = os.pathsep.join([str(Path(COMMAND).parent), kept.get("PATH", os.defpath)])
    return {**kept, "PATH": path, "TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


def on_a_terminal(environ: dict[str, str], width: int, *args: str) -> str:
    """What a terminal gets to see."""
    import fcntl
    import pty
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    with subprocess.Popen([COMMAND, *args], stdin=slave, stdout=slave, stderr=slave, env=environ):
        os.close(slave)
        seen = b"".join(_chunks(master))
    os.close(master)
    return seen.decode().replace("\r\n", "\n")


def _chunks(master: int) -> Iterator[bytes]:
    try:
        while chunk := os.read(master, 65536):
            yield chunk
    except OSError:  # Linux says so at the end
        pass


def in_a_pipe(environ: dict[str, str], *args: str) -> str:
    done = subprocess.run([COMMAND, *args], env=environ, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


COMMANDS = [
    ["check", CLASS, "--config", "long.toml"],
    ["check", "--help"],
    ["show", CLASS, "--config", "fine.toml"],
    ["explain", CLASS, "PROXY", "--config", "fine.toml"],
    ["diff", CLASS, "--to-config", "fine.toml"],
]


@pytest.mark.parametrize("command", first(2, COMMANDS))
def test_on_a_terminal(environ: dict[str, str], command: list[str]) -> None:
    for width in (80, 200):
        seen = on_a_terminal(environ, width, *command)
        assert ESCAPE.search(seen)
        plain = ESCAPE.sub("", seen)
        assert max(map(len, plain.splitlines())) <= width
        assert len(plain) > 100
    uncoloured = on_a_terminal({**environ, "NO_COLOR": "1"}, 200, *command)
    if "--help" in command:  # then it is the page for a pipe
        assert uncoloured == in_a_pipe(environ, *command)
    else:
        assert uncoloured == plain


@pytest.mark.parametrize("command", first(2, COMMANDS))
def test_in_a_pipe(environ: dict[str, str], command: list[str]) -> None:
    seen = in_a_pipe({**environ, "COLUMNS": "40"}, *command)
    assert "\033" not in seen
    assert not set("─│┌━┃╭") & set(seen)
    if command[0] in ("show", "explain", "diff"):
        assert LONG in seen


def test_a_long_value_goes_on_below_itself(environ: dict[str, str]) -> None:
    seen = ESCAPE.sub("", on_a_terminal(environ, 60, "show", CLASS, "--config", "fine.toml"))
    lines = seen.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(" PROXY "))
    column = lines[start].index('"')
    assert [line[:column].strip() for line in lines[start : start + 4]] == ["PROXY", "", "", ""]
    shown = "".join(line[column:] for line in lines[start : start + 10]).replace(" ", "")
    assert f'"{LONG}"'.replace(" ", "") in shown


@pytest.mark.parametrize("position", first(1, ["last", "first"]))
def test_an_excerpt_shows_the_place_at_any_width(environ: dict[str, str], folder: Path, position: str) -> None:
    entries = [f'k{number} = "{number}"' for number in range(12)]
    entries.insert({"first": 0, "last": 12}[position], "bad = 12345")
    (folder / "long.toml").write_text(f"LABELS = {{ {', '.join(entries)} }}\n", encoding="utf-8")
    for width in (60, 100, 200):
        seen = ESCAPE.sub("", on_a_terminal(environ, width, "check", CLASS, "--config", "long.toml")).splitlines()
        carets = next(number for number, line in enumerate(seen) if "^" in line)
        assert max(map(len, seen)) <= width
        start, end = seen[carets].index("^"), seen[carets].rindex("^") + 1
        assert seen[carets - 1][start:end] == "12345"


def test_a_reader_that_has_seen_enough(environ: dict[str, str], folder: Path) -> None:
    big = "".join(f'k{number} = "{"x" * 90}"\n' for number in range(2000))
    (folder / "fine.toml").write_text(f"[LABELS]\n{big}", encoding="utf-8")
    for command in (
        ["show"],
        ["show", "--json"],
        ["explain", "LABELS"],
        ["schema"],
        ["diff", "--to-config", "fine.toml"],
    ):
        arguments = [command[0], CLASS, *command[1:]]
        if command[0] not in ("schema", "diff"):
            arguments += ["--config", "fine.toml"]
        with subprocess.Popen(
            [COMMAND, *arguments], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b"hotsettings: the output cannot be written: Broken pipe\n"
        assert process.returncode == 3


UNWRITABLE = [
    (">/dev/full", "hotsettings: the output cannot be written: No space left on device\n"),
    (">&-", "hotsettings: the output cannot be written: standard output is closed\n"),
    (">/dev/full 2>/dev/full", ""),
    (">/dev/full 2>&-", ""),
]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["--help", "--version", f"check {CLASS} --config bad.toml", f"template {CLASS}"])
def test_a_full_disk(environ: dict[str, str], folder: Path, command: str) -> None:
    (folder / "bad.toml").write_text("RATE = 'x'\n", encoding="utf-8")
    for streams, said in UNWRITABLE[: 1 if command == "--version" else None]:
        shell = ["sh", "-c", f"exec {COMMAND} {command} {streams}"]
        done = subprocess.run(shell, env=environ, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (3, "", said), streams


def test_a_terminal_that_is_not_unicode(environ: dict[str, str]) -> None:
    seen = on_a_terminal({**environ, "PYTHONIOENCODING": "ascii", "NO_COLOR": "1"}, 80, "explain", CLASS, "NAME")
    assert seen.startswith('NAME\n  \\u2192 "shop"')


@pytest.mark.parametrize("encoding", [{"PYTHONIOENCODING": "cp1252"}, {"LANG": "C", "PYTHONUTF8": "0"}], ids=str)
def test_what_is_written_to_a_file_is_utf_8(environ: dict[str, str], folder: Path, encoding: dict[str, str]) -> None:
    app = (folder / "demo_app.py").read_text(encoding="utf-8").replace("What it is called.", "Καλημέρα, žluť")
    (folder / "demo_app.py").write_text(app.replace('= "demo"', '= "κόσμε"'), encoding="utf-8")
    for command in (["template"], ["schema"], ["reference"]):
        done = subprocess.run([COMMAND, *command, CLASS], env={**environ, **encoding}, capture_output=True, check=True)
        assert "Καλημέρα, žluť" in done.stdout.decode()
        assert "κόσμε" in done.stdout.decode()


def test_python_m(environ: dict[str, str]) -> None:
    command = [sys.executable, "-m", "hotsettings.cli", "check", "--help"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: hotsettings check [OPTIONS]")


class Bash:
    """Completes a line the way an interactive bash does, with the script that the command itself gives."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ
        script = subprocess.run(
            [COMMAND, "--show-completion", "bash"],
            env={**environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        self._script = script.stdout

    def complete(self, line: str) -> list[str]:
        words = [word for word in re.split(r"(:)|\s", line) if word]  # bash splits at colons, too
        if line.endswith((" ", ":")):
            words.append("")
        function = re.search(r"complete .*-F (\S+) hotsettings", self._script)
        assert function is not None
        quoted = " ".join(f"'{word}'" for word in words)
        done = subprocess.run(
            [
                "bash",
                "--norc",
                "-c",
                f"""
                {self._script}
                COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}
                {function[1]} hotsettings
                printf '%s\\n' "${{COMPREPLY[@]}}"
            """,
            ],
            env=self._environ,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.split()


@pytest.mark.thorough  # an interactive bash, in test_completion.py, runs always
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_completion_in_bash(environ: dict[str, str], folder: Path) -> None:
    bash = Bash(environ)
    assert bash.complete("hotsettings ch") == ["check"]
    assert set(bash.complete("hotsettings ")) >= {"check", "show", "explain", "diff", "schema", "reference", "template"}
    assert bash.complete(f"hotsettings check {CLASS} --ov") == ["--override"]
    assert bash.complete(f"hotsettings check {CLASS} --format git") in ([], ["github"])
    assert bash.complete(f"hotsettings explain {CLASS} db.p") == ["db.port", "db.password"]
    assert bash.complete(f"hotsettings explain {CLASS} NA") == ["NAME"]
    assert "TOKEN" in bash.complete(f"hotsettings explain {CLASS} ")
    assert bash.complete("hotsettings explain no_such:Settings NA") == []
    (folder / "failing_app.py").write_text("print('noise')\nraise RuntimeError\n", encoding="utf-8")
    assert bash.complete("hotsettings explain failing_app:Settings NA") == []
