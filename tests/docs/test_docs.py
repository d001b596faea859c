"""Every code block in the documentation is run, and what it prints is what the page says it prints.

What is run depends on the language that is named at the fence:

- ``toml`` is parsed. If its first line is a comment with the name of a file, the block becomes this file.
- ``python`` is executed, all blocks of a page one after the other; it becomes a file in the same way.
- ``pycon`` is a session: what follows each ``>>>`` line is what it prints.
- ``console`` is a session in a shell: what follows each ``$`` line is what the command prints, errors included. A line
  ``...`` stands for any number of lines.
- ``json`` is parsed. ``sh`` is for commands that install or build things; only the targets of make in it are looked up.
  After one that begins with ``mkdir`` the page goes on in an empty folder.
- ``yaml``, ``ini`` and ``dockerfile`` are quotations: the first line is a comment with the name of a file of the
  repository, and the others stand in it, at any depth.

A page is run in a folder of its own, which has the files of the example application; for one that publishes there is a NATS
server. Run as a script (`make
docs-outputs`), this module writes the outputs of ``pycon`` and ``console`` blocks down as they are today.
"""

import contextlib
import doctest
import importlib
import io
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Generator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import toml_rs
from support import ROOT
from support.nats_server import Server

from hotsettings._layers.toml import parser as toml_parser

PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in (
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/**/*.md",
        "benchmarks/*.md",
        "examples/**/*.md",
    )
    for path in ROOT.glob(pattern)
)
# Run by tests/app/test_migrating.py: they show libraries that only the benchmarks bring.
WITH_PEERS = sorted(page for page in PAGES if page.startswith("docs/migrating-from-"))
# Run by tests/app/test_guides.py: they are about the example application, which the wheel's tests do not have.
GUIDES = ["docs/kafka.md", "docs/sse.md", "docs/tracing.md"]
# They quote help and usage errors, which typer writes in another way before 0.29.
QUOTES_TYPER = ["docs/command-line.md", "docs/errors.md"]
OLD_TYPER = tuple(map(int, version("typer").split(".")[:2])) < (0, 29)
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?P<more>[^\n]*)\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
FILE_NAME = re.compile(r"# ([\w./-]+\.(?:toml|py))$")
MOST_README_LINES = 120


class Block(NamedTuple):
    language: str
    code: str
    line: int


SHOWN_FOLDER = "/srv/app"
"""What pages say in place of the folder in which they are run."""


