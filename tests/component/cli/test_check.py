"""`hotsettings check`: what it finds, and how it says so."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.command import CLASS, Run

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

BROKEN = 'NAMES = "x"\nRATE = -1\n\n[db]\nport = "5433"\n'


def git(*args: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", *identity, *args], check=True, capture_output=True)


def test_good_files(run: Run) -> None:
    assert run("check", CLASS) == (0, "Valid: 2 from config.toml, 1 from secrets.toml, 8 by default\n", "")
    with_override = run("check", CLASS, "--override", "worker.toml")
    assert with_override.out == "Valid: 1 from config.toml, 1 from secrets.toml, 2 from worker.toml, 7 by default\n"


def test_all_problems_at_once(run: Run, folder: Path) -> None:
    (folder / "config.toml").write_text(BROKEN, encoding="utf-8")
    (folder / "secrets.toml").unlink()
    result = run("check", CLASS)
    assert result.code == 1
    assert result.err == ""
    assert result.out == (
        "Invalid settings: 4 problems\n"
        "  config.toml:1:1  NAMES: unknown key; did you mean NAME?\n"
        "  config.toml:2:8  RATE: expected float >= 0.0\n"
        "       2 | RATE = -1\n"
        "         |        ^^\n"
        "  config.toml:5:8  db.port: expected int, got str; write it without quotes\n"
        '       5 | port = "5433"\n'
        "         |        ^^^^^^\n"
        "  TOKEN: required, but not set in config.toml, secrets.toml (no such file); set it in secrets.toml\n"
    )


def test_json(run: Run, folder: Path) -> None:
    assert run("check", CLASS, "--format", "json").json() == {
        "problems": [],
        "total": 0,
        "warnings": [],
        "total_warnings": 0,
    }
    (folder / "config.toml").write_text("RATE = -1\n", encoding="utf-8")
    result = run("check", CLASS, "--format", "json")
    assert result.code == 1
    assert result.json()["problems"] == [
        {
            "key": "RATE",
            "code": "out-of-range",
            "message": "expected float >= 0.0",
            "hint": "",
            "layer": "base",
            "file": "config.toml",
            "line": 1,
            "column": 8,
            "kind": "layer",
            "excerpt": ["     1 | RATE = -1", "       |        ^^"],
        }
    ]


def test_very_many(run: Run, folder: Path) -> None:
    unknown = "".join(f"x{number} = 1\n" for number in range(1500))
    (folder / "config.toml").write_text(unknown, encoding="utf-8")
    text = run("check", CLASS).out.splitlines()
    assert (text[0], len(text)) == ("Invalid settings: 1500 problems; the first 100 are shown", 102)
    assert text[-1] == "  … and 1400 more"
    found = run("check", CLASS, "--format", "json").json()
    assert (len(found["problems"]), found["total"]) == (1000, 1500)
    assert len(run("check", CLASS, "--format", "github").out.splitlines()) == 101


def test_very_many_warnings(run: Run, folder: Path) -> None:
    unknown = "".join(f"x{number} = 1\n" for number in range(1500))
    (folder / "config.toml").write_text(unknown, encoding="utf-8")
    (folder / "secrets.toml").write_text('TOKEN = "open-sesame"\n', encoding="utf-8")
    (folder / "secrets.toml").chmod(0o600)
    (folder / "lenient.py").write_text(
        "from hotsettings import BaseSettings\n"
        "class Lenient(BaseSettings, forbid_unknown_fields=False):\n    TOKEN: str\n",
        encoding="utf-8",
    )
    text = run("check", "lenient:Lenient").out.splitlines()
    assert text[1] == "Warnings: 1501"
    assert text[-1] == "  … and 1401 more"
    found = run("check", "lenient:Lenient", "--format", "json").json()
    assert (found["total"], len(found["warnings"]), found["total_warnings"]) == (0, 1000, 1501)


def test_github(run: Run, folder: Path) -> None:
    (folder / "config.toml").write_text('NAMES = "x"\n', encoding="utf-8")
    (folder / "secrets.toml").write_text('TOKEN = "open-sesame"\nNAME = "x"\n', encoding="utf-8")
    result = run("check", CLASS, "--format", "github")
    assert result.code == 1
    assert result.out.splitlines() == [
        "Invalid settings: 1 problem",
        "::error file=config.toml,line=1,col=1,title=NAMES (unknown-key)::NAMES: unknown key; did you mean NAME?",
        (
            "::warning file=secrets.toml,line=2,col=1,title=NAME (undeclared-secret)::NAME: in the secrets file, but not "
            "declared Secret, so its repr shows it; declare it as Secret[...] or move it to another file"
        ),
    ]


def test_github_escapes_and_counts_from_the_root_of_the_checkout(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = folder / "deploy,1"
    below.mkdir()
    (below / "a:b.toml").write_text("RATE = -1\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(below)
    result = run("check", CLASS, "--config", "a:b.toml", "--secrets", "../secrets.toml", "--format", "github")
    assert "::error file=deploy%2C1/a%3Ab.toml,line=1,col=8,title=RATE (out-of-range)::" in result.out
    monkeypatch.setenv("GITHUB_WORKSPACE", str(below / "elsewhere"))
    result = run("check", CLASS, "--config", "a:b.toml", "--secrets", "../secrets.toml", "--format", "github")
    assert "::error file=a%3Ab.toml,line=1" in result.out


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_secrets_that_others_can_read(run: Run, folder: Path) -> None:
    (folder / "secrets.toml").chmod(0o644)
    result = run("check", CLASS)
    assert result.code == 0
    assert "Warnings: 1\n  secrets.toml  other users can read this secrets file; chmod 600 secrets.toml\n" in result.out


@needs_git
def test_secrets_that_git_tracks(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracked = "  secrets.toml  git tracks this secrets file; git rm --cached secrets.toml, ignore it, and change"
    git("init", "-q")
    git("add", "config.toml")
    git("commit", "-qm", "config")
    assert (
        "  secrets.toml  git does not ignore this secrets file; add secrets.toml to .gitignore"
        in run("check", CLASS).out
    )
    (folder / ".gitignore").write_text("secrets.*\n", encoding="utf-8")
    assert "Warnings" not in run("check", CLASS).out
    git("add", "-f", "secrets.toml")  # staged is enough: the next commit would publish it
    assert tracked in run("check", CLASS).out
    git("commit", "-qm", "oops")
    assert tracked in run("check", CLASS).out
    git("rm", "-q", "--cached", "secrets.toml")
    assert "git has this secrets file in its last commit (HEAD); commit its removal" in run("check", CLASS).out
    git("add", "-f", "secrets.toml")
    # A git hook has these in its environment; they are about another repository than that of the file.
    monkeypatch.setenv("GIT_DIR", str(folder / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(folder / "nothing"))
    assert tracked in run("check", CLASS).out


@needs_git
def test_what_counts_is_the_file_that_a_symlink_leads_to(run: Run, folder: Path) -> None:
    git("init", "-q")
    (folder / "mounted").mkdir()
    (folder / "secrets.toml").rename(folder / "mounted" / "real.toml")
    (folder / "secrets.toml").symlink_to("mounted/real.toml")
    git("add", "secrets.toml")
    assert "git tracks" not in run("check", CLASS).out
    git("add", "mounted/real.toml")
    assert "git tracks" in run("check", CLASS).out


@needs_git
def test_names_are_no_patterns_to_git(run: Run, folder: Path) -> None:
    git("init", "-q")
    (folder / "s1.toml").write_text("", encoding="utf-8")
    git("add", "s1.toml")
    (folder / "secrets.toml").rename(folder / "s[1].toml")
    assert "git tracks" not in run("check", CLASS, "--secrets", "s[1].toml").out


def test_without_git_nothing_is_tracked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert run("check", CLASS).code == 0


def test_keys_in_the_secrets_file_that_are_not_declared_secret(run: Run, folder: Path) -> None:
    text = 'TOKEN = "open-sesame"\nNAME = "x"\nLABELS.a = "b"\n[db]\nhost = "y"\npassword = "hidden"\n'
    (folder / "secrets.toml").write_text(text, encoding="utf-8")
    out = run("check", CLASS).out
    assert "  secrets.toml:2:1  NAME: in the secrets file, but not declared Secret" in out
    assert "  secrets.toml:5:1  db.host: in the secrets file, but not declared Secret" in out
    assert "LABELS.a: in the secrets file, but not declared Secret" in out
    assert "Warnings: 3\n" in out


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('TOKEN = "open-sesame"', "config.toml:1:9  TOKEN"),
        ('db.password = "p"', "config.toml:1:15  db.password"),
        ('[db]\npassword = "p"', "config.toml:2:12  db.password"),
        ('[KEYS]\na = "p"', "KEYS"),
        ('KEYS.a = "p"', "KEYS"),
        ('KEYS = { a = "p" }', "config.toml:1:8  KEYS"),
    ],
)
@pytest.mark.parametrize("also", ["", "RATE = -1\n"], ids=["valid", "invalid"])
def test_secrets_in_another_file_are_warned_of_loudly(run: Run, folder: Path, text: str, place: str, also: str) -> None:
    (folder / "config.toml").write_text(f"{text}\n" if not also else f"{also}{text}\n", encoding="utf-8")
    result = run("check", CLASS)
    assert result.code == bool(also)
    assert "Warnings: 1\n" in result.out
    assert "SECRET IN A FILE THAT IS NOT FOR SECRETS; move it to secrets.toml and change its value" in result.out
    if not also:
        assert place in result.out


def test_the_override_is_not_for_secrets_either(run: Run, folder: Path) -> None:
    (folder / "worker.toml").write_text('TOKEN = "open-sesame"\n', encoding="utf-8")
    result = run("check", CLASS, "--override", "worker.toml")
    assert "  worker.toml:1:9  TOKEN: SECRET IN A FILE THAT IS NOT FOR SECRETS" in result.out


def test_unknown_keys_that_the_class_tolerates_are_warnings(run: Run, folder: Path) -> None:
    app = "from hotsettings import BaseSettings\nclass Settings(BaseSettings, forbid_unknown_fields=False):\n    A: int = 1\n"
    (folder / "tolerant_app.py").write_text(app, encoding="utf-8")
    (folder / "config.toml").write_text("B = 1\n", encoding="utf-8")
    (folder / "secrets.toml").unlink()
    result = run("check", "tolerant_app:Settings")
    assert result == (0, "Valid: 1 by default\nWarnings: 1\n  config.toml:1:1  B: unknown key, ignored\n", "")


def test_unreadable_files(run: Run, folder: Path) -> None:
    (folder / "config.toml").unlink()
    (folder / "secrets.toml").write_text("TOKEN = \n", encoding="utf-8")
    result = run("check", CLASS)
    assert result.code == 1
    assert result.out.startswith(
        "Unreadable settings: 2 problems\n"
        f"  config.toml  no such file in {folder}; create it, or name the file to read with --config\n"
    )
    assert "  secrets.toml:1:9  not valid TOML" in result.out
    assert "no such file in " in (home := run("check", CLASS, "--config", "~/config.toml").out)
    assert "a ~ is not expanded" in home
    assert re.fullmatch(
        r"Unreadable settings: 2 problems\n"
        r"  \.  not a regular file but a directory; name the file in it\n"
        r"  secrets\.toml:1:9  not valid TOML: .+ \(line hidden\); .+\n",
        run("check", CLASS, "--config", ".").out,
    )


def test_a_module_that_loads_settings_as_it_is_imported(run: Run, folder: Path) -> None:
    app = (folder / "demo_app.py").read_text(encoding="utf-8")
    (folder / "eager_app.py").write_text(f"{app}\nsettings = Settings()\n", encoding="utf-8")
    assert run("check", "eager_app:Settings").code == 0
    (folder / "config.toml").write_text("RATE = -1\n", encoding="utf-8")
    (folder / "eager_too.py").write_text(f"{app}\nsettings = Settings()\n", encoding="utf-8")
    result = run("check", "eager_too:Settings", "--format", "json")
    assert result.code == 1
    assert [problem["key"] for problem in result.json()["problems"]] == ["RATE"]
    for command in ("show", "reference"):
        result = run(command, "eager_too:Settings")
        assert (result.code, result.out) == (1, "")
        assert result.err.startswith("Invalid settings: 1 problem\n  config.toml:1:8  RATE")


@pytest.mark.parametrize(("where", "colour"), [("config.toml", "\033[1;31m"), ("secrets.toml", "\033[1;33m")])
def test_a_secret_in_a_plain_file_is_loud(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, where: str, colour: str
) -> None:
    """Red, where what others may read is yellow."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    (folder / "secrets.toml").chmod(0o644)
    with (folder / where).open("a", encoding="utf-8") as file:
        file.write(
            '\n[db]\npassword = "open-sesame"\n' if where == "secrets.toml" else '\ndb.password = "open-sesame"\n'
        )
    warned = next(line for line in run("check", CLASS).out.splitlines() if "Warnings:" in line)
    assert colour in warned


def test_json_is_the_same_option_as_elsewhere(run: Run, folder: Path) -> None:
    (folder / "config.toml").write_text("RATE = -1\n", encoding="utf-8")
    result = run("check", CLASS, "--json")
    assert result == run("check", CLASS, "--format", "json")
    assert [problem["key"] for problem in result.json()["problems"]] == ["RATE"]
