"""The password file of the settings page: only its owner may read or change it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from integr8scode.server import main
from integr8scode.settings_access import Password

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes and owners are those of POSIX")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("only-for-operators\n", encoding="utf-8")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_a_file_of_the_owner_alone_is_taken(file: Path, mode: int) -> None:
    file.chmod(mode)
    Password(file)


@pytest.mark.parametrize("bit", [1 << number for number in range(6)])
def test_a_file_that_others_can_read_or_change_is_refused(file: Path, bit: int) -> None:
    file.chmod(0o600 | bit)
    with pytest.raises(PermissionError, match=f"mode {0o600 | bit:04o}.*chmod 600 {file}"):
        Password(file)


def test_it_counts_what_a_link_leads_to(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    Password(link)
    file.chmod(0o644)
    with pytest.raises(PermissionError, match="mode 0644"):
        Password(link)


def test_a_file_of_somebody_else_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(file, 12345, -1)
    else:
        owner = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(PermissionError, match=f"belongs to another user.*chown {os.geteuid()} {file}"):
        Password(file)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    for path in (fifo, tmp_path):
        with pytest.raises((ValueError, OSError), match=r"regular file|directory"):
            Password(path)


def test_the_server_does_not_start_with_it_and_says_why(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.chmod(0o644)
    with pytest.raises(SystemExit) as ended:
        main(["--settings-page", str(file)])
    assert str(ended.value) == (
        f"{file}: others can read or change the password file (mode 0644); make it private: chmod 600 {file}"
    )