class Page:
    """One page, run from the top to the bottom."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        self._globals: dict[str, Any] = {"__name__": "page"}
        self._status = 0

    def rerun(self, text: str) -> str:
        """Run all blocks; give the page with the outputs that they have now."""
        return FENCE.sub(lambda match: self._block(match, text), text)

    def _block(self, match: re.Match[str], text: str) -> str:
        block = Block(match["language"], textwrap.dedent(match["code"]), text.count("\n", 0, match.start()) + 2)
        try:
            run = getattr(self, f"_{block.language}")
        except AttributeError:
            raise AssertionError(f"{self._name}:{block.line}: nobody knows how to run {block.language!r}") from None
        code = run(block)
        indented = textwrap.indent(code, match["indent"])
        return f"{match['indent']}```{match['language']}{match['more']}\n{indented}{match['indent']}```"

    def _save(self, code: str) -> None:
        if named := FILE_NAME.match(code.partition("\n")[0]):
            path = self._folder / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code, encoding="utf-8")
            importlib.invalidate_caches()

    def _toml(self, block: Block) -> str:
        toml_rs.loads(block.code)
        self._save(block.code)
        return block.code

    def _json(self, block: Block) -> str:
        json.loads(block.code)
        return block.code

    def _quotation(self, block: Block) -> str:
        name, _, quoted = block.code.partition("\n")
        lines = (ROOT / name.removeprefix("# ")).read_text(encoding="utf-8").splitlines(keepends=True)
        count = quoted.count("\n")
        parts = (textwrap.dedent("".join(lines[start : start + count])) for start in range(len(lines)))
        assert quoted in parts, f"{self._name}:{block.line}: this does not stand in {name}"
        return block.code

    _yaml = _ini = _dockerfile = _quotation

    def _python(self, block: Block) -> str:
        self._save(block.code)
        lines = "\n" * (block.line - 1)  # so that a traceback names the line of the page
        exec(compile(lines + block.code, str(ROOT / self._name), "exec"), self._globals)
        return block.code

    def _pycon(self, block: Block) -> str:
        examples = doctest.DocTestParser().get_examples(block.code)
        written = ""
        for example in examples:
            prompts = [">>> ", *["... "] * (example.source.count("\n") - 1)]
            for prompt, line in zip(prompts, example.source.splitlines(), strict=True):
                written += f"{prompt}{line}".rstrip() + "\n"
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                try:
                    exec(compile(example.source, f"{self._name}:{block.line}", "single"), self._globals)
                except Exception as error:
                    kind = type(error)
                    name = (
                        kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
                    )
                    print(f"Traceback (most recent call last):\n  ...\n{name}: {error}")
            written += self._as_shown(printed.getvalue())
        return written

    def _console(self, block: Block) -> str:
        written = ""
        for session in re.split(r"^(?=\$ )", block.code, flags=re.MULTILINE):
            if not session:
                continue
            assert session.startswith("$ "), f"{self._name}:{block.line}: a console block begins with a $ line"
            command, _, expected = session.partition("\n")
            printed = self._shell(command.removeprefix("$ "))
            written += f"{command}\n{expected if fits(expected, printed) else printed}"
        return written

    def _shell(self, command: str) -> str:
        script = f"(exit {self._status})\n{command}\n"
        environ = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "COLUMNS")}
        environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environ["PATH"]])
        environ["PYTHONIOENCODING"] = "utf-8"
        environ["PYTEST_ADDOPTS"] = "-p no:asyncio"  # it is there for one test, and warns of its settings
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=self._folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=60,
        )
        self._status = done.returncode
        return self._as_shown(done.stdout.decode())

    def _as_shown(self, printed: str) -> str:
        return printed.replace(os.path.realpath(self._folder), SHOWN_FOLDER).replace(str(self._folder), SHOWN_FOLDER)

    def _sh(self, block: Block) -> str:
        if block.code.startswith("mkdir "):
            for path in self._folder.iterdir():
                path.unlink()
        targets = (ROOT / "Makefile").read_text(encoding="utf-8")
        for target in re.findall(r"\bmake ([a-z-]+)", block.code):
            assert re.search(rf"^{target}:", targets, re.MULTILINE), (
                f"{self._name}:{block.line}: make has no target {target}"
            )
        return block.code


def fits(expected: str, printed: str) -> bool:
    """Whether a text is the expected one, in which a line ``...`` stands for any lines."""
    pattern = "".join(
        "(?:.*\n)*?" if line == "...\n" else re.escape(line) for line in expected.splitlines(keepends=True)
    )
    return re.fullmatch(pattern, printed) is not None


def files_of_the_application(folder: Path) -> None:
    for path in ROOT.glob("*.toml"):
        if path.name not in ("pyproject.toml", "secrets.toml"):
            shutil.copy(path, folder)
    shutil.copy(ROOT / "secrets.example.toml", folder / "secrets.toml")
    (folder / "secrets.toml").chmod(0o600)


@contextlib.contextmanager
def working_folder(folder: Path) -> Generator[None]:
    """Work in a folder that has the files of the example application, and leave nothing behind in this process."""
    files_of_the_application(folder)
    before, path, modules = Path.cwd(), sys.path[:], set(sys.modules)
    root, ours = logging.getLogger(), logging.getLogger("hotsettings")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        end_processes(folder)
        os.chdir(before)
        sys.path[:] = path
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        ours.setLevel(levels[1])
        for name in set(sys.modules) - modules:
            if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


def end_processes(folder: Path) -> None:
    """End what a page has started and written down in a file, but has not come to end, since it failed before."""
    for file in folder.glob("*.pid"):
        with contextlib.suppress(OSError, ValueError):
            number = int(file.read_text())
            if Path(f"/proc/{number}/cwd").readlink() == folder:
                os.kill(number, signal.SIGKILL)


@contextlib.contextmanager
def store_for(text: str) -> Generator[None]:
    """A NATS server while a page runs that publishes something."""
    if "$ hotsettings publish" not in text:
        yield
        return
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "server") as server:
        os.environ["NATS_URL"] = server.url
        try:
            yield
        finally:
            del os.environ["NATS_URL"]


@pytest.mark.skipif(sys.platform == "win32", reason="the sessions are those of a POSIX shell")
@pytest.mark.parametrize(
    "page",
    [
        # This page shows the messages of toml_rs.
        pytest.param(page, marks=[pytest.mark.toml_rs] if page == "docs/errors.md" else [])
        for page in PAGES
        if page not in (*WITH_PEERS, *GUIDES)
    ],
)
def test_a_page_does_what_it_says(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(toml_parser, "_parser", toml_parser._parser)  # a page may choose another one
    if page in QUOTES_TYPER and OLD_TYPER:
        pytest.skip("another version of typer writes other usage lines")
    text = (ROOT / page).read_text(encoding="utf-8")
    with working_folder(tmp_path), store_for(text):
        assert Page(page, tmp_path).rerun(text) == text, "if the page is wrong and not the code: make docs-outputs"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MOST_README_LINES


@pytest.mark.parametrize("page", [page for page in PAGES if page not in GUIDES])
def test_links_lead_somewhere(page: str) -> None:
    follow_links(page)


def follow_links(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\[[^\]\n]+\]\(([^)\s]+)\)", re.sub("`[^`]+`", "", FENCE.sub("", text))):
        if "://" not in target:
            file, _, anchor = target.partition("#")
            linked = (ROOT / page).parent / file if file else ROOT / page
            assert linked.exists(), target
            if anchor:
                headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}, target


SAMPLE = """
```python
# app.py
A = 1
```

