"""docs/comparison.md: what stands in a cell is what the library does today, better or worse."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
import trio
from support import ROOT

pytest.importorskip("pydantic_settings", reason="the benchmarks' own dependencies are not installed")

import omegaconf
import typed_settings
from support import peer_settings as peers

from benchmarks.figures import Results
from hotsettings import Live

PAGE = (ROOT / "docs/comparison.md").read_text(encoding="utf-8")
PEERS = list(peers.LOADERS)
NONE = "–"  # noqa: RUF001
"""For a library that reads its files once: the question does not arise."""


def tables(text: str) -> dict[str, dict[str, str]]:
    """The rows of all tables by their titles, each with a cell for each library."""
    rows: dict[str, dict[str, str]] = {}
    heads: list[str] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            heads = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not heads:
            heads = cells
        elif not re.fullmatch(r"[-: ]+", cells[0]):
            rows[cells[0]] = dict(zip(heads[1:], cells[1:], strict=True))
    return rows


def bare(cell: str) -> str:
    """A cell without its links."""
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", cell)


ROWS = tables(PAGE)


SEEN_BY = {
    row: re.findall(r"`(test_\w+)`", seen)
    for row, seen in re.findall(r"^- (.+?): (\[`test_.+(?:\n  .+)*)", PAGE, re.MULTILINE)
}
LINK = re.compile(r"\[[^\]]+\]\([^)]+\)")


def cell(test: str, peer: str) -> str:
    """What the row that was seen by a test says of a library."""
    [row] = [row for row, tests in SEEN_BY.items() if test in tests]
    return bare(ROWS[row][peer])


def write(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def replaced(file: Path, text: str) -> None:
    os.replace(write(file.with_name("written"), text), file)


def refusal(load: Callable[..., Any], *files: Path) -> str:
    with pytest.raises(Exception, match=r"(?s).+") as caught:
        load(*files)
    return str(caught.value)


# What holds of the tables themselves.


@pytest.mark.parametrize("row", list(ROWS))
def test_every_cell_has_a_reason(row: str) -> None:
    """A test of the row, or a link to the library's own pages, or the word that nobody looked."""
    assert list(ROWS[row]) == PEERS
    tests = SEEN_BY.get(row, [])
    for test in tests:
        assert callable(globals()[test])
    for peer, text in ROWS[row].items():
        if not tests and peer != "hotsettings":
            assert LINK.search(text) or text.startswith("not ") or text == NONE, (peer, text)


def test_every_test_is_of_a_row() -> None:
    assert set(SEEN_BY) <= set(ROWS)


def test_what_loads_once_has_no_answer_about_edits() -> None:
    for row in tables(PAGE.partition("## While the program runs")[2].partition("\n## ")[0]):
        if row != "Watches the files":
            assert [ROWS[row][peer] for peer in PEERS[2:]] == [NONE] * 5


def test_the_versions_are_those_that_are_tested() -> None:
    for peer in PEERS[1:]:
        assert f"{peer} {importlib.metadata.version(peer)}" in PAGE.replace("\n", " "), peer


