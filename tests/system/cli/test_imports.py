"""What the command imports: the class that it is told to, its own modules, and nothing else of the working directory."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import chosen_parser
from support.command import APP, CLASS
from support.examples import covering, first

from hotsettings._schema.schema import schema_of
from hotsettings.cli import completion
from hotsettings.cli import source_keys as outline

COMMAND = Path(sys.executable).with_name("hotsettings")
INSTALLED = {name for name in importlib.metadata.packages_distributions() if name.isidentifier()}
OURS = sorted({*INSTALLED, *sys.stdlib_module_names, "sitecustomize", "usercustomize", "conftest"} - {"demo_app"})
SHELLS = ("bash", "zsh", "fish", "powershell")


class Stranger:
    """A folder of somebody else: everything in it that could be imported leaves a mark when it is."""

    def __init__(self, folder: Path, marks: Path) -> None:
        self.folder = folder
        self.marks = marks
        for name in OURS:
            (folder / f"{name}.py").write_text(self._mark(name), encoding="utf-8")
        self.write("demo_app", chosen_parser.use_it() + APP)

    def write(self, name: str, source: str) -> None:
        (self.folder / f"{name}.py").write_text(self._mark(name) + source, encoding="utf-8")

    def _mark(self, name: str) -> str:
        return f"open({str(self.marks / name)!r}, 'w').close()\n"

    @property
    def run(self) -> set[str]:
        return {file.name for file in self.marks.iterdir()}

    def command(self, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.process([str(COMMAND), *args], **environ)

    def process(self, command: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("COV", "NATS"))}
        return subprocess.run(
            command, cwd=self.folder, env={**kept, **environ}, capture_output=True, text=True, check=False, timeout=60
        )

    def complete(self, shell: str, line: str) -> str:
        """What a press of Tab at the end of this line runs, and what it gets."""
        words = line.split(" ")
        environ = {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1), "_TYPER_COMPLETE_ARGS": line}
        environ |= {"_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_WORD_TO_COMPLETE": words[-1]}
        return self.command(_HOTSETTINGS_COMPLETE=f"complete_{shell}", **environ).stdout


@pytest.fixture
def stranger(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    return Stranger(folder, tmp_path_factory.mktemp("marks"))


@pytest.mark.parametrize("shell", first(1, SHELLS))
def test_a_press_of_tab_runs_nothing(stranger: Stranger, shell: str) -> None:
    assert "db.port" in stranger.complete(shell, f"hotsettings explain {CLASS} db.p")
    for line in (
        "hotsettings ",
        "hotsettings check dem",
        f"hotsettings check {CLASS} --",
        "hotsettings explain json:A ",
    ):
        stranger.complete(shell, line)
    assert stranger.run == set()


@pytest.mark.parametrize(
    ("args", "module"),
    covering([("check",), ("explain", "NAME"), ("show",), ("schema",), ("reference",), ("template",)], [False, True]),
)
def test_only_what_was_named_is_imported(stranger: Stranger, args: tuple[str, ...], module: bool) -> None:
    command = [sys.executable, "-P", "-m", "hotsettings.cli"] if module else [str(COMMAND)]
    done = stranger.process([*command, args[0], CLASS, *args[1:]])
    assert done.returncode == 0, done.stderr
    assert stranger.run == {"demo_app"}


def test_python_m_leaves_the_working_directory_as_soon_as_it_can(stranger: Stranger) -> None:
    """Python itself puts it first, so this is about what is imported after the library."""
    for name in OURS:
        if name not in ("rich", "typer", "pygments", "difflib"):
            (stranger.folder / f"{name}.py").unlink()
    done = stranger.process([sys.executable, "-m", "hotsettings.cli", "check", CLASS])
    assert done.returncode == 0, done.stderr
    assert stranger.run == {"demo_app"}


def test_stores_and_watchers_are_not_taken_from_there_either(stranger: Stranger) -> None:
    url = ("--url", "nats://127.0.0.1:1")
    done = stranger.command("publish", CLASS, "config.toml", "--dry-run", *url)
    assert "cannot be reached: connection refused" in done.stderr
    assert stranger.run == {"demo_app"}


def test_a_class_that_is_installed_needs_nothing_of_the_working_directory(stranger: Stranger, tmp_path: Path) -> None:
    library = tmp_path / "library"
    (library / "package").mkdir(parents=True)
    (library / "package" / "__init__.py").touch()
    source = APP.replace("import Mapping\n", "import Mapping\ntry:\n    import helper\nexcept ImportError:\n    pass\n")
    (library / "package" / "settings.py").write_text(source, encoding="utf-8")
    stranger.write("helper", "")
    (stranger.folder / "package").mkdir()  # a mere folder of the same name
    done = stranger.command("check", "package.settings:Settings", PYTHONPATH=str(library))
    assert done.returncode == 0, done.stderr
    assert stranger.run == set()


def test_the_class_of_the_checkout_comes_before_an_installed_one(stranger: Stranger, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "demo_app.py").write_text("", encoding="utf-8")
    stranger.write("helper", "")
    stranger.write("demo_app", f"import helper\n{APP}")
    done = stranger.command("check", CLASS, PYTHONPATH=str(library))
    assert done.returncode == 0, done.stderr
    assert stranger.run == {"demo_app", "helper"}


PLAIN = """
from typing import Annotated, ClassVar, Generic, Optional, TypeVar
import enum
from msgspec import Meta, Struct
from hotsettings import BaseSettings, RestartRequired, Secret
from parts.more import Pool as Connections, Port

