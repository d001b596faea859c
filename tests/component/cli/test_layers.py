"""`--layer`: any number of files and folders in the place of the three files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.command import CLASS, Run

from hotsettings.cli import completion


@pytest.fixture(autouse=True)
def mounted(folder: Path) -> Path:
    path = folder / "mounted"
    path.mkdir()
    (path / "TOKEN").write_text("open-sesame\n")
    (path / "db.port").write_text("7\n")
    return path


LAYERS = ["--layer", "config.toml", "--layer", "mounted,secret", "--layer", "none.toml,optional"]


def test_check_names_what_is_in_each(run: Run, mounted: Path) -> None:
    (mounted / "tls.crt").write_bytes(b"\xff")
    result = run("check", CLASS, *LAYERS)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0] == "Valid: 1 from config.toml, 2 from mounted, 8 by default"
    assert "  mounted/tls.crt  tls.crt: no key, ignored\n" in result.out
    assert "db.port: in the secrets file, but not declared Secret" in result.out
    found = run("check", CLASS, *LAYERS, "--format", "json").json()
    assert [each["key"] for each in found["warnings"] if each["code"] == "unknown-key"] == ["tls.crt"]


def test_check_reports_problems_in_a_folder(run: Run, mounted: Path) -> None:
    (mounted / "db.port").write_text("many")
    result = run("check", CLASS, "--layer", "mounted")
    assert result.code == 1
    assert "  mounted/db.port:1:1  db.port: not valid TOML" in result.out
    assert "SECRET IN A FILE" not in result.out


def test_a_public_folder_is_no_place_for_secrets(run: Run) -> None:
    assert (
        "mounted/TOKEN:1:1  TOKEN: SECRET IN A FILE THAT IS NOT FOR SECRETS"
        in run("check", CLASS, "--layer", "mounted").out
    )


def test_show_and_explain_name_the_layer(run: Run) -> None:
    shown = run("show", CLASS, *LAYERS).out
    assert "# TOKEN = ********  # mounted/TOKEN:1:1" in shown
    assert "# db.port = ********  # mounted/db.port:1:1" in shown
    assert run("show", CLASS, *LAYERS, "--json").json()["db.port"]["layer"] == "mounted"
    explained = run("explain", CLASS, "db.port", *LAYERS[:2], "--layer", "mounted").out
    assert explained.startswith(
        "db.port\n  → 7     mounted      mounted/db.port:1:1\n    5433  config.toml  config.toml:2:11\n"
    )


def test_two_files_of_one_name(run: Run, folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep/config.toml").write_text("db.port = 9\n")
    result = run(
        "explain",
        CLASS,
        "db.port",
        "--layer",
        "config.toml",
        "--layer",
        "deep/config.toml",
        "--layer",
        "secrets.toml,secret",
    )
    assert "→ 9     deep/config.toml  deep/config.toml:1:11" in result.out


def test_diff_compares_two_lists(run: Run) -> None:
    result = run("diff", CLASS, *LAYERS[:4], "--to-layer", "config.toml", "--to-layer", "secrets.toml,secret")
    assert result.code == 0
    assert "db.port" in result.out
    assert "config.toml:2:11" in result.out
    assert run("diff", CLASS, "--to-layer", "mounted,secret").code == 0


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--layer", "config.toml", "--config", "x"], "--layer and --config exclude each other"),
        (["--layer", "config.toml", "--secrets", "x"], "--layer and --secrets exclude each other"),
        (["--override", "x", "--layer", "config.toml"], "--layer and --override exclude each other"),
        (["--layer", "config.toml,secrets"], "--layer config.toml,secrets: write it as PATH, PATH,secret"),
        (["--layer", ",secret"], "--layer ,secret: the path is empty"),
        (["--layer", ""], "the name is empty"),
        (["--layer", "config.toml", "--layer", "config.toml"], "--layer config.toml is named 2 times"),
    ],
)
@pytest.mark.parametrize("command", ["check", "show", "watch"])
def test_usage(run: Run, command: str, args: list[str], says: str) -> None:
    result = run(command, CLASS, *args)
    assert result.code == 2
    assert says in result.err


def test_usage_of_diff(run: Run) -> None:
    assert "name the layers of the other side with --to-layer" in run("diff", CLASS, "--layer", "config.toml").err
    both = run("diff", CLASS, "--to-layer", "config.toml", "--to-config", "config.toml")
    assert "--to-layer and --to-config, --to-secrets, --to-override exclude each other" in both.err


def test_what_is_missing(run: Run, folder: Path) -> None:
    assert f"gone.toml  no such file in {folder}; create it" in run("check", CLASS, "--layer", "gone.toml").out
    assert f"gone/  no such folder in {folder}; create it" in run("check", CLASS, "--layer", "gone/").out
    assert run("check", CLASS, "--layer", "secrets.toml,secret,optional", "--layer", "gone/,optional,secret").code == 0


def test_a_path_with_a_comma(run: Run, folder: Path) -> None:
    (folder / "a,secret").write_text('TOKEN = "open-sesame"\n')
    assert "from a,secret," in run("check", CLASS, "--layer", "a,secret").out
    assert "from a,secret," in run("check", CLASS, "--layer", "a,secret,secret").out


def test_a_named_secrets_file_must_exist(run: Run, folder: Path) -> None:
    (folder / "secrets.toml").unlink()
    (folder / "config.toml").write_text('TOKEN = "open-sesame"\n')
    assert run("check", CLASS).code == 0
    for command in ("check", "show", "watch"):
        result = run(command, CLASS, "--secrets", "secrets.toml")
        assert result.code == 1
        assert f"secrets.toml  no such file in {folder}; create it" in result.out + result.err


def test_the_secrets_of_a_folder_are_hidden_when_the_import_fails(run: Run, folder: Path) -> None:
    (folder / "broken_app.py").write_text("raise ValueError('open-sesame, as the folder says')\n")
    (folder / "mounted/tls.key").write_bytes(b"\xff")
    result = run(
        "check",
        "broken_app:Settings",
        "--layer",
        "mounted,secret",
        "--layer",
        "gone/,secret",
        "--layer",
        "config.toml,secret",
    )
    assert result.code == 2
    assert "open-sesame" not in result.err
    assert "as the folder says" in result.err
    result = run("check", "broken_app:Settings", "--layer", "gone/,secret,optional")
    assert "open-sesame" in result.err


def test_paths_are_completed(folder: Path) -> None:
    os.mkdir("conf\n")
    (folder / ".hidden").touch()
    assert sorted(completion.paths("m")) == ["mounted/"]
    assert completion.paths("mounted/T") == ["mounted/TOKEN"]
    assert completion.paths(".h") == [".hidden"]
    assert ".hidden" not in completion.paths("")
    assert completion.paths("conf") == ["config.toml"]
    assert completion.paths("nowhere/x") == completion.paths("\0") == []
