"""Everything that writes settings files in the wild, re-enacted step by step."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from support.faults.harness import SETTLE, needs

Command = list[str]


class Writer:
    """One way of changing a file. It is read through ``path``."""

    told = True
    """Whether the kernel tells of it in the folder."""
    only_closes_tell = False
    """Whether it rests for longer than ``settle`` with half of the file written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "config.toml"
        self.aside = folder.parent / "aside"
        self.aside.mkdir(exist_ok=True)

    def begin(self, content: str) -> None:
        """Lay out the first state."""
        self.path.write_text(content)

    def write(self, content: str) -> None:
        """Change it."""
        raise NotImplementedError


def run(*command: str | Path, stdin: str | None = None, cwd: Path | None = None) -> None:
    subprocess.run(command, check=True, capture_output=True, input=stdin, text=True, cwd=cwd, timeout=30)


def has(command: str) -> None:
    needs(shutil.which(command) is not None, f"there is no {command}")


def chunks(content: str, number: int = 5) -> list[str]:
    """Cut a text into pieces. Those that begin it are valid settings, up to the middle of a number."""
    size = len(content) // number
    return [content[start : start + size] for start in range(0, len(content), size)]


class InPlace(Writer):
    """open(path, "w"), as most programs do."""

    def write(self, content: str) -> None:
        with open(self.path, "w") as file:
            file.write(content)


class InChunks(Writer):
    """The same, flushed often."""

    def write(self, content: str) -> None:
        with open(self.path, "w") as file:
            for chunk in chunks(content, 20):
                file.write(chunk)
                file.flush()
                time.sleep(0.004)


class Slowly(Writer):
    """The same, by a writer that rests in the middle for longer than ``settle``."""

    only_closes_tell = True

    def write(self, content: str) -> None:
        with open(self.path, "w") as file:
            time.sleep(2 * SETTLE)
            for chunk in chunks(content, 4):
                file.write(chunk)
                file.flush()
                time.sleep(2 * SETTLE)


class Overwrite(Writer):
    """Written over without truncation: the old end stays until the new one is there."""

    only_closes_tell = True

    def write(self, content: str) -> None:
        with open(self.path, "r+") as file:
            for chunk in chunks(content, 3):
                file.write(chunk)
                file.flush()
                time.sleep(1.5 * SETTLE)


class Copy(Writer):
    """Cp over it."""

    def write(self, content: str) -> None:
        (self.aside / "new").write_text(content)
        run("cp", self.aside / "new", self.path)


class Shell(Writer):
    """Echo > it."""

    def write(self, content: str) -> None:
        run("sh", "-c", 'cat > "$1"', "sh", self.path, stdin=content)


class Replace(Writer):
    """A temporary file beside it, renamed over it."""

    def write(self, content: str) -> None:
        (self.folder / ".config.toml.swp").write_text(content)
        os.replace(self.folder / ".config.toml.swp", self.path)


class ReplaceFromElsewhere(Writer):
    """A temporary file in another folder, renamed over it."""

    def write(self, content: str) -> None:
        (self.aside / "new").write_text(content)
        os.replace(self.aside / "new", self.path)


class Sed(Writer):
    """Sed -i."""

    options: Command = ["-i"]

    def write(self, content: str) -> None:
        has("sed")
        (self.aside / "new").write_text(content)
        # All lines go, then the new ones come: one run, which writes a new file and renames it.
        run("sed", *self.options, "-e", f"1r {self.aside / 'new'}", "-e", "d", self.path)


class SedWithBackup(Sed):
    """Sed -i.bak: for a moment there is no file."""

    options: Command = ["-i.bak"]


class Perl(Writer):
    """Perl -i: the old one is unlinked, the new one written in place."""

    def write(self, content: str) -> None:
        has("perl")
        (self.aside / "new").write_text(content)
        script = "if ($. == 1) { open(F, '<', $ENV{NEW}); print <F>; close(F) }"
        run("env", f"NEW={self.aside / 'new'}", "perl", "-i", "-ne", script, self.path)


