"""What `check` says of a secrets file that others can read or change, by its mode, its owner, or a folder on the way."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support.command import CLASS, Run

from hotsettings import BaseSettings, FolderLayer, Secret
from hotsettings._loading.load import read_all
from hotsettings._schema.schema import schema_of
from hotsettings.cli.permissions import exposures
from hotsettings.cli.secret_warnings import warnings
from hotsettings.errors import NO_PROBLEMS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
as_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can make files of others")

STRANGER = 54321
READ, CHANGE = "other users can read this secrets file", "other users can change this secrets file"
GROUP_READ, GROUP_CHANGE = (f"its group, GROUP, can {verb} this secrets file" for verb in ("read", "change"))
REPLACE = "other users can replace this secrets file, in {}"


class Settings(BaseSettings):
    TOKEN: Secret[str] = ""


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A secrets file two folders deep, which nobody else can reach in any way."""
    folder = tmp_path / "app" / "conf"
    folder.mkdir(parents=True, mode=0o700)
    path = folder / "secrets.toml"
    path.touch(mode=0o600)
    return path


def said(path: Path) -> list[str]:
    return [exposure.message for exposure in exposures([str(path)], path.name)]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (0o600, []),
        (0o400, []),
        (0o700, []),
        (0o644, [READ]),
        (0o604, [READ]),
        (0o640, [GROUP_READ]),
        (0o440, [GROUP_READ]),
        (0o660, [GROUP_READ, GROUP_CHANGE]),
        (0o622, [CHANGE]),
        (0o620, [GROUP_CHANGE]),
        (0o602, [CHANGE]),
        (0o664, [READ, GROUP_CHANGE]),
        (0o666, [READ, CHANGE]),
        (0o711, []),
    ],
)
def test_modes(secrets: Path, mode: int, expected: list[str]) -> None:
    import grp

    secrets.chmod(mode)
    group = grp.getgrgid(secrets.stat().st_gid).gr_name
    assert said(secrets) == [message.replace("GROUP", group) for message in expected]


def test_the_way_out_fits_a_mounted_secret_too(run: Run, folder: Path) -> None:
    (folder / "secrets.toml").chmod(0o440)
    out = run("check", CLASS).out
    assert (
        "chmod 600 secrets.toml; if the program reads it by its group, as with fsGroup, put nobody else into that group"
        in out
    )


@pytest.mark.skipif(shutil.which("setfacl") is None, reason="needs setfacl")
def test_an_access_control_list(secrets: Path) -> None:
    def give(rights: str, path: Path) -> bool:
        return not subprocess.run(["setfacl", "-m", f"u:{STRANGER}:{rights}", path], check=False).returncode

    if not give("rw", secrets):
        pytest.skip("this file system has no access control lists")
    can = "its access control list lets others {} this secrets file"
    assert said(secrets) == [can.format("read"), can.format("change")]
    [hint] = {exposure.hint for exposure in exposures([str(secrets)], secrets.name)}
    subprocess.run(hint, shell=True, check=True, cwd=secrets.parent)
    assert said(secrets) == []
    assert give("rwx", secrets.parent)
    assert said(secrets) == [f"the access control list of {secrets.parent} lets others replace this secrets file"]


@as_root
def test_a_read_only_mount_has_another_way_out(secrets: Path) -> None:
    secrets.chmod(0o644)
    mount = subprocess.run(["mount", "--bind", secrets.parent, secrets.parent], check=False)
    if mount.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", secrets.parent], check=True)
        [exposure] = exposures([str(secrets)], secrets.name)
    finally:
        subprocess.run(["umount", secrets.parent], check=True)
    assert exposure.message == READ
    assert exposure.hint == "set its mode where it is mounted, as with defaultMode: 0400"


