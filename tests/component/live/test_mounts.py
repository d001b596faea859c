"""Mounts, as /proc/self/mountinfo lists them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotsettings._watching import bind_mounts as bind_mounts

TABLE = r"""
22 1 259:1 / / rw,relatime - ext4 /dev/root rw
41 22 259:1 /home/me/config.toml /app/config.toml rw,relatime - ext4 /dev/root rw
42 22 259:1 /home/me/a\040b.toml /app/a\040b\134.toml rw,relatime - ext4 /dev/root rw
"""


def test_files_that_are_mount_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(TABLE.lstrip())
    monkeypatch.setattr(bind_mounts, "_TABLE", str(table))
    targets = ["/app/config.toml", "/app/secrets.toml", "/app/a b\\.toml"]
    assert bind_mounts.single_file_mounts(targets) == ["/app/config.toml", "/app/a b\\.toml"]


def test_files_that_only_this_kernel_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        TABLE.lstrip()
        + "43 22 0:51 / /srv rw - fuse.sshfs me@there rw\n"
        + "44 43 0:52 / /srv/cache rw shared:9 - tmpfs tmpfs rw\n"
        + "45 22 0:53 / /mnt rw - ext4 /dev/vdb rw\n"
        + "46 22 0:54 / /mnt rw - nfs4 host:/ rw\n"
    )
    monkeypatch.setattr(bind_mounts, "_TABLE", str(table))
    assert bind_mounts.is_local("/app/config.toml")
    assert bind_mounts.is_local("/srv/cache/config.toml")
    assert bind_mounts.is_local("/srvs/config.toml")
    assert not bind_mounts.is_local("/srv/config.toml")
    assert not bind_mounts.is_local("/mnt/config.toml"), "the last mount covers the others"


@pytest.mark.parametrize("text", [None, "", "not a table at all\n"])
def test_where_there_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    table = tmp_path / "mountinfo"
    if text is not None:
        table.write_text(text)
    monkeypatch.setattr(bind_mounts, "_TABLE", str(table))
    assert bind_mounts.single_file_mounts(["/app/config.toml", "/"]) == []
    assert not bind_mounts.is_local("/app/config.toml")
    bound = bind_mounts.BindMounts()
    bound.track(["/app"])
    bound.check()
    assert bound.moved(["/app"]) is None


def test_sources_that_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders take the place of mount points, and the test writes the table."""
    table, app, other = tmp_path / "mountinfo", tmp_path / "app", tmp_path / "other"
    app.mkdir()
    other.mkdir()
    monkeypatch.setattr(bind_mounts, "_TABLE", str(table))

    def mount(root: str, number: int = 41) -> None:
        table.write_text(
            f"22 1 259:1 /images/1 / rw - ext4 /dev/root rw\n{number} 22 259:1 {root} {app} rw - ext4 /dev/root rw\n"
            f"51 22 0:7 / {other} rw - tmpfs tmpfs rw\n52 22 259:1 /srv/gone {tmp_path}/gone rw - ext4 /dev/root rw\n"
        )

    mount("/srv/conf")
    bound = bind_mounts.BindMounts()
    bound.track([f"{app}/deep", f"{other}/deep", str(tmp_path), f"{tmp_path}/gone/deep"])
    assert bound.moved([f"{app}/deep"]) is None
    for root in ("/srv/old", "/srv/old//deleted"):
        mount(root)
        bound.check()
        assert bound.moved([f"{other}/deep", str(tmp_path), f"{app}/deep"]) == str(app)
        assert bound.moved([f"{other}/deep", str(tmp_path), f"{tmp_path}/gone/deep"]) is None
        bound.track([f"{app}/deep", f"{other}/deep"])
        assert bound.moved([f"{app}/deep"]) == str(app), "to track other paths forgets nothing"
    mount("/srv/conf")
    bound.check()
    assert bound.moved([f"{app}/deep"]) is None, "it was put back"
    mount("/srv/new", number=42)
    bound.check()
    assert bound.moved([f"{app}/deep"]) is None, "another mount took its place"
