"""Every problem has a code; the codes are what `docs/errors.md` lists, and each of them is what some mistake leads to."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import anyio
import pytest
from msgspec import Meta

import hotsettings
from hotsettings import (
    BaseSettings,
    Deprecated,
    FolderLayer,
    Origin,
    Problem,
    Renamed,
    Secret,
    SettingsError,
)
from hotsettings._boundary import unforeseen
from hotsettings._layers.file import FileLayer
from hotsettings._layers.toml import parser
from hotsettings._live.reload import reloader
from hotsettings._loading.load import load as load_layers
from hotsettings._loading.load import read_all
from hotsettings._schema.schema import schema_of
from hotsettings.cli.secret_warnings import warnings
from hotsettings.errors import CODES

ROOT = Path(__file__).parents[2]
PACKAGE = Path(hotsettings.__file__).parent
IN_STORES = {code for code in CODES if re.match("store-|publish-|missing-(bucket|key|rev)|not-in-copy|unusable", code)}
"""They need a server, and are asserted where the mistakes are made: in `tests/system/nats`."""


class Settings(BaseSettings):
    NUMBER: Annotated[int, Meta(ge=1)] = 1
    NAME: Annotated[str, Meta(min_length=2, pattern="^[a-z]+$")] = "shop"
    LEVEL: Literal["low", "high"] = "low"
    WEIGHTS: Mapping[int, int] = {}
    KEY: bytes = b""
    TOKEN: Secret[str] = "of the class"
    NEW: Annotated[int, Renamed("OLD")] = 1
    GONE: Annotated[int, Deprecated("leave it out")] = 1

    def __post_init__(self) -> None:
        if self.NUMBER == 13:
            raise ValueError("13 brings bad luck")


class Required(BaseSettings):
    NAME: str


def of(work: Callable[[], object]) -> Sequence[Problem]:
    """The problems that something fails with."""
    with pytest.raises(SettingsError) as caught:
        work()
    return caught.value.problems


def load(text: str | bytes, cls: type[BaseSettings] = Settings, path: str = "config.toml") -> Sequence[Problem]:
    Path("config.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    return of(lambda: cls(path, secrets_path=None))


def folder(files: Mapping[str, str]) -> FolderLayer:
    path = Path("folder")
    path.mkdir()
    for name, content in files.items():
        (path / name).write_text(content)
    return FolderLayer(path)


def lost() -> Sequence[Problem]:
    path = Path("config.toml")

    async def watch() -> None:
        async with Settings.watch(secrets_path=None, settle=0.01) as live:
            await anyio.Path(path).write_text("")
            await live.reload()

    path.write_text("NUMBER = 2\n")
    return of(lambda: anyio.run(watch))


def still_written(monkeypatch: pytest.MonkeyPatch) -> Sequence[Problem]:
    monkeypatch.setattr(reloader, "_START_FAILS_AFTER", 0.0)

    async def watch() -> None:
        async with Settings.watch(secrets_path=None, settle=0.01):
            pass

    with Path("config.toml").open("a") as file:  # a writer that may go on
        file.write("NUMBER = 2\n")
        file.flush()
        return of(lambda: anyio.run(watch))


def without_parser(monkeypatch: pytest.MonkeyPatch) -> Sequence[Problem]:
    monkeypatch.setattr(parser, "_toml_rs", None)
    return load("NUMBER = 2")


def warned(config: str = "", secrets: str = "", *, mode: int = 0o600, git: Sequence[str] = ()) -> Iterable[Problem]:
    """What `check` warns of."""
    for command in git:
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *command.split()], check=True)
    Path("config.toml").write_text(config)
    Path("secrets.toml").write_text(secrets)
    Path("secrets.toml").chmod(mode)
    schema = schema_of(Settings)
    layers = [FileLayer("config.toml", name="base"), FileLayer("secrets.toml", name="secrets", secret=True)]
    return warnings(schema, read_all(schema, layers)).first


def warned_by_loading(config: str) -> Iterable[Problem]:
    Path("config.toml").write_text(config)
    return load_layers(schema_of(Settings), [FileLayer("config.toml")]).warnings.first


def in_git() -> Iterable[Problem]:
    Path("secrets.toml").write_text("")
    return warned(git=["init -q", "add secrets.toml"])


def broken_repository() -> Iterable[Problem]:
    Path(".git").write_text("gitdir: nowhere\n")
    return warned()


def explained() -> Sequence[Problem]:
    Path("app.py").write_text(
        "from collections.abc import Mapping\nimport hotsettings\n\n\n"
        "class Settings(hotsettings.BaseSettings):\n    LABELS: Mapping[str, str] = {}\n"
    )
    Path("config.toml").write_text("")
    command = [sys.executable, "-m", "hotsettings.cli", "explain", "app:Settings", "LABELS.x", "--json"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return [Problem("", "", Origin(""), code=code) for code in re.findall('"code": "(.*)"', said)]


MISTAKES: dict[str, Callable[[pytest.MonkeyPatch], Iterable[Problem]]] = {
    "missing-file": lambda _: load("", path="other.toml"),
    "not-a-file": lambda _: load("", path="."),
    "too-large": lambda _: load("#" * 1024 * 1025),
    "unreadable": lambda _: load("", path="config.toml/x"),
    "still-written": still_written,
    "lost-content": lambda _: lost(),
    "empty-folder": lambda _: of(lambda: Settings(layers=[folder({})])),
    "conflicting-keys": lambda _: of(lambda: Settings(layers=[folder({"NUMBER": "1", '"NUMBER"': "2"})])),
    "not-utf8": lambda _: load(b"\xff"),
    "invalid-toml": lambda _: load("NUMBER = = 1"),
    "duplicate-key": lambda _: load("NUMBER = 1\nNUMBER = 2"),
    "unsupported-toml": lambda _: load("NUMBER = 99999999999999999999"),
    "no-parser": without_parser,
    "unknown-key": lambda _: load("NUMBR = 1"),
    "wrong-key": lambda _: load("WEIGHTS = { a = 1 }"),
    "required": lambda _: load("", Required),
    "wrong-type": lambda _: load("NUMBER = '1'"),
    "out-of-range": lambda _: load("NUMBER = 0"),
    "wrong-length": lambda _: load("NAME = 'a'"),
    "no-match": lambda _: load("NAME = 'Shop'"),
    "not-an-option": lambda _: load("LEVEL = 'medium'"),
    "invalid-value": lambda _: load("KEY = '!'"),
    "rule": lambda _: load("NUMBER = 13"),
    "conflict": lambda _: load("OLD = 1\nNEW = 2"),
    "deprecated": lambda _: warned_by_loading("GONE = 2"),
    "renamed": lambda _: warned_by_loading("OLD = 2"),
    "misplaced-secret": lambda _: warned(config="TOKEN = 'x'"),
    "undeclared-secret": lambda _: warned(secrets="NUMBER = 2"),
    "exposed-file": lambda _: warned(mode=0o644),
    "in-git": lambda _: in_git(),
    "not-ignored": lambda _: warned(git=["init -q"]),
    "git-unknown": lambda _: broken_repository(),
    "not-set": lambda _: explained(),
    "unforeseen": lambda _: unforeseen(ValueError("x"), []).problems,
}


@pytest.mark.parametrize("code", sorted(set(CODES) - IN_STORES))
def test_a_mistake_has_its_code(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o700)
    assert code in {problem.code for problem in MISTAKES[code](monkeypatch)}


@pytest.mark.parametrize("code", sorted(IN_STORES))
def test_the_tests_of_stores_assert_the_others(code: str) -> None:
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert any(re.search(rf'code == "{code}"', text) for text in texts)


def test_every_problem_is_made_with_a_code() -> None:
    """The type checkers see that it is one of the list."""
    without = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                given = [*node.args[4:5], *(word.value for word in node.keywords if word.arg == "code")]
                if not given or (isinstance(given[0], ast.Constant) and given[0].value not in CODES):
                    without.append(f"{path.name}:{node.lineno}")
    assert without == []


def test_the_docs_list_every_code() -> None:
    listed = re.findall(
        r"^\| `([a-z0-9-]+)` \| .+ \|$", (ROOT / "docs/errors.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert listed == list(CODES)


READING = {
    *("partition", "rpartition", "split", "rsplit", "startswith", "endswith", "removeprefix", "removesuffix"),
    *("replace", "find", "index", "count"),
}
SENTENCES = {"message", "reason", "hint", "last_error", "heading", "rejection"}


def is_sentence(node: ast.expr) -> bool:
    """Whether it is a text of an error: ``problem.message``, ``str(error)``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str":
        return isinstance(node.args[0], ast.Name)
    return isinstance(node, ast.Attribute) and node.attr in SENTENCES


def reads_a_sentence(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return isinstance(node.ops[0], ast.In) and is_sentence(node.comparators[0])
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        lines = [ast.unparse(argument) for argument in node.args] == ["'\\n'"]
        return node.func.attr in READING and is_sentence(node.func.value) and not lines
    return False


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ('"required, but" in problem.message', True),
        ('rejection.reason.partition(":")[0]', True),
        ('str(error).startswith("no")', True),
        ('reason.split("\\n")', False),
        ('key in problem.keys or path.startswith("a")', False),
    ],
)
def test_this_test_sees_what_reads_a_sentence(text: str, reads: bool) -> None:
    assert any(map(reads_a_sentence, ast.walk(ast.parse(text)))) is reads


def test_no_part_of_the_program_reads_the_sentences_of_another() -> None:
    """What a message is about is in `code`, `by` and `kind`."""
    for path in (ROOT / "src").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert [f"{path.name}:{node.lineno}" for node in ast.walk(tree) if reads_a_sentence(node)] == []  # type: ignore[attr-defined]
