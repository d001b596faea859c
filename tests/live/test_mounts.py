"""Mounts of single files, as the kernel's table tells of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotsettings import mounts

TABLE = r"""
22 1 259:1 / / rw,relatime - ext4 /dev/root rw
41 22 259:1 /home/me/config.toml /app/config.toml rw,relatime - ext4 /dev/root rw
42 22 259:1 /home/me/a\040b.toml /app/a\040b\134.toml rw,relatime - ext4 /dev/root rw
"""


def test_files_that_are_mount_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(TABLE.lstrip())
    monkeypatch.setattr(mounts, "_TABLE", str(table))
    targets = ["/app/config.toml", "/app/secrets.toml", "/app/a b\\.toml"]
    assert mounts.single_file_mounts(targets) == ["/app/config.toml", "/app/a b\\.toml"]


def test_what_others_cannot_write_behind_our_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        TABLE.lstrip()
        + "43 22 0:51 / /srv rw - fuse.sshfs me@there rw\n"
        + "44 43 0:52 / /srv/cache rw shared:9 - tmpfs tmpfs rw\n"
        + "45 22 0:53 / /mnt rw - ext4 /dev/vdb rw\n"
        + "46 22 0:54 / /mnt rw - nfs4 host:/ rw\n"
    )
    monkeypatch.setattr(mounts, "_TABLE", str(table))
    assert mounts.is_local("/app/config.toml")
    assert mounts.is_local("/srv/cache/config.toml")
    assert mounts.is_local("/srvs/config.toml")
    assert not mounts.is_local("/srv/config.toml")
    assert not mounts.is_local("/mnt/config.toml"), "what was mounted last covers what was there"


@pytest.mark.parametrize("text", [None, "", "not a table at all\n"])
def test_where_there_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    table = tmp_path / "mountinfo"
    if text is not None:
        table.write_text(text)
    monkeypatch.setattr(mounts, "_TABLE", str(table))
    assert mounts.single_file_mounts(["/app/config.toml", "/"]) == []
    assert not mounts.is_local("/app/config.toml")
