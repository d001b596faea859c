"""Mounts of single files, as the kernel's table tells of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotsettings._watching import bind_mounts as mounts

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
    sources = mounts.Sources()
    sources.arm(["/app"])
    sources.look()
    assert sources.moved(["/app"]) is None


def test_sources_that_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders of this test stand for mount points; what the table says of them is the test's."""
    table, app, other = tmp_path / "mountinfo", tmp_path / "app", tmp_path / "other"
    app.mkdir()
    other.mkdir()
    monkeypatch.setattr(mounts, "_TABLE", str(table))

    def mount(root: str, number: int = 41) -> None:
        table.write_text(
            f"22 1 259:1 /images/1 / rw - ext4 /dev/root rw\n{number} 22 259:1 {root} {app} rw - ext4 /dev/root rw\n"
            f"51 22 0:7 / {other} rw - tmpfs tmpfs rw\n52 22 259:1 /srv/gone {tmp_path}/gone rw - ext4 /dev/root rw\n"
        )

    mount("/srv/conf")
    sources = mounts.Sources()
    sources.arm([f"{app}/deep", f"{other}/deep", str(tmp_path), f"{tmp_path}/gone/deep"])
    assert sources.moved([f"{app}/deep"]) is None
    for root in ("/srv/old", "/srv/old//deleted"):
        mount(root)
        sources.look()
        assert sources.moved([f"{other}/deep", str(tmp_path), f"{app}/deep"]) == str(app)
        assert sources.moved([f"{other}/deep", str(tmp_path), f"{tmp_path}/gone/deep"]) is None
        sources.arm([f"{app}/deep", f"{other}/deep"])
        assert sources.moved([f"{app}/deep"]) == str(app), "a new arming does not forget where it was"
    mount("/srv/conf")
    sources.look()
    assert sources.moved([f"{app}/deep"]) is None, "it was put back"
    mount("/srv/new", number=42)
    sources.look()
    assert sources.moved([f"{app}/deep"]) is None, "another mount took its place"