T = TypeVar("T")

class Level(enum.Enum):
    LOW = "low"

class Limits(Struct, frozen=True):
    most: Annotated[int, Meta(description="Most of them.")] = 1
    again: "Optional[Limits]" = None

class Pair(Struct, frozen=True, array_like=True):
    a: int = 1

class Strict(Limits, frozen=True):
    least: int = 0

class Common(BaseSettings):
    NAME: Annotated[Secret[str], Meta(description="Its 'name'; `$(touch x)` [is] \\\\`it`.")] = ""

class Settings(Common):
    KIND: ClassVar[str] = ""
    LEVEL: Level = Level.LOW
    PORT: Port = 1
    limits: Limits = Limits()
    strict: RestartRequired[Annotated[Strict, Meta(description="x")]] = Strict()
    maybe: Limits | None = None
    other: Optional[Limits] = None
    quoted: "Limits" = Limits()
    several: tuple[Limits, ...] = ()
    pair: Pair = Pair()
    union: int | str = 1
    pool: Connections = Connections()

def made() -> None: ...
"""
MORE = """
from typing import Annotated
from msgspec import Meta, Struct
from .most import Size
Port = Annotated[int, Meta(description="A port.")]
class Pool(Struct, frozen=True):
    size: Size = 1
"""


def test_the_source_says_the_same_as_the_class(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    (folder / "parts").mkdir()
    (folder / "parts" / "__init__.py").touch()
    (folder / "parts" / "more.py").write_text(MORE, encoding="utf-8")
    (folder / "parts" / "most.py").write_text("Size = int\n", encoding="utf-8")
    (folder / "plain.py").write_text(PLAIN, encoding="utf-8")
    found = dict(outline.keys("plain:Settings"))
    import plain  # type: ignore[import-not-found]

    leaves = {leaf.key: leaf.description for leaf in schema_of(plain.Settings).leaves}
    assert list(found) == list(leaves)
    assert found.pop("NAME") == "Its 'name' ' touch x ' is 'it'.".replace("'", "\u2019")
    assert found == {key: text for key, text in leaves.items() if key != "NAME"}


ODD = [
    "Settings = make()",
    "from nowhere import Settings",
    "from plain import Settings",
    "Settings = Settings",
    "class Settings(Settings): A: int",
    "class Settings: A: 'Settings | None'\nclass Other(Settings): ...",
    "class Settings(Struct): A: 'Settings'",
    "Settings: int",
    "(" * 1000,
    "-" * 200_000,
    "\0",
    "class A(B): ...\nclass B(A): ...\nclass Settings(A): a: B",
    "A = 'B'\nB = 'A'\nclass Settings: a: A",
]


@pytest.mark.parametrize("source", ODD, ids=range(len(ODD)))
def test_no_source_is_too_odd(folder: Path, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "plain.py").write_text(source, encoding="utf-8")
    context: Any = SimpleNamespace(params={"settings_class": "plain:Settings"})
    assert {key for key, _ in completion.keys(context, "")} <= {"A", "a"}
    assert "plain" not in sys.modules
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("number", first(1, reversed(range(len(ODD)))))
def test_no_odd_source_is_run(stranger: Stranger, number: int) -> None:
    (stranger.folder / "plain.py").write_text(ODD[number], encoding="utf-8")
    assert set(stranger.complete("bash", "hotsettings explain plain:Settings ").split()) <= {"A", "a"}
    assert stranger.run == set()


def test_what_is_no_module(folder: Path) -> None:
    os.mkfifo(folder / "fifo.py")
    (folder / "folder").mkdir()
    for target in (
        "fifo:S",
        "folder:S",
        "folder.x:S",
        "demo_app.x:S",
        "sys:S",
        "none:S",
        "math:S",
        "demo_app:None",
        "x",
    ):
        assert outline.keys(target) == []
