"""What `check` says of the repository around a secrets file, and that nothing of a repository is run for it."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.command import CLASS, Run
from support.examples import covering, first

from hotsettings.cli import git as asked

pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None, reason="needs git"),
    pytest.mark.skipif(os.name != "posix", reason="needs scripts and owners of POSIX"),
]
as_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can make files of others")

STRANGER = 54321
TRACKED = "git tracks this secrets file"
CANNOT_TELL = "git could not be asked about this secrets file: "
HOOKS = (
    *("applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "post-checkout", "post-index-change"),
    *("pre-auto-gc", "reference-transaction", "fsmonitor-watchman", "query-watchman", "post-merge", "pre-push"),
)
REMOTES = {
    "uploadpack": "url = {repository}\nuploadpack = {command} uploadpack",
    "ssh": "url = ssh://127.0.0.1:1/x",
    "ext": "url = ext::{command} ext",
    "helper": "url = x\nvcs = none",
    "helper that is a path": "url = x\nvcs = /",
    "helper without a name": "url = ::x",
}


def git(folder: Path, *args: str, check: bool = True, **environment: str) -> str:
    """Run git as its user would, trusting the folder."""
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "safe.directory=*")
    command = ["git", "-C", str(folder), *identity, *args]
    done = subprocess.run(
        command, check=check, capture_output=True, text=True, timeout=30, env={**os.environ, **environment}
    )
    return done.stdout.strip()


class Trap:
    """A repository around the working directory, in which everything that git could run leaves a mark."""

    def __init__(self, folder: Path, tmp: Path) -> None:
        self.folder = folder
        self.marks = tmp / "marks"
        self.marks.mkdir(mode=0o777)
        self.marks.chmod(0o777)
        self.command = tmp / "command"
        self.command.write_text(f'#!/bin/sh\necho "$0 $*" >>"{self.marks}/$$.run"\nexit 1\n', encoding="utf-8")
        self.command.chmod(0o755)

    @property
    def run(self) -> list[str]:
        return [file.read_text(encoding="utf-8") for file in self.marks.iterdir()]

    def arm(self, directory: Path, remote: str = "uploadpack", **more: str) -> None:
        """Name the command wherever a configuration can."""
        command = self.command
        (directory / "more.config").write_text(f"[core]\nfsmonitor = {command} included\n", encoding="utf-8")
        hooks = directory / "traps"
        hooks.mkdir(exist_ok=True)
        for place in (hooks, directory / "hooks"):
            place.mkdir(exist_ok=True)
            for name in HOOKS:
                (place / name).write_text(f"#!/bin/sh\nexec {command} hook {name}\n", encoding="utf-8")
                (place / name).chmod(0o755)
        there = REMOTES[remote].format(command=command, repository=directory)
        aliases = ("rev-parse", "config", "ls-files", "ls-tree", "check-ignore", "remote-none", "remote-")
        text = f"""
            [core]
            repositoryformatversion = 1
            bare = false
            fsmonitor = {command} fsmonitor
            sshCommand = {command} ssh
            pager = {command} pager
            editor = {command} editor
            askPass = {command} askpass
            gitProxy = {command} proxy
            hooksPath = {hooks}
            alternateRefsCommand = {command} alternates
            {more.pop("core", "")}
            [extensions]
            partialClone = origin
            [remote "origin"]
            promisor = true
            partialclonefilter = tree:0
            {there}
            [protocol]
            allow = always
            [protocol "ext"]
            allow = always
            [credential]
            helper = "!{command} credential"
            [filter "trap"]
            clean = {command} clean
            smudge = {command} smudge
            process = {command} process
            required = true
            [diff]
            external = {command} diff
            [diff "trap"]
            command = {command} diff
            textconv = {command} textconv
            [pager]
            ls-files = {command} pager
            config = {command} pager
            [gpg]
            program = {command} gpg
            [include]
            path = more.config
            [alias]
            """
        text += "\n".join(f'{name} = "!{command} alias {name}"' for name in aliases)
        with (directory / "config").open("a", encoding="utf-8") as file:
            file.write("\n".join(line.strip() for line in text.splitlines()) + "\n" + "".join(more.values()))
        attributes = directory / "info" / "attributes"
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text("* filter=trap diff=trap\n", encoding="utf-8")

    def without_trees(self) -> Path:
        """Make a repository whose index says of a folder only which tree it is, and which has no trees."""
        git(self.folder, "init", "-q")
        for name in ("closed", "open"):
            (self.folder / name).mkdir()
            (self.folder / name / "file").touch()
        git(self.folder, "add", "closed", "open")
        git(self.folder, "commit", "-qm", "trees")
        git(self.folder, "sparse-checkout", "init", "--cone", "--sparse-index")
        git(self.folder, "sparse-checkout", "set", "open")
        directory = self.folder / ".git"
        shutil.rmtree(directory / "objects")
        (directory / "objects").mkdir()
        return directory


@pytest.fixture
def trap(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Trap:
    return Trap(folder, tmp_path_factory.mktemp("trap"))


def give_away(*places: Path) -> None:
    for place in places:
        for path in (place, *place.rglob("*")):
            os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


@pytest.fixture(params=first(1, ["borrowing alone", "both lines of defence"]))
def defence(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps a repository from running something does so without what the version of git may not know."""
    if request.param == "borrowing alone":
        monkeypatch.setattr(asked, "_ENVIRONMENT", {})
        monkeypatch.setattr(asked, "_OPTIONS", ())