def test_the_readme_quotes_the_page() -> None:
    quoted = tables((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(quoted) >= 5
    for row, cells in quoted.items():
        for peer, text in cells.items():
            assert text == bare(ROWS[row][peer]), (row, peer)


# What is asked of every library.


@pytest.mark.parametrize("peer", PEERS)
def test_layers(peer: str, tmp_path: Path) -> None:
    base = write(tmp_path / "config.toml", "TIMEOUT = 2\n[LIMITS]\na = 1\n")
    top = write(tmp_path / "override.toml", "WORKERS = 8\n[LIMITS]\nb = 2\n")
    settings = peers.LOADERS[peer](base, top)
    assert (settings.TIMEOUT, settings.WORKERS) == (2, 8)
    found = "yes" if dict(settings.LIMITS) == {"a": 1, "b": 2} else "not in dicts"
    if peer == "omegaconf" and "TIMEOUT" not in omegaconf.OmegaConf.load(base):
        found = "no TOML"
    assert found == cell("test_layers", peer)


@pytest.mark.parametrize("peer", PEERS)
def test_all_mistakes(peer: str, tmp_path: Path) -> None:
    file = write(tmp_path / "broken.toml", 'TIMEOUT = "x"\nWORKERS = "x"\nTOKENS = 1\n')
    assert mistakes(refusal(peers.LOADERS[peer], file)) == cell("test_all_mistakes", peer).partition(";")[0]
    if peer == "dynamic-config-py":
        assert mistakes(refusal(peers.dynamic_with_pydantic, file)) == "all"
        assert cell("test_all_mistakes", peer).endswith("; all with pydantic")


def mistakes(error: str) -> str:
    named = [key for key in ("TIMEOUT", "WORKERS", "TOKENS") if key in error]
    if named == ["TIMEOUT", "WORKERS"]:
        return "all but unknown keys"
    return {1: "the first", 3: "all"}[len(named)]


@pytest.mark.parametrize("peer", PEERS)
def test_strict(peer: str, tmp_path: Path) -> None:
    file = write(tmp_path / "config.toml", 'TIMEOUT = "3"\n')
    found = "yes" if refuses(lambda: peers.LOADERS[peer](file)) else "no"
    assert found == cell("test_strict", peer).removesuffix(", if asked")


@pytest.mark.parametrize("peer", PEERS)
def test_place_of_a_mistake(peer: str, tmp_path: Path) -> None:
    file = write(tmp_path / "broken.toml", '\nTIMEOUT = "x"\n')
    error = refusal(peers.LOADERS[peer], file)
    found = "line, column" if "broken.toml:2:11" in error else "line" if ":2" in error else "no"
    if found == "no" and "broken.toml" in error:
        found = "file"
    assert found == cell("test_place_of_a_mistake", peer)


@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer != "typed-settings"])
def test_secrets_in_errors(peer: str, tmp_path: Path) -> None:
    wrong = (
        f'TOKEN = "{peers.SECRET}"' if peer not in ("typed-settings", "omegaconf") else f'TOKEN = ["{peers.SECRET}"]'
    )
    error = refusal(peers.LOADERS[peer], write(tmp_path / "broken.toml", wrong))
    assert ("no" if peers.SECRET in error else "yes") == cell("test_secrets_in_errors", peer)


@pytest.mark.parametrize("peer", PEERS)
def test_immutable(peer: str, tmp_path: Path) -> None:
    settings = peers.LOADERS[peer](write(tmp_path / "config.toml", 'HOSTS = ["a"]\n[LIMITS]\na = 1\n'))
    top = refuses(lambda: setattr(settings, "TIMEOUT", 9))
    deep = refuses(lambda: settings.LIMITS.__setitem__("a", 9)) and refuses(lambda: settings.HOSTS.append("b"))
    found = "all the way down" if top and deep else "not in dicts" if top else "no"
    assert found == cell("test_immutable", peer).removesuffix(", if asked")


def refuses(change: Callable[[], Any]) -> bool:
    try:
        change()
    except Exception:
        return True
    return False


@pytest.mark.parametrize("peer", ["hotsettings", "dynamic-config-py", "dynaconf"])
def test_origin(peer: str, tmp_path: Path) -> None:
    file = write(tmp_path / "config.toml", "\nTIMEOUT = 2\n")
    settings = peers.LOADERS[peer](file)
    if peer == "hotsettings":
        told = anyio.run(origin_of, file)
    elif peer == "dynamic-config-py":
        told = str(peers.dynamic_source(file).source_of("TIMEOUT"))
    else:
        from dynaconf import inspect_settings

        told = str(inspect_settings(settings, "TIMEOUT"))
    found = "line, column" if f"{file.name}:2:11" in told else "file" if file.name in told else "no"
    assert found == cell("test_origin", peer)


async def origin_of(file: Path) -> str:
    async with peers.Settings.watch(file, secrets_path=None) as live:
        return str(live.explain("TIMEOUT"))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer not in ("hotsettings", "dynamic-config-py")])
