"""How the command is called, what it says when that was wrong, and what its help tells."""

import logging
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from support.command import CLASS, Run

import hotsettings
from hotsettings.cli import main

COMMANDS = ["check", "show", "explain", "diff", "watch", "schema", "reference", "template"]
WITH_A_STORE = ["publish", "history", "rollback", "fleet"]


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"hotsettings {hotsettings.__version__}\n", "")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(run: Run, option: str) -> None:
    result = run(option)
    assert result.code == 0
    assert result.out.startswith("Usage: hotsettings [OPTIONS] COMMAND [ARGS]...\n")
    for command in COMMANDS + WITH_A_STORE:
        assert re.search(rf"^  {command} +[A-Z].*\.$", result.out, re.MULTILINE), "with its help, uncut"


@pytest.mark.parametrize("command", COMMANDS + WITH_A_STORE)
def test_help_of_a_command(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.code == 0
    assert result.out.startswith(f"Usage: hotsettings {command} [OPTIONS]")
    assert f"\n  Examples:\n    hotsettings {command}" in result.out
    assert max(map(len, result.out.splitlines())) <= 100
    assert not {"\033", "{", "│", "None"} & set(result.out.split())


def test_nothing_at_all_shows_the_help(run: Run) -> None:
    result = run()
    assert result.code == 2
    assert "Usage: hotsettings [OPTIONS] COMMAND" in result.out + result.err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["chekc"], "No such command 'chekc'"),
        (["check"], "Missing argument 'CLASS'"),
        (["explain", CLASS], "Missing argument 'KEY'"),
        (["check", CLASS, "--nonsense"], "No such option: --nonsense"),
        (["check", CLASS, "--format", "xml"], "'xml' is not one of 'text', 'json', 'github'"),
        (["check", "demo_app.py:Settings"], "'demo_app.py' is a path; did you mean demo_app:Settings?"),
        (["check", "nowhere.py:Settings"], "'nowhere.py' is a path; did you mean nowhere:Settings?"),
        (["check", "app/settings.py:Settings"], "'app/settings.py' is a path; did you mean app.settings:Settings?"),
        (["check", "app/settings:Settings"], "'app/settings' is a path; did you mean app.settings:Settings?"),
        (["check", "app/settings.py"], "'app/settings.py' is a path; write it as app.settings:Class"),
        (["check", "./app/__init__.py:S"], "'./app/__init__.py' is a path; did you mean app:S?"),
        (["check", "/nowhere/app.py:S"], "'/nowhere/app.py' is a path; did you mean package.module:S?"),
        (["check", "demo_app.Settings"], "'demo_app.Settings' does not name a class; did you mean demo_app:Settings?"),
        (["check", "no.such.app.Settings"], "does not name a class; did you mean no.such.app:Settings?"),
        (["check", "demo_app.App.Settings"], "does not name a class; did you mean demo_app:App.Settings?"),
        (["check", "Settings"], "does not name a class; write it as package.module:Class"),
        (["check", "demo_app.:Settings"], "does not name a class; write it as package.module:Class"),
        (["check", "demo_app..Settings"], "does not name a class; write it as package.module:Class"),
        (["check", "demo_app.settings"], "does not name a class; write it as package.module:Class"),
        (["check", "demo_app:settings"], "demo_app has no class settings; did you mean demo_app:Settings?"),
        (["check", CLASS, "--override", "a", "--override", "b"], "Option '--override' is given 2 times; give it once."),
        (["show", CLASS, "--config=a", "--json", "--config", "a"], "Option '--config' is given 2 times; give it once."),
        (["diff", CLASS, *["--to-secrets", "a"] * 3], "Option '--to-secrets' is given 3 times; give it once."),
        (["check", CLASS, "--override", ""], "'--override': the name is empty"),
        (["show", CLASS, "--config", ""], "'--config': the name is empty"),
        (["diff", CLASS, "--to-secrets", ""], "'--to-secrets': the name is empty"),
        (["publish", CLASS, "config.toml", "--with", ""], "'--with': the name is empty"),
        (["check", "demo_app"], "'demo_app' does not name a class; write it as package.module:Class"),
        (["check", ":Settings"], "write it as package.module:Class"),
        (["check", "demo_app:"], "write it as package.module:Class"),
        (["check", ".demo_app:Settings"], "write it as package.module:Class"),
        (["check", "demo_app:Setings"], "demo_app has no class Setings; did you mean demo_app:Settings?"),
        (["check", "demo_app:X"], "demo_app has no class X; did you mean demo_app:Settings?"),
        (["check", "demo_app:Database"], "Database is not a settings class; did you mean demo_app:Settings?"),
        (["check", "demo_app:BaseSettings"], "BaseSettings is not a settings class; did you mean demo_app:Settings?"),
        (["check", "json:Settings"], "json has no class Settings\n"),
        (["check", "no_such_app.settings:Settings"], "no module no_such_app in "),
        (["schema", "demo_app.inner:Settings"], "no module demo_app.inner in "),
    ],
)
def test_wrong_usage(run: Run, args: list[str], says: str) -> None:
    result = run(*args)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Usage: hotsettings ")
    assert says in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("name", ["tripwire_app.Settings", "tripwire_app.py:Settings", "tripwire_app.py"])