class VimRenaming(Writer):
    """Vim with backupcopy=auto: it probes the folder, moves the old file away, and writes a new one."""

    pause = 0.003

    def write(self, content: str) -> None:
        probe = self.folder / "4913"
        probe.touch()
        probe.unlink()
        backup = self.folder / "config.toml~"
        os.rename(self.path, backup)
        time.sleep(self.pause)
        with open(self.path, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(self.path, 0o644)
        backup.unlink()


class VimRenamingSlowly(VimRenaming):
    """The same on a slow disk: there is no file for so long that this could be meant."""

    pause = 4 * SETTLE


class VimCopying(Writer):
    """Vim with backupcopy=yes: it copies the old file away and writes in place."""

    def write(self, content: str) -> None:
        backup = self.folder / "config.toml~"
        shutil.copy2(self.path, backup)
        with open(self.path, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        backup.unlink()


class RealVim(Writer):
    """The editor itself."""

    setting = "auto"

    def write(self, content: str) -> None:
        has("vim")
        (self.aside / "new").write_text(content)
        commands = ["%d", f"0r {self.aside / 'new'}", "wq"]
        flags = [flag for command in commands for flag in ("-c", command)]
        run("vim", "-u", "NONE", "-es", "-N", "-c", f"set backupcopy={self.setting} writebackup", *flags, self.path)


class RealVimCopying(RealVim):
    """The editor itself, told to write in place."""

    setting = "yes"


class Recreate(Writer):
    """Unlink, create, write: what git, tar and others do, with all the time in the world."""

    pause = 0.012

    def write(self, content: str) -> None:
        self.path.unlink()
        time.sleep(self.pause)
        with open(self.path, "x") as file:
            for chunk in chunks(content, 4):
                time.sleep(self.pause)
                file.write(chunk)
                file.flush()


class RecreateSlowly(Recreate):
    """The same, resting for longer than ``settle``."""

    only_closes_tell = True
    pause = 1.5 * SETTLE


class LinkBecomesFile(Writer):
    """The path was a symlink, and a file is written where it was."""

    pause = 0.012

    def begin(self, content: str) -> None:
        (self.aside / "real.toml").write_text(content)
        self.path.symlink_to(self.aside / "real.toml")

    def write(self, content: str) -> None:
        self.path.unlink()
        with open(self.path, "x") as file:
            for chunk in chunks(content, 4):
                file.write(chunk)
                file.flush()
                time.sleep(self.pause)


class LinkBecomesFileSlowly(LinkBecomesFile):
    """The same, resting for longer than ``settle``."""

    only_closes_tell = True
    pause = 1.5 * SETTLE


class LinkIn(Writer):
    """Unlink, then link a finished file to the name, and remove its first one."""

    def write(self, content: str) -> None:
        fresh = self.folder / "fresh"
        fresh.write_text(content)
        time.sleep(0.01)  # a clock may tick that slowly, and only then its times tell that it was not written here
        self.path.unlink()
        os.link(fresh, self.path)
        fresh.unlink()


class Git(Writer):
    """Checkout of another branch."""

    def begin(self, content: str) -> None:
        has("git")
        super().begin(content)
        self._git("init", "-q", "-b", "b0")
        self._git("add", "config.toml")
        self._git("commit", "-q", "-m", "first")

    def write(self, content: str) -> None:
        # The other branch is made without touching the file.
        blob = self.aside / "new"
        blob.write_text(content)
        made = self._git("hash-object", "-w", str(blob))
        tree = self._git("mktree", stdin=f"100644 blob {made}\tconfig.toml\n")
        commit = self._git("commit-tree", tree, "-p", "HEAD", "-m", "next")
        branch = f"b{commit[:12]}"
        self._git("branch", branch, commit)
        self._git("checkout", "-q", branch)

    def _git(self, *arguments: str, stdin: str | None = None) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", *identity, *arguments]
        done = subprocess.run(
            command, cwd=self.folder, check=True, capture_output=True, text=True, input=stdin, timeout=30
        )
        return done.stdout.strip()


class Tar(Writer):
    """Tar x."""

    def write(self, content: str) -> None:
        has("tar")
        (self.aside / "config.toml").write_text(content)
        run("tar", "-C", self.aside, "-cf", self.aside / "a.tar", "config.toml")
        run("tar", "-C", self.folder, "-xf", self.aside / "a.tar")


class Install(Writer):
    """install(1)."""

    def write(self, content: str) -> None:
        has("install")
        (self.aside / "new").write_text(content)
        run("install", "-m", "644", self.aside / "new", self.path)


class MoveAcross(Writer):
    """Mv from another file system."""

    def write(self, content: str) -> None:
        elsewhere = Path("/dev/shm")
        needs(
            elsewhere.is_dir() and elsewhere.stat().st_dev != self.folder.stat().st_dev,
            "there is no second file system at /dev/shm",
        )
        with tempfile.TemporaryDirectory(dir=elsewhere) as folder:
            Path(folder, "new").write_text(content)
            run("mv", Path(folder, "new"), self.path)


class LinkAnew(Writer):
    """Ln -sfn: the path is a symlink, and points to another file."""

    link = "ln"

    def begin(self, content: str) -> None:
        self.count = 0
        self.path.symlink_to(self._version(content))

    def _version(self, content: str) -> Path:
        self.count += 1
        version = self.aside / f"v{self.count}.toml"
        version.write_text(content)
        return version

    def write(self, content: str) -> None:
        run("ln", "-sfn", self._version(content), self.path)


class LinkMoved(LinkAnew):
    """Mv -T of a fresh symlink over the old one."""

    def write(self, content: str) -> None:
        fresh = self.folder / "fresh"
        fresh.symlink_to(self._version(content))
        run("mv", "-T", fresh, self.path)


class Chain(LinkAnew):
    """A link to a link to a link, the last of which changes."""

    def begin(self, content: str) -> None:
        self.count = 0
        (self.aside / "one").mkdir()
        (self.aside / "two").mkdir()
        self.last = self.aside / "two" / "last"
        self.last.symlink_to(self._version(content))
        (self.aside / "one" / "middle").symlink_to("../two/last")
        self.path.symlink_to(self.aside / "one" / "middle")

    def write(self, content: str) -> None:
        fresh = self.aside / "fresh"
        fresh.symlink_to(self._version(content))
        os.replace(fresh, self.last)


class LinkedFolder(Writer):
    """A symlink among the parents of the path changes: releases/42, current -> releases/42."""

    def begin(self, content: str) -> None:
        self.count = 0
        self.current = self.folder / "current"
        self.current.symlink_to(self._release(content))
        self.path = self.current / "etc" / "config.toml"

    def _release(self, content: str) -> Path:
        self.count += 1
        release = self.folder / "releases" / str(self.count)
        (release / "etc").mkdir(parents=True)
        (release / "etc" / "config.toml").write_text(content)
        return release

    def write(self, content: str) -> None:
        fresh = self.folder / "current.new"
        fresh.symlink_to(self._release(content))
        os.replace(fresh, self.current)


class ThroughLink(Writer):
    """The path is a symlink, and what it points to is written in place."""

    def begin(self, content: str) -> None:
        self.path.symlink_to(self.aside / "real.toml")
        (self.aside / "real.toml").write_text(content)

    def write(self, content: str) -> None:
        (self.aside / "real.toml").write_text(content)


class ReplaceTarget(ThroughLink):
    """The path is a symlink, and what it points to is replaced."""

    def write(self, content: str) -> None:
        (self.aside / "fresh").write_text(content)
        os.replace(self.aside / "fresh", self.aside / "real.toml")


class Mapped(Writer):
    """Written through a memory map. Nobody tells, and the times change when the kernel gets round to it."""

    told = False

    def write(self, content: str) -> None:
        with open(self.path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            memory[:] = content.encode()
            memory.flush()


class OtherName(Writer):
    """Written through a hard link in another folder."""

    told = False

    def begin(self, content: str) -> None:
        super().begin(content)
        os.link(self.path, self.aside / "other")

    def write(self, content: str) -> None:
        (self.aside / "other").write_text(content)


class SameTimes(Writer):
    """Written in place with the same size, and then given its old times again: rsync --times, touch -r."""

    def write(self, content: str) -> None:
        before = os.stat(self.path)
        self.path.write_text(content)
        os.utime(self.path, ns=(before.st_atime_ns, before.st_mtime_ns))


class ReplaceSameTimes(Writer):
    """Renamed in with the same size and times as the old one."""

    def write(self, content: str) -> None:
        before = os.stat(self.path)
        fresh = self.folder / "fresh"
        fresh.write_text(content)
        os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.replace(fresh, self.path)


class Exchange(Writer):
    """RENAME_EXCHANGE: two files swap names."""

    def write(self, content: str) -> None:
        other = self.folder / "other.toml"
        other.write_text(content)
        exchange(other, self.path)


def exchange(one: Path, other: Path) -> None:
    """Let two names swap what they stand for."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    needs(rename is not None, "the C library has no renameat2")
    assert rename is not None
    here = -100  # AT_FDCWD
    done = rename(here, os.fsencode(one), here, os.fsencode(other), 2)
    needs(done == 0, "the file system cannot exchange two files")


class FolderAnew(Writer):
    """The folder is removed, and made again."""

    def write(self, content: str) -> None:
        for name in ("config.toml", "secrets.toml"):
            (self.folder / name).rename(self.aside / name)
        self.folder.rmdir()
        time.sleep(0.02)
        self.folder.mkdir()
        (self.aside / "secrets.toml").rename(self.folder / "secrets.toml")
        (self.aside / "config.toml").write_text(content)
        (self.aside / "config.toml").rename(self.path)


class FolderReplaced(Writer):
    """The folder is renamed away, and another put in its place."""

    gap = 0.0

    def write(self, content: str) -> None:
        fresh = Path(tempfile.mkdtemp(dir=self.aside))
        fresh.chmod(0o755)
        shutil.copy(self.folder / "secrets.toml", fresh / "secrets.toml")
        (fresh / "config.toml").write_text(content)
        self.folder.rename(fresh.with_name(fresh.name + ".old"))
        time.sleep(self.gap)
        fresh.rename(self.folder)


class FolderReplacedSlowly(FolderReplaced):
    """The same, after there was none for a while."""

    gap = 3 * SETTLE


class FolderExchanged(FolderReplaced):
    """Two folders swap names."""

    def write(self, content: str) -> None:
        fresh = Path(tempfile.mkdtemp(dir=self.aside))
        shutil.copy(self.folder / "secrets.toml", fresh / "secrets.toml")
        (fresh / "config.toml").write_text(content)
        exchange(fresh, self.folder)


class ParentReplaced(Writer):
    """The folder above is renamed away, and another put in its place."""

    def begin(self, content: str) -> None:
        self.parent = self.folder / "far" / "from" / "the" / "others" / "parent"
        (self.parent / "etc").mkdir(parents=True)
        self.path = self.parent / "etc" / "config.toml"
        self.path.write_text(content)

    def write(self, content: str) -> None:
        fresh = Path(tempfile.mkdtemp(dir=self.aside))
        (fresh / "etc").mkdir()
        (fresh / "etc" / "config.toml").write_text(content)
        self.parent.rename(fresh.with_name(fresh.name + ".old"))
        fresh.rename(self.parent)


class Burst(Writer):
    """Saved 500 times in a row."""

    def write(self, content: str) -> None:
        for _ in range(250):
            replaced = self.folder / "fresh"
            replaced.write_text(content)
            os.replace(replaced, self.path)
            self.path.write_text(content)


def every_writer(base: type[Writer] = Writer) -> list[type[Writer]]:
    """All of them."""
    found: list[type[Writer]] = []
    for writer in base.__subclasses__():
        found += [writer, *every_writer(writer)]
    return found


WRITERS = every_writer()