def test_watches_nothing(peer: str, tmp_path: Path) -> None:
    threads, watching = set(threading.enumerate()), watches()
    file = write(tmp_path / "config.toml", "TIMEOUT = 2\n")
    settings = peers.LOADERS[peer](file)
    replaced(file, "TIMEOUT = 3\n")
    assert set(threading.enumerate()) <= threads
    assert watches() <= watching
    assert settings.TIMEOUT == 2
    assert cell("test_both_follow", peer) == "no"


def watches() -> set[str]:
    """The descriptors of this process that watch files."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if "notify" in os.readlink(descriptor):
                found.add(descriptor.name)
    return found


TYPED = """
from confz import BaseConfig
from dynaconf import Dynaconf
from dynamic_config import DynamicConfig
from hotsettings import BaseSettings
from msgspec import Struct
from omegaconf import OmegaConf
from pydantic_settings import BaseSettings as PydanticSettings
from typed_settings import load, settings
class A(BaseSettings):
    KEY: int = 1
class B(Struct):
    KEY: int = 1
class C(PydanticSettings):
    KEY: int = 1
@settings
class E:
    KEY: int = 1
class F(BaseConfig):
    KEY: int = 1
reveal_type(A().KEY)
reveal_type(DynamicConfig(B, key="").init_and_current().KEY)
reveal_type(C().KEY)
reveal_type(Dynaconf().KEY)
reveal_type(load(E, "app").KEY)
reveal_type(F().KEY)
reveal_type(OmegaConf.merge(OmegaConf.create({"KEY": 1})).KEY)
"""


def test_type_checkers(tmp_path: Path) -> None:
    """The keys of each, in the order of the columns, in one run of mypy."""
    program = write(tmp_path / "program.py", TYPED)
    options = ["--config-file", os.devnull, "--cache-dir", str(tmp_path / "cache"), "--follow-imports", "silent"]
    mypy = [sys.executable, "-m", "mypy", *options, str(program)]
    told = subprocess.run(mypy, capture_output=True, text=True, timeout=300, check=False).stdout
    types = re.findall(r'Revealed type is "(.+)"', told)
    assert len(types) == len(PEERS), told
    found = {peer: "yes" if "int" in kind else "no" for peer, kind in zip(PEERS, types, strict=True)}
    assert found == {peer: cell("test_type_checkers", peer) for peer in PEERS}


READ = {
    "hotsettings": "hotsettings: live.current.KEY",
    "dynamic-config-py": "dynamic-config-py: config.current().key",
    "pydantic-settings": "pydantic: a model's attribute",
    "dynaconf": "dynaconf",
    "confz": "pydantic: a model's attribute",
    "omegaconf": "omegaconf",
}


@pytest.mark.parametrize("peer", PEERS)
def test_figures(peer: str) -> None:
    """Within a factor of two: what is measured differs from machine to machine."""
    if peer in READ:
        ratio = figure("read", READ[peer], "against a plain attribute")
        assert 0.5 < ratio / float(ROWS["Reading a key, times a plain attribute"][peer]) < 2
    ratio = figure("load", peer, "against the floor") / figure("load", "hotsettings", "against the floor")
    assert 0.5 < ratio / float(ROWS["Loading three files, times hotsettings"][peer]) < 2


def figure(name: str, who: str, column: str) -> float:
    results = msgspec.json.decode((ROOT / "docs/benchmarks/results.json").read_bytes(), type=Results)
    [measured] = [each for each in results.figures if each.name == name]
    [value] = [row.cells[column] for row in measured.rows if row.who == who]
    assert isinstance(value, list)
    return sorted(value)[1]


@pytest.mark.parametrize("peer", PEERS)
def test_environment_variables(peer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_TIMEOUT", "7")
    if peer == "hotsettings":
        monkeypatch.setenv("TIMEOUT", "7")
        found = "no" if peers.hotsettings(write(tmp_path / "config.toml", "")).TIMEOUT == 1 else "yes"
    else:
        found = "yes" if peers.from_environment(peer) == 7 else "no"
    assert found == cell("test_environment_variables", peer)


@pytest.mark.parametrize("peer", PEERS)
def test_other_formats(peer: str, tmp_path: Path) -> None:
    files = [write(tmp_path / "c.yaml", "TIMEOUT: 7\n"), write(tmp_path / "c.json", '{"TIMEOUT": 7}')]
    refused = [refuses(lambda file=file: peers.from_other_format(peer, file)) for file in files]  # type: ignore[misc]
    assert refused in ([True, True], [False, False])
    if not refused[0]:
        assert [peers.from_other_format(peer, file) for file in files] == [7, 7]
    assert ("no" if refused[0] else "yes") == cell("test_other_formats", peer)
    if peer == "typed-settings":
        formats = {name for name in dir(typed_settings) if name.endswith("Format")}
        assert formats == {"TomlFormat"}


# What is asked of the two that follow files. Both follow the same one: when the slower has acted, the other had the time.


@pytest.fixture(params=[("asyncio", {})], ids=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """The one loop that both know."""
    return request.param


@contextlib.asynccontextmanager
async def both(file: Path) -> AsyncIterator[tuple[Live[peers.Settings], Any]]:
    source = peers.dynamic_source(file)
    await source.init_async()
    async with peers.Settings.watch(file, secrets_path=None) as live:
        async with source.watching_async():
            yield live, source


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.01)


def says(test: str, hotsettings: str, dynamic: str) -> None:
    assert (cell(test, "hotsettings"), cell(test, "dynamic-config-py")) == (hotsettings, dynamic)


@pytest.mark.anyio
async def test_both_follow(tmp_path: Path) -> None:
    file = write(tmp_path / "config.toml", "TIMEOUT = 2\n")
    async with both(file) as (live, source):
        replaced(file, "TIMEOUT = 3\n")
        await until(lambda: live.current.TIMEOUT == 3 and source.current().TIMEOUT == 3)
    says("test_both_follow", "yes", "yes")


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform != "linux", reason="only there is a writer seen to close its file")
async def test_half_written(tmp_path: Path) -> None:
    file = write(tmp_path / "config.toml", 'TIMEOUT = 2\nHOSTS = ["a"]\n')
    async with both(file) as (live, source):
        with file.open("w", encoding="utf-8") as writing:
            writing.write("TIMEOUT = 3\n")
            writing.flush()
            await until(lambda: source.current().TIMEOUT == 3 and source.current().HOSTS == ())
            assert (live.current.TIMEOUT, live.current.HOSTS) == (2, ("a",))
            writing.write('HOSTS = ["b"]\n')
        await until(lambda: live.current.HOSTS == ("b",) and source.current().HOSTS == ("b",))
    says("test_half_written", "no", "yes")


@pytest.mark.anyio
async def test_bad_edit(tmp_path: Path) -> None:
    file = write(tmp_path / "config.toml", "TIMEOUT = 2\n")
    async with both(file) as (live, source):
        replaced(file, 'TIMEOUT = "soon"\n')
        await until(lambda: live.status.last_error is not None and not source.status().is_healthy)
        assert (live.current.TIMEOUT, source.current().TIMEOUT) == (2, 2)
    says("test_bad_edit", "yes", "yes")


@pytest.mark.anyio
@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "emptied"])
async def test_deleted_or_emptied(tmp_path: Path, deleted: bool) -> None:
    file = write(tmp_path / "config.toml", "TIMEOUT = 2\n")
    async with both(file) as (live, source):
        if deleted:
            file.unlink()
        else:
            replaced(file, "")
        await until(lambda: source.current().TIMEOUT == 1 and live.status.last_error is not None)
        assert live.current.TIMEOUT == 2
    says("test_deleted_or_emptied", "the last good values stay", "the defaults go live")


@pytest.mark.anyio
async def test_kubernetes_swap(tmp_path: Path) -> None:
    for name, text in (("..1", "TIMEOUT = 2\n"), ("..2", "TIMEOUT = 3\n")):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "config.toml", text)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "config.toml").symlink_to("..data/config.toml")
    async with both(tmp_path / "config.toml") as (live, source):
        (tmp_path / "..next").symlink_to("..2")
        (tmp_path / "..next").replace(tmp_path / "..data")
        await until(lambda: live.current.TIMEOUT == 3 and source.current().TIMEOUT == 3)
    says("test_kubernetes_swap", "yes", "yes")


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what the callback raises
async def test_veto(tmp_path: Path) -> None:
    file = write(tmp_path / "config.toml", "TIMEOUT = 2\n")
    asked: list[int] = []

    async def refuse(change: Any) -> None:
        raise ValueError("not this one")

    async with both(file) as (live, source):

        @source.on_change("TIMEOUT")  # type: ignore[untyped-decorator]  # of a library without types here
        def told(old: Any, new: Any) -> None:
            asked.append(source.current().TIMEOUT)
            raise ValueError("not this one")

        live.prepare(refuse, "TIMEOUT")
        replaced(file, "TIMEOUT = 3\n")
        await until(lambda: asked == [3] and live.status.last_error is not None)
        assert (live.current.TIMEOUT, source.current().TIMEOUT) == (2, 3)
    says("test_veto", "yes", "no")


def test_event_loops(tmp_path: Path) -> None:
    file = write(tmp_path / "config.toml", "TIMEOUT = 2\n")

    async def ours() -> None:
        async with peers.Settings.watch(file, secrets_path=None) as live:
            changes = live.changes()
            replaced(file, "TIMEOUT = 3\n")
            assert (await anext(changes)).new.TIMEOUT == 3

    async def theirs() -> None:
        await peers.dynamic_source(file).init_async()

    trio.run(ours)
    replaced(file, "TIMEOUT = 2\n")
    anyio.run(ours)
    anyio.run(theirs)
    with pytest.raises(Exception, match=r"running event loop|asyncio|yield"):
        trio.run(theirs)
    says("test_event_loops", "asyncio and trio", "asyncio")


def waited(ask: Callable[[], bool]) -> bool:
    """Whether something comes true in time, in a program without an event loop."""
    deadline = time.monotonic() + 5
    while not ask() and time.monotonic() < deadline:
        time.sleep(0.01)
    return ask()


def test_without_an_event_loop(tmp_path: Path) -> None:
    file = write(tmp_path / "config.toml", "TIMEOUT = 2\n")
    source = peers.dynamic_source(file)
    source.init()
    watching = source.watch(debounce=0.05)
    try:
        with peers.Settings.watch(file, secrets_path=None) as live:
            replaced(file, "TIMEOUT = 3\n")
            assert waited(lambda: (live.current.TIMEOUT, source.current().TIMEOUT) == (3, 3))
    finally:
        watching.stop()
    says("test_without_an_event_loop", "yes", "yes")


FORKING = """
import os, sys, time
from pathlib import Path
from support import peer_settings as peers

file = Path(sys.argv[1])
source = peers.dynamic_source(file)
source.init()
watching = source.watch(debounce=0.05)
live = peers.Settings.watch(file, secrets_path=None).start()
if os.fork() == 0:
    Path(f"{file}~").write_text("TIMEOUT = 3\\n")
    os.replace(f"{file}~", file)
    deadline = time.monotonic() + 20
    while live.current.TIMEOUT != 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(1)
    print(live.current.TIMEOUT, source.current().TIMEOUT, source.status().is_healthy, flush=True)
    os._exit(0)
os.wait()
while source.current().TIMEOUT != 3:
    time.sleep(0.01)
print(live.current.TIMEOUT, flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_forked(tmp_path: Path) -> None:
    file = write(tmp_path / "config.toml", "TIMEOUT = 2\n")
    command = [sys.executable, "-W", "ignore", "-c", FORKING, str(file)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("3 2 True\n3\n", "")
    says("test_forked", "follows", "keeps the old values, unless one of its web adapters is used")