@as_root
def test_a_file_of_root_that_its_program_reads_by_the_group(tmp_path: Path) -> None:
    """Such as a Secret of Kubernetes with an fsGroup, which nobody else is in. It cannot be any other way."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "secrets.toml")
        path.touch()
        for mode, group, expected in [
            (0o440, STRANGER, []),
            (0o660, STRANGER, ["its group, 54321, can change this secrets file"]),
            (0o444, STRANGER, [READ]),
            (0o440, STRANGER + 1, ["its group, 54322, can read this secrets file"]),
        ]:
            os.chown(path, 0, group)
            path.chmod(mode)
            answer, told = os.pipe()
            if not (child := os.fork()):
                os.setgroups([STRANGER])
                os.setgid(STRANGER + 2)
                os.setuid(STRANGER)
                os.write(told, "\n".join(said(path)).encode())
                os._exit(0)
            os.close(told)
            os.waitpid(child, 0)
            with os.fdopen(answer) as lines:
                assert lines.read().splitlines() == expected


@as_root
def test_a_file_of_a_stranger(run: Run, secrets: Path) -> None:
    os.chown(secrets, STRANGER, 0)
    expected = f"this secrets file belongs to another user, {STRANGER}, who can read and change it"
    assert said(secrets) == [expected]
    secrets.chmod(0o040)
    os.chown(secrets, 0, STRANGER)
    assert said(secrets) == [f"its group, {STRANGER}, can read this secrets file"]


def test_folders_that_others_can_write(secrets: Path) -> None:
    for folder in (secrets.parent, secrets.parent.parent):
        folder.chmod(0o777)
        assert said(secrets) == [REPLACE.format(folder)]
        folder.chmod(0o702)
        assert said(secrets) == [REPLACE.format(folder)]
        folder.chmod(0o700)
    # In a sticky folder, such as /tmp, a folder that is ours stays where it is. A file of ours may be moved away by us.
    secrets.parent.parent.chmod(0o1777)
    assert said(secrets) == []
    secrets.parent.chmod(0o1777)
    assert said(secrets) == [REPLACE.format(secrets.parent)]


@as_root
def test_folders_that_a_group_can_write(secrets: Path) -> None:
    secrets.parent.chmod(0o770)
    assert said(secrets) == []  # root's own group, in which nobody else is
    os.chown(secrets.parent, 0, STRANGER)
    assert said(secrets) == [f"the group {STRANGER} can replace this secrets file, in {secrets.parent}"]


@as_root
def test_folders_of_a_stranger(secrets: Path) -> None:
    for folder in (secrets.parent, secrets.parent.parent):
        os.chown(folder, STRANGER, 0)
        assert said(secrets) == [f"another user, {STRANGER}, owns {folder} and can replace this secrets file"]
        os.chown(folder, 0, 0)
    os.chown(secrets.parent, STRANGER, 0)
    os.chown(secrets, STRANGER, 0)
    assert len(said(secrets)) == 1  # the owner of the file is named once


def test_what_counts_is_the_whole_way_over_links(secrets: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(mode=0o700)
    second.mkdir(mode=0o700)
    (first / "s.toml").symlink_to(second / "to" / "secrets.toml")
    (second / "to").symlink_to(secrets.parent)
    assert said(first / "s.toml") == []
    for folder in (first, second, secrets.parent, secrets.parent.parent):
        folder.chmod(0o777)
        assert said(first / "s.toml") == [REPLACE.format(folder)]
        folder.chmod(0o700)


@as_root
def test_a_link_of_a_stranger(secrets: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(secrets)
    os.chown(link, STRANGER, 0, follow_symlinks=False)
    assert said(link) == [f"the link {link} to this secrets file belongs to another user, {STRANGER}"]


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a mount of its own")
def test_in_a_mount_that_is_read_only_nobody_can_replace_it(tmp_path: Path) -> None:
    """As Kubernetes mounts a Secret: in a folder that everybody could write."""
    ask = f"from hotsettings.cli.permissions import exposures; print([*exposures(['{tmp_path}/m/s.toml'], 's.toml')])"
    mount = f"mount -t tmpfs -o mode=1777 none {tmp_path}/m && umask 077 && touch {tmp_path}/m/s.toml"
    again = f"mount -o remount,ro {tmp_path}/m"
    (tmp_path / "m").mkdir()
    script = f'{mount} || exit 9; {sys.executable} -c "{ask}"; {again} || exit 9; {sys.executable} -c "{ask}"'
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], check=False, capture_output=True, text=True)
    if done.returncode == 9 or "unshare" in done.stderr:
        pytest.skip(f"may not mount: {done.stderr}")
    writable, read_only = done.stdout.splitlines()
    assert "can replace this secrets file" in writable
    assert read_only == "[]"


def test_a_file_that_is_gone(secrets: Path) -> None:
    secrets.unlink()
    assert said(secrets) == []


class TestFolder:
    """One warning speaks of a secrets folder, however many files it has."""

    LAYERS = ("--layer", "config.toml", "--layer", "mounted,secret")

    @pytest.fixture
    def mounted(self, folder: Path) -> Path:
        mounted = folder / "mounted"
        (mounted / "nested").mkdir(parents=True)
        mounted.chmod(0o700)
        for name in ("TOKEN", "KEYS.one", "KEYS.two", "db.password", "tls.crt", ".hidden"):
            (mounted / name).write_text("open-sesame")
            (mounted / name).chmod(0o600)
        return mounted

    def warnings(self, run: Run) -> list[tuple[str, str, str]]:
        found = run("check", CLASS, *self.LAYERS, "--json").json()["warnings"]
        return [(each["file"], each["message"], each["hint"]) for each in found if each["code"] == "exposed-file"]

    def test_files_that_are_private(self, run: Run, mounted: Path) -> None:
        for name in ("tls.crt", ".hidden"):
            (mounted / name).chmod(0o644)  # no key is in these
        assert self.warnings(run) == []

    def test_one_file_and_several(self, run: Run, mounted: Path) -> None:
        (mounted / "db.password").chmod(0o604)
        assert self.warnings(run) == [("mounted/db.password", READ, "chmod 600 mounted/*")]
        (mounted / "TOKEN").chmod(0o606)
        assert self.warnings(run) == [
            ("mounted/TOKEN", f"{READ} (and 1 other in mounted)", "chmod 600 mounted/*"),
            ("mounted/TOKEN", CHANGE, "chmod 600 mounted/*"),
        ]
        (mounted / "KEYS.one").chmod(0o644)
        assert self.warnings(run)[0] == ("mounted/KEYS.one", f"{READ} (and 2 others in mounted)", "chmod 600 mounted/*")
        subprocess.run(self.warnings(run)[0][2], shell=True, check=True)
        assert self.warnings(run) == []

    def test_the_folder_itself(self, run: Run, mounted: Path) -> None:
        mounted.chmod(0o777)
        expected = f"other users can replace these secrets files, in {mounted}"
        assert self.warnings(run) == [("mounted", expected, f"chmod o-w {mounted}")]

    @as_root
    def test_links_of_a_stranger(self, run: Run, mounted: Path, tmp_path: Path) -> None:
        for name in ("TOKEN", "db.password"):
            (mounted / name).rename(tmp_path / name)
            (mounted / name).symlink_to(tmp_path / name)
            os.chown(mounted / name, STRANGER, 0, follow_symlinks=False)
        [(file, message, _)] = self.warnings(run)
        expected = (
            f"the link {mounted}/TOKEN to these secrets files belongs to another user, {STRANGER}, and so do 1 more"
        )
        assert (file, message) == ("mounted", expected)

    def test_a_folder_that_is_gone_since_it_was_read(self, mounted: Path) -> None:
        layer = FolderLayer(mounted, secret=True)
        schema = schema_of(Settings)
        documents = read_all(schema, [layer])
        mounted.joinpath("TOKEN").chmod(0o666)
        assert warnings(schema, documents).total == 2
        shutil.rmtree(mounted)
        assert warnings(schema, documents) == NO_PROBLEMS

    @pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a mount of its own")
    @pytest.mark.parametrize("right", ["rw", "ro"])
    def test_a_secret_that_kubernetes_mounts(self, mounted: Path, right: str) -> None:
        """Links to links, files of root that everybody can read, and a folder that everybody could write."""
        script = f"""
            mount -t tmpfs -o mode=1777 none mounted || exit 9
            mkdir mounted/..2026
            for number in $(seq 500); do printf %s $number >mounted/..2026/KEYS.k$number; done
            printf %s open-sesame >mounted/..2026/TOKEN
            chmod 644 mounted/..2026/*
            ln -s ..2026 mounted/..data
            for name in mounted/..2026/*; do ln -s ..data/${{name##*/}} mounted/; done
            mount -o remount,{right} mounted || exit 9
            {sys.executable} -m hotsettings.cli check {CLASS} {" ".join(self.LAYERS)}
            """
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", script],
            check=False,
            capture_output=True,
            text=True,
            cwd=mounted.parent,
            env=os.environ | {"PYTHONPATH": str(mounted.parent)},
        )
        if done.returncode == 9 or "unshare" in done.stderr:
            pytest.skip(f"may not mount: {done.stderr}")
        lines = done.stdout.splitlines()
        many = f"  mounted/KEYS.k1  {READ} (and 500 others in mounted)"
        if right == "ro":
            hint = "set its mode where it is mounted, as with defaultMode: 0400"
            assert lines[1:] == ["Warnings: 1", f"{many}; {hint}"]
        else:
            replace = f"other users can replace these secrets files, in {mounted}"
            assert lines[1:] == [
                "Warnings: 2",
                f"{many}; chmod 600 mounted/*",
                f"  mounted  {replace}; chmod o-w {mounted}",
            ]
