"""`show`, `explain` and `diff`: what is in effect, where it comes from, and what would differ."""

import gc
import math
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text
from support.command import CLASS, Result, Run

from hotsettings._layers import file as layer_files
from hotsettings._layers.file import FileLayer, fetch
from hotsettings._layers.layer import Document
from hotsettings._layers.toml import keys
from hotsettings.cli import output
from hotsettings.errors import NO_PROBLEMS, Problems


def problems(result: Result) -> list[str]:
    return [problem["key"] for problem in result.json()["problems"]]


def test_show_is_toml_with_origins(run: Run) -> None:
    result = run("show", CLASS, "--override", "worker.toml")
    assert result == (
        0,
        (
            "# Core\n"
            'NAME = "worker"  # worker.toml:1:8\n'
            "# TOKEN = ********  # secrets.toml:1:9\n"
            'LEVEL = "low"  # default\n'
            "RATE = 0.5  # default\n"
            "# PROXY = not set  # default\n"
            "# Storage\n"
            'db.host = "localhost"  # default\n'
            "db.port = 5433  # config.toml:2:11\n"
            "# db.password = not set  # default\n"
            'LABELS.tier = "one"  # default\n'
            "# KEYS = ********  # default\n"
            "WORKERS = 2  # worker.toml:2:11\n"
        ),
        "",
    )
    assert tomllib.loads(result.out)["db"] == {"host": "localhost", "port": 5433}


def test_show_json(run: Run) -> None:
    found = run("show", CLASS, "--json").json()
    place = {"layer": "base", "file": "config.toml", "line": 1, "column": 8, "kind": "layer"}
    assert found["NAME"] == {"value": "shop", **place}
    assert found["TOKEN"]["value"] == "********"
    nowhere = {"layer": "default", "file": None, "line": None, "column": None, "kind": "default"}
    assert found["PROXY"] == {"value": None, **nowhere}
    assert found["LABELS.tier"]["value"] == "one"


def test_what_the_secrets_file_says_is_masked_even_if_not_declared(run: Run, folder: Path) -> None:
    (folder / "secrets.toml").write_text('TOKEN = "open-sesame"\nNAME = "hush"\n', encoding="utf-8")
    assert "# NAME = ********  # secrets.toml:2:8\n" in run("show", CLASS).out


def test_explain(run: Run) -> None:
    assert run("explain", CLASS, "NAME", "--override", "worker.toml") == (
        0,
        (
            "NAME\n"
            '  → "worker"  override  worker.toml:1:8\n'
            '    "shop"    base      config.toml:1:8\n'
            '    "demo"    default\n'
        ),
        "",
    )
    assert run("explain", CLASS, "PROXY").out == "PROXY\n  → not set  default\n"
    assert run("explain", CLASS, "TOKEN").out == "TOKEN\n  → ********  secrets  secrets.toml:1:9\n"
    assert run("explain", CLASS, "LABELS.tier").out == 'LABELS.tier\n  → "one"  default\n'


def test_explain_json(run: Run) -> None:
    found = run("explain", CLASS, "db.port", "--json").json()
    assert found["key"] == "db.port"
    assert [(entry["value"], entry["live"], entry["layer"]) for entry in found["entries"]] == [
        (5433, True, "base"),
        (5432, False, "default"),
    ]


@pytest.mark.parametrize(
    ("key", "hint"),
    [("NAM", "; did you mean NAME?"), ("port", "; did you mean db.port?"), ("xyz", ""), ("a b", ""), ("", "")],
)
def test_explain_an_unknown_key(run: Run, key: str, hint: str) -> None:
    result = run("explain", CLASS, key)
    assert (result.code, result.out) == (2, "")
    assert result.err.endswith(f"Error: Settings has no key {key}{hint}\n")


def test_explain_a_key_that_no_layer_sets(run: Run) -> None:
    result = run("explain", CLASS, "LABELS.nothing")
    assert (result.code, result.out) == (1, "")
    assert "LABELS.nothing: no layer sets it, and it has no default" in result.err
    assert problems(run("explain", CLASS, "LABELS.nothing", "--json")) == ["LABELS.nothing"]


def test_diff(run: Run) -> None:
    assert run("diff", CLASS, "--to-override", "worker.toml") == (
        0,
        (
            "NAME\n"
            '  - "shop"  # config.toml:1:8\n'
            '  + "worker"  # worker.toml:1:8\n'
            "WORKERS  needs a restart\n"
            "  - 4  # default\n"
            "  + 2  # worker.toml:2:11\n"
        ),
        "",
    )
    assert run("diff", CLASS).out == "No difference.\n"
    same = run("diff", CLASS, "--override", "worker.toml", "--to-override", "worker.toml")
    assert same.out == "No difference.\n"
    backwards = run("diff", CLASS, "--override", "worker.toml", "--to-override", "")
    assert '  - "worker"  # worker.toml:1:8\n  + "shop"  # config.toml:1:8\n' in backwards.out