def test_nothing_is_imported_to_guess_what_was_meant(run: Run, folder: Path, name: str) -> None:
    (folder / "tripwire_app.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    result = run("check", name)
    assert result.code == 2
    assert "tripwire_app:" in result.err
    assert "imported" not in result.err


def test_an_option_that_takes_several_values_may_be_repeated(run: Run, folder: Path) -> None:
    result = run("publish", CLASS, "config.toml", "--with", "a.toml", "--with", "b.toml", "--dry-run", "--dry-run")
    assert "times; give it once" not in result.err


def test_a_class_inside_a_class(run: Run, folder: Path) -> None:
    app = "from hotsettings import BaseSettings\nclass App:\n    class Settings(BaseSettings):\n        A: int = 1\n"
    (folder / "nested_app.py").write_text(app, encoding="utf-8")
    assert '"A"' in run("schema", "nested_app:App.Settings").out


def test_a_module_that_fails(run: Run, folder: Path) -> None:
    text = "def connect(password):\n    raise RuntimeError('no such host')\n\n\nconnect('hush' + '-hush')\n"
    (folder / "failing_app.py").write_text(text, encoding="utf-8")
    result = run("check", "failing_app:Settings")
    assert (result.code, result.out) == (2, "")
    assert "failing_app.py" in result.err
    assert "RuntimeError: no such host\nhotsettings: failing_app cannot be imported\n" in result.err
    assert "hush-hush" not in result.err
    assert "importlib" not in result.err
    assert "cli/settings_class.py" not in result.err


@pytest.mark.parametrize(
    "statement", ["import no_such_dependency", "raise SystemExit(3)", "1 +", "import sys; sys.exit()"]
)
def test_every_way_to_fail_is_exit_code_2(run: Run, folder: Path, statement: str) -> None:
    (folder / "failing_too.py").write_text(statement, encoding="utf-8")
    result = run("reference", "failing_too:Settings")
    assert (result.code, result.out) == (2, "")
    assert result.err.endswith("hotsettings: failing_too cannot be imported\n")


def test_a_class_with_a_mutable_field(run: Run, folder: Path) -> None:
    text = "from hotsettings import BaseSettings\n\n\nclass Settings(BaseSettings):\n    HOSTS: list[str] = []\n"
    (folder / "mutable_app.py").write_text(text, encoding="utf-8")
    result = run("check", "mutable_app:Settings")
    assert (result.code, result.out) == (2, "")
    assert "mutable_app.py" in result.err
    assert "TypeError: Settings.HOSTS: list is mutable; use tuple[...]" in result.err
    assert result.err.count('  File "') == 1  # the user's line, not our insides


def test_an_annotation_that_is_never_defined(run: Run, folder: Path) -> None:
    text = "from hotsettings import BaseSettings\n\n\nclass Settings(BaseSettings):\n    HOST: 'Missing'\n"
    (folder / "undefined_app.py").write_text(text, encoding="utf-8")
    result = run("check", "undefined_app:Settings")
    assert (result.code, result.out) == (2, "")
    assert "undefined_app:Settings: Settings.HOST" in result.err


def test_without_the_extra_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typer", None)
    for name in [name for name in sys.modules if name.startswith("hotsettings.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SystemExit) as stop:
        main()
    needed = [each for each in metadata.requires("hotsettings") or () if each.endswith("extra == 'cli'")]
    packages = " ".join(f"'{each.partition(';')[0]}'" for each in needed)
    assert stop.value.code == f"hotsettings: the command line needs typer; install it with: pip install {packages}"


def test_a_watch_that_has_ended_prints_nothing_more(run: Run, folder: Path) -> None:
    del folder
    before = logging.getLogger("hotsettings").handlers[:]
    assert run("watch", CLASS, "--config", "none.toml").code == 1
    assert logging.getLogger("hotsettings").handlers == before