@pytest.mark.usefixtures("defence")
@pytest.mark.parametrize("remote", REMOTES)
@pytest.mark.parametrize("owner", ["ours", pytest.param("a stranger's", marks=as_root)])
def test_an_index_without_its_trees_fetches_nothing(run: Run, trap: Trap, remote: str, owner: str) -> None:
    directory = trap.without_trees()
    trap.arm(directory, remote)
    if owner != "ours":
        give_away(directory)
    result = run("check", CLASS)
    assert result.code == 0
    assert CANNOT_TELL in result.out
    assert ("belongs to another user; run this as its owner" in result.out) is (owner != "ours")
    assert trap.run == []
    if remote in ("uploadpack", "helper"):  # the trap is one: a plain git walks into it
        git(trap.folder, "-c", "core.fsmonitor=false", "ls-files", check=False)
        assert any("uploadpack" in mark or "alias remote-none" in mark for mark in trap.run)


@pytest.mark.usefixtures("defence")
@pytest.mark.parametrize(
    ("kind", "held"),
    covering(["plain", "split index", "linked worktree", "elsewhere", "alternates", "sha256"], ["index", "HEAD", ""]),
)
def test_whatever_a_repository_is_like_it_is_read_and_not_run(
    run: Run, trap: Trap, kind: str, held: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, other = trap.folder, tmp_path_factory.mktemp("other")
    directory = folder / ".git"
    if kind == "linked worktree":
        git(other, "init", "-q")
        git(other, "commit", "-q", "--allow-empty", "-m", "first")
        git(other, "worktree", "add", "-q", "--no-checkout", str(folder / "w"))
        (folder / "w" / ".git").rename(folder / ".git")
        (other / ".git" / "worktrees" / "w" / "gitdir").write_text(f"{folder}/.git\n", encoding="utf-8")
        directory = other / ".git"
    elif kind == "elsewhere":
        git(folder, "init", "-q", "--separate-git-dir", str(other / "d"))
        directory = other / "d"
    else:
        git(folder, "init", "-q", f"--object-format={kind if kind == 'sha256' else 'sha1'}")
    (folder / ".gitignore").write_text("secrets.toml\n", encoding="utf-8")
    if held:
        git(folder, "add", "-f", "secrets.toml")
    git(folder, "add", "config.toml")
    git(folder, "commit", "-qm", "all")
    if held == "HEAD":
        git(folder, "rm", "-q", "--cached", "secrets.toml")
    if kind == "split index":
        git(folder, "update-index", "--split-index")
        assert list(directory.glob("sharedindex.*"))
    elif kind == "alternates":
        shutil.move(directory / "objects", other / "objects")
        (directory / "objects" / "info").mkdir(parents=True)
        (directory / "objects" / "info" / "alternates").write_text(f"{other}/objects\n", encoding="utf-8")
    (folder / ".gitattributes").write_text("* filter=trap diff=trap\n", encoding="utf-8")
    trap.arm(directory, core="bare = false" if kind != "sha256" else "[extensions]\nobjectformat = sha256")
    out = run("check", CLASS).out
    assert (TRACKED in out) is (held == "index")
    assert ("git has this secrets file in its last commit (HEAD)" in out) is (held == "HEAD")
    assert ("Warnings" in out) is bool(held)
    assert trap.run == []


@as_root
@pytest.mark.parametrize("what", ["everything", "the folder", ".git", "what .git names"])
def test_a_repository_of_a_stranger_is_not_asked(
    run: Run, trap: Trap, what: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other") / "d"
    git(trap.folder, "init", "-q", *(("--separate-git-dir", str(other)) if what == "what .git names" else ()))
    git(trap.folder, "add", "secrets.toml")
    directory = trap.folder / ".git" if what != "what .git names" else other
    trap.arm(directory)
    if what == "everything":
        give_away(trap.folder)
    elif what == "the folder":
        os.chown(trap.folder, STRANGER, STRANGER)
    else:
        give_away(directory)
    out = run("check", CLASS).out
    assert CANNOT_TELL in out
    assert TRACKED not in out
    assert trap.run == []


@as_root
def test_a_repository_of_a_stranger_that_the_user_trusts(
    run: Run, trap: Trap, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    git(trap.folder, "init", "-q")
    git(trap.folder, "add", "secrets.toml")
    trap.arm(trap.folder / ".git")
    give_away(trap.folder / ".git")
    monkeypatch.setenv("HOME", str(home))
    (home / ".gitconfig").write_text(f"[safe]\ndirectory = {trap.folder}\n", encoding="utf-8")
    assert TRACKED in run("check", CLASS).out
    assert trap.run == []


def test_the_work_tree_of_a_configuration(run: Run, trap: Trap, tmp_path_factory: pytest.TempPathFactory) -> None:
    git(trap.folder, "init", "-q")
    trap.arm(trap.folder / ".git", core=f"worktree = {tmp_path_factory.mktemp('tree')}")
    assert CANNOT_TELL in run("check", CLASS).out
    assert trap.run == []


def test_a_bare_repository_tracks_no_file(run: Run, trap: Trap) -> None:
    git(trap.folder, "init", "-q", "--bare")
    trap.arm(trap.folder)
    assert "Warnings" not in run("check", CLASS).out
    assert trap.run == []


def _empty(directory: Path) -> None:
    shutil.rmtree(directory)
    directory.mkdir()


@pytest.mark.parametrize(
    "break_it",
    [
        _empty,
        lambda directory: (directory / "index").write_bytes(b"DIRC" + bytes(100)),
        lambda directory: (directory / "config").write_text("[", encoding="utf-8"),
        lambda directory: (directory / "HEAD").write_text("nothing", encoding="utf-8"),
        lambda directory: (directory / "config").write_text("[core]\nrepositoryformatversion = 9\n", encoding="utf-8"),
    ],
    ids=["empty", "index", "config", "head", "version"],
)
def test_a_broken_repository(run: Run, trap: Trap, break_it: Callable[[Path], object]) -> None:
    git(trap.folder, "init", "-q")
    git(trap.folder, "add", "secrets.toml")
    break_it(trap.folder / ".git")
    result = run("check", CLASS)
    assert result.code == 0
    assert f"{CANNOT_TELL}git cannot read the repository in {trap.folder}; repair it" in result.out


@pytest.mark.parametrize("place", ["index", "include", "exclude", "ignore"])
def test_a_repository_that_makes_git_wait(run: Run, trap: Trap, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "TIMEOUT", 1.0)
    git(trap.folder, "init", "-q")
    directory = trap.folder / ".git"
    paths = {
        "index": directory / "index",
        "ignore": trap.folder / ".gitignore",
        "exclude": directory / "info" / "exclude",
    }
    fifo = paths.get(place, directory / "fifo")
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo)
    if place == "include":
        with (directory / "config").open("a", encoding="utf-8") as file:
            file.write("[include]\npath = fifo\n")
    start = time.monotonic()
    out = run("check", CLASS).out
    assert time.monotonic() - start < 10
    expected = "git does not ignore" if place == "exclude" else f"{CANNOT_TELL}git did not answer within 1 seconds"
    assert expected in out


def test_no_git_is_taken_from_the_working_directory(run: Run, trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    git(trap.folder, "init", "-q")
    shutil.copy(trap.command, trap.folder / "git")
    for path in (".", "", f":{trap.folder.name}"):
        monkeypatch.setenv("PATH", path)
        assert f"{CANNOT_TELL}git is not installed; run this where git is installed" in run("check", CLASS).out
    assert trap.run == []


@pytest.mark.parametrize("name", [":(top)s.toml", "-s.toml", "s[1].toml", "é ü.toml", 'q"\\t.toml', "!s.toml"])
def test_names_that_git_could_take_for_something_else(run: Run, folder: Path, name: str) -> None:
    git(folder, "init", "-q")
    (folder / "secrets.toml").rename(folder / name)
    secrets = f"--secrets={name}"
    assert "git does not ignore this secrets file" in run("check", CLASS, secrets).out
    git(folder, "--literal-pathspecs", "add", "--", name)
    assert TRACKED in run("check", CLASS, secrets).out
    git(folder, "commit", "-qm", "oops")
    git(folder, "--literal-pathspecs", "rm", "-q", "--cached", "--", name)
    assert "in its last commit (HEAD)" in run("check", CLASS, secrets).out


def test_whatever_makes_git_ignore_a_file_counts(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    git(folder, "init", "-q")
    exclude = folder / ".git" / "info" / "exclude"
    exclude.unlink(missing_ok=True)
    assert "Warnings" in run("check", CLASS).out
    exclude.parent.mkdir(exist_ok=True)
    exclude.write_text("secrets.toml\n", encoding="utf-8")
    assert "Warnings" not in run("check", CLASS).out
    exclude.unlink()
    (home / "mine").write_text("secrets.*\n", encoding="utf-8")
    git(folder, "config", "core.excludesFile", "~/mine")
    assert "Warnings" not in run("check", CLASS).out
    git(folder, "config", "--unset", "core.excludesFile")
    assert "Warnings" in run("check", CLASS).out
    (home / ".gitconfig").write_text("[core]\nexcludesFile = ~/mine\n", encoding="utf-8")
    assert "Warnings" not in run("check", CLASS).out


def test_a_folder_of_a_repository(run: Run, folder: Path) -> None:
    git(folder, "init", "-q")
    (folder / "deploy").mkdir()
    (folder / "secrets.toml").rename(folder / "deploy" / "secrets.toml")
    (folder / ".gitignore").write_text("deploy/*\n", encoding="utf-8")
    secrets = ("--secrets", "deploy/secrets.toml")
    assert "Warnings" not in run("check", CLASS, *secrets).out
    git(folder, "add", "-f", "deploy/secrets.toml")
    assert TRACKED in run("check", CLASS, *secrets).out


class TestFolder:
    """A folder of secrets: git is asked once about all of its files."""

    LAYERS = ("--layer", "config.toml", "--layer", "mounted,secret")

    @pytest.fixture
    def mounted(self, folder: Path) -> Path:
        git(folder, "init", "-q")
        mounted = folder / "mounted"
        mounted.mkdir(mode=0o700)
        (mounted / "TOKEN").write_text("open-sesame")
        for number in range(1000):
            (mounted / f"KEYS.k{number:03}").write_text("x")
        for path in mounted.iterdir():
            path.chmod(0o600)
        (mounted / "README").touch(0o600)
        return mounted

    def warnings(self, run: Run) -> list[tuple[str, str, str]]:
        found = run("check", CLASS, *self.LAYERS, "--json").json()["warnings"]
        return [(each["file"], each["message"], each["hint"]) for each in found if each["code"] != "unknown-key"]

    def test_what_is_true_of_many_is_told_once(self, run: Run, mounted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked_git = _counted(monkeypatch)
        [(file, message, hint)] = self.warnings(run)
        assert (file, message) == (
            "mounted/KEYS.k000",
            "git does not ignore this secrets file (and 1000 others in mounted)",
        )
        assert hint == "add mounted to .gitignore, or `git add .` adds it"
        assert len(asked_git) < 8
        git(mounted, "add", "README", "KEYS.k001", "KEYS.k002")
        (mounted.parent / ".gitignore").write_text("mounted\n")
        [(file, message, hint)] = self.warnings(run)
        assert (file, message) == ("mounted/KEYS.k001", f"{TRACKED} (and 1 other in mounted)")
        git(mounted, "commit", "-qm", "oops")
        subprocess.run(hint.partition(",")[0], shell=True, check=True, capture_output=True)
        [(file, message, _)] = self.warnings(run)
        assert message == "git has this secrets file in its last commit (HEAD) (and 1 other in mounted)"
        git(mounted, "commit", "-qm", "better")
        assert self.warnings(run) == []

    def test_names_so_long_that_git_cannot_take_them_at_once(self, run: Run, mounted: Path) -> None:
        for number in range(900):
            (mounted / f"KEYS.{'k' * 200}{number}").touch(0o600)
        git(mounted, "add", ".")
        assert self.warnings(run)[0][1] == f"{TRACKED} (and 1900 others in mounted)"
        git(mounted, "rm", "-qr", "--cached", ".")
        assert self.warnings(run)[0][1] == "git does not ignore this secrets file (and 1900 others in mounted)"

    def test_files_that_are_elsewhere(
        self, run: Run, mounted: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What counts is where the content is. Each repository is asked once."""
        (mounted.parent / ".gitignore").write_text("mounted\n")
        repositories = [tmp_path_factory.mktemp("other") for _ in range(2)]
        for path in sorted(mounted.glob("KEYS.*"))[:500]:
            to = repositories[path.name < "KEYS.k250"] / path.name / "value"
            to.parent.mkdir()
            path.rename(to)
            path.symlink_to(to)
        for repository in repositories:
            git(repository, "init", "-q")
        git(repositories[0], "add", ".")
        asked_git = _counted(monkeypatch)
        found = {message: file for file, message, _ in self.warnings(run)}
        assert found[f"{TRACKED} (and 249 others in mounted)"] == "mounted/KEYS.k250"
        assert found["git does not ignore this secrets file (and 249 others in mounted)"] == "mounted/KEYS.k000"
        assert len(asked_git) < 24
        (repositories[1] / ".git" / "index").write_bytes(b"DIRC" + bytes(100))
        messages = [message for _, message, _ in self.warnings(run)]
        reason = f"git cannot read the repository in {repositories[1]}"
        assert f"{CANNOT_TELL}{reason} (and 249 others in mounted)" in messages
        assert f"{TRACKED} (and 249 others in mounted)" in messages


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Collect what git is asked from now on."""
    asked_git, run_it = list[object](), asked._Git.run

    def run(self: Any, folder: str, *command: str, **options: Any) -> tuple[int, bytes]:
        asked_git.append(command)
        return run_it(self, folder, *command, **options)

    monkeypatch.setattr(asked._Git, "run", run)
    return asked_git


def test_nothing_is_left_of_asking(
    run: Run, folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    git(folder, "init", "-q")
    run("check", CLASS)
    assert list(temporary.iterdir()) == []
    monkeypatch.setattr("tempfile.tempdir", str(temporary / "none"))
    assert f"{CANNOT_TELL}what git needs cannot be read or written" in run("check", CLASS).out
