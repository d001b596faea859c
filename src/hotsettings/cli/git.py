"""Asks git whether it tracks secrets files, without letting the repository run anything.

Whoever can write to a repository can run commands through git: its configuration names commands for a file system monitor,
for filters, and for fetching missing objects. A settings file may be in the repository of another user. So git is asked
twice:

1. In the nearest folder above the file that has a ``.git``. Git checks who owns the repository (``safe.directory``),
   which only git can do right. It reads the configuration, but neither the index nor any object, so it runs nothing.
2. In an empty repository of our own, which borrows the index, the objects and the excluded names of the other one. Git
   does not see the configuration of the other one. There is no remote to fetch from, so a missing object is an error.

This does not depend on the version of git. The environment variables that forbid fetching are a second line of defence.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from shlex import quote

from msgspec import Struct

TIMEOUT = 2.0
"""Seconds for all questions about one layer."""

_MOST_OUTPUT = 64 * 1024
_MOST_SHARED = 1000
_LARGEST_EXCLUDE = 1024 * 1024

_OPTIONS = (
    "--no-pager",
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.untrackedCache=false"),
)
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    # A repository may track files on another file system.
    "GIT_DISCOVERY_ACROSS_FILESYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    # The allowed protocols. With "none", git would run `git remote-none`, which can be an alias. The name of a protocol or an
    # alias cannot contain a slash.
    "GIT_ALLOW_PROTOCOL": "/",
}


class Known(Struct, frozen=True):
    """What git knows about a file: whether it is in the index, in the last commit, or ignored."""

    tracked: bool = False
    committed: bool = False
    ignored: bool = True


class CannotTell(Exception):
    """Raised when git does not answer.

    Args:
        reason: Why it does not.
        hint: What the user can do about it.
    """

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def ask(paths: Iterable[str]) -> dict[str, Known | CannotTell]:
    """Return what git knows about the files that ``paths`` resolve to. Those in no repository are left out.

    Each repository is asked once, however many files it has, and all within ``TIMEOUT``.
    """
    repository_above = cache(_repository_above)
    files: dict[str, dict[str, str]] = {}
    for path in paths:
        real = os.path.realpath(path)
        if (repository := repository_above(os.path.dirname(real))) is not None:
            files.setdefault(repository, {})[path] = os.path.relpath(real, repository).replace(os.sep, "/")
    found: dict[str, Known | CannotTell] = {}
    end = time.monotonic() + TIMEOUT
    for repository, names in files.items():
        try:
            known = _known(repository, names.values(), end)
        except CannotTell as why:
            found |= dict.fromkeys(names, why.with_traceback(None))
        else:
            found |= {path: known[name] for path, name in names.items()}
    return found


def _known(repository: str, files: Iterable[str], end: float) -> dict[str, Known]:
    """Return what a repository knows about files in it. Raises CannotTell."""
    git = _Git(repository, end)
    where = git.find(repository)
    # The names are not patterns. `check-ignore` takes no patterns, but would misread a colon at the start of a name.
    literally = ("--literal-pathspecs",)
    names = {where.prefix + file: file for file in files}
    known: dict[str, Known] = {}
    with _borrowed(where) as directory:
        environment = {
            "GIT_DIR": directory,
            "GIT_INDEX_FILE": where.index,
            "GIT_OBJECT_DIRECTORY": where.objects,
            "GIT_WORK_TREE": where.top,
        }
        for some in _in_parts(names):
            _, said = git.run(where.top, "ls-files", "-z", "--", *some, options=literally, also=environment)
            known |= {names.pop(name): Known(tracked=True) for name in _listed(said, some)}
        for some in _in_parts(names) if where.head else ():
            held = ("ls-tree", "-z", "--name-only", "--full-tree", where.head, "--", *some)
            _, said = git.run(where.top, *held, options=literally, also=environment)
            known |= {names.pop(name): Known(committed=True) for name in _listed(said, some)}
        for some in _in_parts(names):
            with open(os.path.join(directory, "names"), "w+b") as asked:
                asked.write(b"".join(b"./" + os.fsencode(name) + b"\0" for name in some))
                asked.seek(0)
                ignoring = ("check-ignore", "-z", "--stdin", "--no-index")
                _, said = git.run(
                    where.top, *ignoring, options=where.options, also=environment, stdin=asked.fileno(), good=(0, 1)
                )
            ignored = _listed(said.removeprefix(b"./").replace(b"\0./", b"\0"), some)
            known |= {names[name]: Known(ignored=name in ignored) for name in some}
    return known


def _in_parts(names: Iterable[str]) -> list[list[str]]:
    """Divide names, so that git can take each part as its arguments and answers with no more than ``_MOST_OUTPUT``."""
    parts, room = list[list[str]](), 0
    for name in names:
        size = len(os.fsencode(name)) + len("./\0")
        if not parts or size > room:
            parts.append([])
            room = _MOST_OUTPUT
        parts[-1].append(name)
        room -= size
    return parts


def _listed(output: bytes, among: Iterable[str]) -> set[str]:
    return set(os.fsdecode(output).split("\0")).intersection(among)


def _repository_above(folder: str) -> str | None:
    """Return the nearest folder, this one or one above it, that has a .git."""
    while not os.path.lexists(os.path.join(folder, ".git")):
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return None
    return folder


class _Where(Struct, frozen=True):
    """Where a repository keeps what we borrow, and those of its options that decide what is ignored."""

    top: str
    prefix: str
    directory: str
    index: str
    objects: str
    exclude: str
    object_format: str
    head: str
    options: tuple[str, ...]


class _Git:
    """Runs the git of this machine on one repository. Raises CannotTell."""

    def __init__(self, repository: str, end: float) -> None:
        self._repository = repository
        self._end = end
        # A relative entry of PATH could run something in the working directory.
        self._path = os.pathsep.join(filter(os.path.isabs, os.environ.get("PATH", os.defpath).split(os.pathsep)))
        program = shutil.which("git", path=self._path)
        if program is None or not os.path.isabs(program):
            raise CannotTell("git is not installed", "run this where git is installed")
        self._program = program

    def find(self, folder: str) -> _Where:
        paths = (path for name in ("index", "objects", "info/exclude") for path in ("--git-path", name))
        asked = ("--show-toplevel", "--show-prefix", "--absolute-git-dir", *paths, "--show-object-format")
        lines = os.fsdecode(self.run(folder, "rev-parse", *asked)[1]).split("\n")
        if len(lines) != 8:
            raise CannotTell("the name of a folder on the path contains a line break", "rename that folder")
        top, prefix, directory, *inside, object_format, _ = lines
        if not _is_same(os.path.join(top, prefix), folder):
            raise CannotTell(f"the repository in {self._repository} has its files elsewhere", "run this there")
        index, objects, exclude = (os.path.join(folder, path) for path in inside)
        _, head = self.run(folder, "rev-parse", "--verify", "--quiet", "HEAD", good=(0, 1))
        wanted = r"^core\.(excludesfile|ignorecase|precomposeunicode)$"
        _, found = self.run(folder, "config", "-z", "--get-regexp", wanted, good=(0, 1))
        settings = (setting.replace("\n", "=", 1) for setting in os.fsdecode(found).split("\0") if setting)
        options = tuple(option for setting in settings for option in ("-c", setting))
        commit = head.decode("ascii", "replace").strip()
        return _Where(top, prefix, directory, index, objects, exclude, object_format, commit, options)

    def run(
        self,
        folder: str,
        *command: str,
        options: Sequence[str] = (),
        also: Mapping[str, str] = {},
        stdin: int = subprocess.DEVNULL,
        good: Sequence[int] = (0,),
    ) -> tuple[int, bytes]:
        """Run a git command in a folder. Return its status, which must be one of ``good``, and its output."""
        # In a git hook, our own environment names the repository of the hook.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        environment |= {**_ENVIRONMENT, **also, "PATH": self._path}
        try:
            process = subprocess.Popen(
                [self._program, *_OPTIONS, *options, *command],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        except OSError:
            raise CannotTell("git cannot be run here", "run this where git is installed") from None
        watchdog = threading.Timer(max(0.0, self._end - time.monotonic()), _kill, [process])
        watchdog.daemon = True
        watchdog.start()
        with process:
            assert process.stdout is not None
            output = process.stdout.read(_MOST_OUTPUT + 1)
            if len(output) > _MOST_OUTPUT:
                _kill(process)
            status = process.wait()
        watchdog.cancel()
        if time.monotonic() >= self._end:
            raise CannotTell(f"git did not answer within {TIMEOUT:.0f} seconds", "run this again")
        if status not in good or len(output) > _MOST_OUTPUT:
            raise self._refusal()
        return status, output

    def _refusal(self) -> CannotTell:
        """Return why git has failed, without parsing its messages."""
        shown = self._repository
        if _is_of_another_user(shown) or _is_of_another_user(os.path.join(shown, ".git")):
            hint = f"run this as its owner; if you trust it: git config --global --add safe.directory {quote(shown)}"
            return CannotTell(f"the repository in {shown} belongs to another user", hint)
        return CannotTell(f"git cannot read the repository in {shown}", "repair it, or run this in a full clone of it")


def _is_same(one: str, other: str) -> bool:
    with suppress(OSError):
        return os.path.samefile(one, other)
    return False


def _is_of_another_user(path: str) -> bool:
    try:
        return os.name == "posix" and os.lstat(path).st_uid != os.geteuid()
    except OSError:
        return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):  # it may be gone
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


@contextmanager
def _borrowed(where: _Where) -> Generator[str, None, None]:
    """Make an empty repository that takes only the object format from the configuration of the other one."""
    try:
        with tempfile.TemporaryDirectory(prefix="hotsettings-", ignore_cleanup_errors=True) as directory:
            for name in ("objects", "refs", "info"):
                os.mkdir(os.path.join(directory, name))
            config = "[core]\nrepositoryformatversion = 0\nbare = false\n"
            if where.object_format == "sha256":
                config = "[core]\nrepositoryformatversion = 1\nbare = false\n[extensions]\nobjectformat = sha256\n"
            for name, text in (("HEAD", "ref: refs/heads/none\n"), ("config", config)):
                with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                    file.write(text)
            with suppress(FileNotFoundError, NotADirectoryError):
                status = os.stat(where.exclude)
                if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST_EXCLUDE:
                    shutil.copyfile(where.exclude, os.path.join(directory, "info", "exclude"))
            _share_index(where.directory, directory)
            yield directory
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise CannotTell(f"what git needs cannot be read or written: {reason}", "run this as a user who may") from None


def _share_index(theirs: str, ours: str) -> None:
    """Link the shared part of a split index to where git looks for it."""
    with os.scandir(theirs) as entries:
        shared = [entry.name for entry in entries if entry.name.startswith("sharedindex.")]
    for name in shared[:_MOST_SHARED]:
        os.symlink(os.path.join(theirs, name), os.path.join(ours, name))