def test_a_file_of_both_sides_is_read_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []

    def counted(layer: FileLayer) -> bytes | None:
        fetched.append(layer.label)
        return fetch(layer)

    monkeypatch.setattr(layer_files, "fetch", counted)
    assert run("diff", CLASS, "--to-override", "worker.toml").code == 0
    assert sorted(fetched) == ["config.toml", "secrets.toml", "worker.toml"]


@pytest.mark.parametrize(
    ("command", "prints"),
    [
        (["show", CLASS], "commands.show.as_toml"),
        (["show", CLASS, "--json"], "commands.show.as_json"),
        (["explain", CLASS, "db.port"], "commands.explain.as_text"),
        (["diff", CLASS], "changes.as_text"),
        (["check", CLASS], "commands.check.warnings"),
    ],
)
def test_nothing_is_collected_while_a_command_works(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: list[str], prints: str
) -> None:
    enabled: list[bool] = []

    def noted(*_: object) -> Problems:
        enabled.append(gc.isenabled())
        return NO_PROBLEMS

    monkeypatch.setattr(f"hotsettings.cli.{prints}", noted)
    assert run(*command).code == 0
    assert enabled == [False]
    assert gc.isenabled()


class TestBounded:
    """Files of many keys: work is done only for what is shown, and rich does nothing for a pipe."""

    MANY = 3_000

    @pytest.fixture
    def located(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[keys.Path]:
        """The paths whose places are looked for. The files have many keys."""
        text = "".join(f"k{number} = 'a'\n" for number in range(self.MANY))
        (folder / "config.toml").write_text(f"[LABELS]\n{text}", encoding="utf-8")
        with (folder / "secrets.toml").open("a", encoding="utf-8") as file:
            file.write(f"[LABELS]\n{text.replace('k', 's')}")
        (folder / "one.toml").write_text("LABELS.k7 = 'b'\n", encoding="utf-8")
        found, locate = list[keys.Path](), Document.locate

        def counted(document: Document, paths: Iterable[Any]) -> Any:
            asked = list(paths)
            found.extend(asked)
            return locate(document, asked)

        monkeypatch.setattr(Document, "locate", counted)
        return found

    def test_a_difference_of_one_key(self, run: Run, located: list[keys.Path]) -> None:
        assert "LABELS.k7\n" in run("diff", CLASS, "--to-override", "one.toml").out
        assert len(located) <= 2

    def test_more_warnings_than_are_kept(self, run: Run, located: list[keys.Path]) -> None:
        found = run("check", CLASS, "--json").json()
        assert found["total_warnings"] == self.MANY
        assert len(found["warnings"]) == 1000
        assert len(located) < 1100

    @pytest.mark.usefixtures("located")
    def test_a_pipe(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise AssertionError

        monkeypatch.setattr(Console, "print", refuse)
        lines = run("diff", CLASS, "--to-config", "worker.toml").out.splitlines()
        assert len(lines) > 3 * self.MANY

    def test_rich_would_write_the_same(self, capsys: pytest.CaptureFixture[str]) -> None:
        text = Text.assemble(("bold\tand\x07 long " * 40, "bold"), " caf\u00e9\n")
        output.console().print(text)
        fast = capsys.readouterr().out
        Console(highlight=False, soft_wrap=True).print(text)
        assert capsys.readouterr().out == fast


def test_diff_json(run: Run, folder: Path) -> None:
    assert run("diff", CLASS, "--json").json() == {}
    (folder / "other.toml").write_text("TOKEN = 'open-barley'\n", encoding="utf-8")
    found = run("diff", CLASS, "--to-secrets", "other.toml", "--json").json()
    assert list(found) == ["TOKEN"]
    assert found["TOKEN"]["new"]["value"] == "********"
    assert found["TOKEN"]["new"]["file"] == "other.toml"


@pytest.mark.parametrize(
    "command",
    [["show", CLASS], ["explain", CLASS, "NAME"], ["diff", CLASS], ["diff", CLASS, "--to-config", "bad.toml"]],
)
def test_files_that_are_not_valid(run: Run, folder: Path, command: list[str]) -> None:
    (folder / "bad.toml").write_text("RATE = -1\n", encoding="utf-8")
    if "bad.toml" not in command:
        command = [*command, "--config", "bad.toml"]
    result = run(*command)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("Invalid settings: 1 problem\n  bad.toml:1:8  RATE: expected float >= 0.0\n")
    as_json = run(*command, "--json")
    assert (as_json.code, as_json.err) == (1, "")
    assert problems(as_json) == ["RATE"]


def test_a_name_that_is_no_text(run: Run, folder: Path) -> None:
    name = b"caf\xe9.toml".decode("utf-8", "surrogateescape")
    try:
        (folder / "config.toml").rename(folder / name)
    except OSError:
        pytest.skip("this file system takes Unicode only")
    assert run("show", CLASS, "--config", name, "--json").json()["NAME"]["file"] == r"caf\udce9.toml"
    for command in (["show", CLASS], ["check", CLASS], ["explain", CLASS, "NAME"]):
        assert r"caf\udce9.toml" in run(*command, "--config", name).out


def test_what_the_module_prints_is_no_part_of_the_output(run: Run, folder: Path) -> None:
    app = (folder / "demo_app.py").read_text(encoding="utf-8")
    (folder / "chatty_app.py").write_text(f"print('hello')\n{app}", encoding="utf-8")
    result = run("show", "chatty_app:Settings", "--json")
    assert result.json()["NAME"]["value"] == "shop"
    assert result.err == "hello\n"


def test_numbers_that_json_does_not_have(run: Run, folder: Path) -> None:
    (folder / "config.toml").write_text("RATE = inf\n", encoding="utf-8")
    assert run("show", CLASS, "--json").json()["RATE"]["value"] == "inf"
    assert run("explain", CLASS, "RATE", "--json").json()["entries"][0]["value"] == "inf"
    assert tomllib.loads(run("show", CLASS).out)["RATE"] == math.inf


def test_sets_are_shown_in_one_order(run: Run, folder: Path) -> None:
    app = (folder / "demo_app.py").read_text(encoding="utf-8")
    names = ", ".join(f'"n{number}"' for number in range(8))
    (folder / "sets_app.py").write_text(f"{app}    HOSTS: frozenset[str] = frozenset({{{names}}})\n", encoding="utf-8")
    assert f"HOSTS = [{names}]  # default\n" in run("show", "sets_app:Settings").out
    assert f"  → [{names}]  default\n" in run("explain", "sets_app:Settings", "HOSTS").out
    (folder / "worker.toml").write_text(f"HOSTS = [{names}, 'm']\n", encoding="utf-8")
    assert f'HOSTS = ["m", {names}]' in run("show", "sets_app:Settings", "--override", "worker.toml").out


_BASES = """
from collections.abc import Mapping
from msgspec import Struct
from hotsettings import BaseSettings, Renamed, Secret
from typing import Annotated

class Mount(Struct, frozen=True):
    mode: int = 0

class Settings(BaseSettings):
    mode: Annotated[int, Renamed("umask")] = 0
    pair: tuple[int, int] = (0, 0)
    bits: frozenset[int] = frozenset()
    mounts: tuple[Mount, ...] = ()
    by_name: Mapping[str, Mount] = {}
    text: str = ""
    ready: bool = False
    pin: Secret[int] = 0
"""


def test_integers_are_shown_in_the_base_in_which_the_file_has_them(run: Run, folder: Path) -> None:
    (folder / "bases_app.py").write_text(_BASES, encoding="utf-8")
    config = (
        'umask = 0o755\npair = [2, 0b1]\nbits = [0xFF, 0x1_0, 9]\ntext = "0x10"\nready = true\nby_name.tmp.mode = 0x1\n'
    )
    (folder / "config.toml").write_text(f"{config}[[mounts]]\nmode = 0o20\n[[mounts]]\nmode = 16\n", encoding="utf-8")
    (folder / "secrets.toml").write_text("pin = 0x1234\n", encoding="utf-8")
    (folder / "other.toml").write_text("mode = 0x1ed\n", encoding="utf-8")
    cls = "bases_app:Settings"
    shown = run("show", cls).out
    assert [line.partition("  #")[0] for line in shown.splitlines()] == [
        "mode = 0o755",
        "pair = [2, 0b1]",
        "bits = [9, 0x1_0, 0xFF]",
        "mounts = [{ mode = 0o20 }, { mode = 16 }]",
        "by_name.tmp.mode = 0x1",
        'text = "0x10"',
        "ready = true",
        "# pin = ********",
    ]
    assert run("show", cls, "--json").json()["mode"]["value"] == 0o755
    assert (
        "→ 0x1ed  override  other.toml:1:8\n    0o755  base "
        in run("explain", cls, "mode", "--override", "other.toml").out
    )
    assert "→ { tmp = { mode = 0x1 } }  base " in run("explain", cls, "by_name").out
    assert run("explain", cls, "mode", "--json").json()["entries"][0]["value"] == 0o755
    different = run("diff", cls, "--to-config", "other.toml").out
    assert "mounts[0].mode\n  - 0o20  # config.toml:8:8\n  + not set\n" in different