```pycon
>>> A + 1
3
>>> raise ValueError("x")
```

```console
$ cat app.py && exit 3
...
A = 1
$ echo $?
0
```
"""


def test_wrong_outputs_are_found(tmp_path: Path) -> None:
    with working_folder(tmp_path):
        found = Page("sample", tmp_path).rerun(SAMPLE)
    right = SAMPLE.replace("3\n>>> raise", "2\n>>> raise").replace("$?\n0\n", "$?\n3\n")
    right = right.replace('("x")\n', '("x")\nTraceback (most recent call last):\n  ...\nValueError: x\n')
    assert found == right


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("```toml\na = \n```", "TOML parse error"),
        ("```json\n{\n```", "Expecting property name"),
        ("```python\n1 / 0\n```", "division by zero"),
        ("```rust\n```", "nobody knows how to run 'rust'"),
        ("```sh\nmake nonsense\n```", "make has no target nonsense"),
        ("```console\nls\n```", "begins with a"),
        ("```yaml\n# mkdocs.yml\nno: such line\n```", "does not stand in # mkdocs.yml"),
    ],
)
def test_blocks_that_are_wrong_are_found(tmp_path: Path, text: str, says: str) -> None:
    with working_folder(tmp_path), pytest.raises((Exception, AssertionError), match=re.escape(says)):
        Page("sample", tmp_path).rerun(text)


if __name__ == "__main__":
    for name in [page for page in PAGES if page not in WITH_PEERS]:
        file = ROOT / name
        before = file.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as scratch, working_folder(Path(scratch)), store_for(before):
            after = Page(name, Path(scratch)).rerun(before)
        if after != before:
            file.write_text(after, encoding="utf-8")
            print(f"{name}: written anew")
