"""Whatever three files hold, loading them ends in settings or a SettingsError: soon, in little memory, on a small stack.

The loads run in a process of their own, so that one that crashes or hangs is told by name. For a longer session:
`HYPOTHESIS_PROFILE=long make test ARGS=tests/test_fuzz.py`.
"""

import contextlib
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import toml_rs
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT, hostile, loading_worker
from support.examples import examples, first
from support.toml_texts import PIECES, documents
from support.traced import untraced_environ

from integr8scode.settings import Settings

OUTCOMES: Final = {"Settings", "LayerError", "InvalidSettings"}
SECONDS: Final = 1.5
"""Of the processor, for a load of three layers, at the pace of the machine that this was measured on."""
PARSING: Final = 2.5
"""The same where the parser alone, and the collector that looks through half a million new tables, take most of it."""
MEMORY: Final = 400 * 1024 * 1024
PATIENCE: Final = 120
"""Seconds after which a load is said to hang."""


class Loads:
    """The worker process, and files for it to load."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._errors = folder / "stderr"
        self._answers: queue.Queue[str] = queue.Queue()
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, loading_worker.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=untraced_environ(),
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line.decode())
        self._answers.put("")

    def close(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._listener.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def load(self, layers: hostile.Layers, stacks: tuple[str, ...] = ("main", "small")) -> list[dict[str, Any]]:
        """Load what is in these layers. Fails, naming the files, if that ends in anything but settings or an error."""
        paths = []
        for name, data in zip(("config", "secrets", "override"), layers, strict=True):
            path = self._folder / f"{name}.toml"
            path.unlink(missing_ok=True)
            if data is not None:
                path.write_bytes(data)
            paths.append(None if data is None else str(path))
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"paths": paths, "stacks": stacks}).encode() + b"\n")
        self._process.stdin.flush()
        try:
            answer = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            pytest.fail(f"loading {self._folder} hangs: {[data and data[:200] for data in layers]}")
        results = json.loads(answer or '"died"')
        if isinstance(results, str):
            pytest.fail(f"loading {self._folder} {results}: {self._errors.read_text()[-2000:]}")
        for result in results:
            assert result["outcome"] in OUTCOMES
        return list(results)


@pytest.fixture(scope="module")
def loads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loads]:
    loads = Loads(tmp_path_factory.mktemp("fuzz"))
    yield loads
    loads.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", first(6, hostile.CASES))
def test_hostile(loads: Loads, name: str) -> None:
    layers = hostile.CASES[name]()
    assert all(len(data or b"") <= hostile.LARGEST for data in layers)
    assert max(len(data or b"") for data in layers) > hostile.LARGEST / 2 or name in SMALL
    for _ in range(3):  # somebody else may need the processor for a moment
        (result,) = loads.load(layers, ("small",))
        if quick := result["seconds"] < (PARSING if name in MANY_TABLES else SECONDS) * result["pace"]:
            break
    assert quick
    assert result["memory"] < MEMORY


MANY_TABLES = {
    "array of arrays",
    "arrays with the name of a secret",
    "nesting at the limit",
    "32 dotted parts",
    "32 dotted parts in a mapping",
}
SMALL = {
    "every key wrong",
    "near to known keys",
    "nesting beyond the limit, harmless to the parser",
    "few secrets that begin alike",
}


def test_what_is_expected_of_good_files(loads: Loads) -> None:
    config, secrets = (ROOT / name for name in ("config.toml", "secrets.example.toml"))
    for layers in ((config.read_bytes(), secrets.read_bytes(), None), (b"", hostile.SECRETS, b"")):
        assert [result["outcome"] for result in loads.load(layers)] == ["Settings", "Settings"]
    assert [result["outcome"] for result in loads.load((b"", None, None))] == ["InvalidSettings"] * 2
    assert [result["outcome"] for result in loads.load((b"!", b"", None), ("main",))] == ["LayerError"]


REAL = [(ROOT / name).read_bytes() for name in ("config.toml", "secrets.example.toml", "config.coordinator.toml")]
CANARIES = ("rootpassword", "signs-nothing-safely")

names = st.sampled_from(Settings.__struct_fields__).map(str.encode)
pieces = (
    st.sampled_from(PIECES).map(str.encode)
    | names
    | st.binary(max_size=4)
    | st.sampled_from(
        [b"SUPPORTED_RUNTIMES.x.versions", b"[SUPPORTED_RUNTIMES.python]\n", b" = ", b"[[", b"]\n", b"\xff"]
    )
    | st.sampled_from(
        [b"9" * 20, b"1" * 5000, b"0000-01-01", b"23:59:60", b"a." * 40, b"[" * 40, b"{a=" * 40, b"\r", b"inf"]
    )
)
soup = st.lists(pieces, max_size=25).map(b"".join)
lines = st.lists(st.builds(b"%s = %s\n".__mod__, st.tuples(names, soup)), max_size=4).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn, start: bytes) -> bytes:
    """A real file with a few accidents: parts of it lost, doubled, moved or replaced."""
    data = start
    for _ in range(draw(st.integers(0, 4))):
        one, other = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        part = data[one : min(other, one + draw(st.sampled_from([1, 3, 30, 300, 100_000])))]
        rest = data[:one] + data[one + len(part) :]
        to = draw(st.integers(0, len(rest)))
        inserted = draw(st.sampled_from([b"", part, part + part]) | pieces)
        data = rest[:to] + inserted + rest[to:]
    return data


optional = st.none() | soup | st.binary(max_size=100) | lines | documents().map(str.encode)


@examples(200)
@given(st.tuples(soup | st.binary(max_size=200) | lines, optional, optional))
def test_soup(loads: Loads, layers: hostile.Layers) -> None:
    loads.load(layers)


@examples(200)
@given(st.tuples(mutated(REAL[0]), mutated(REAL[1]), st.none() | mutated(REAL[2])))
def test_mutated_files(loads: Loads, layers: hostile.Layers) -> None:
    shown = "".join(result["shown"] for result in loads.load(layers))
    # Keys are shown; one mutation in a million makes a key of a value.
    for canary in CANARIES:
        assert canary not in shown or any(canary in part for part in keys_in(layers[1]))


def keys_in(data: bytes | None) -> Iterator[str]:
    with contextlib.suppress(ValueError):
        tables: list[Any] = [toml_rs.loads((data or b"").decode())]
        while tables:
            table = tables.pop()
            if isinstance(table, dict):
                yield from table
            tables += table.values() if isinstance(table, dict) else table if isinstance(table, list) else []


@examples(100)
@given(
    documents(), st.sampled_from(["EXAMPLE_SCRIPTS", "SUPPORTED_RUNTIMES", "SUPPORTED_RUNTIMES.python", "LOG_LEVEL"])
)
def test_valid_documents_below_a_key(loads: Loads, text: str, key: str) -> None:
    """Headers make a whole of what would be keys at the top; arrays of tables and dotted keys come along."""
    loads.load((f"[{key}]\n{text}".encode(), hostile.SECRETS, text.encode()))


@pytest.mark.slow
@examples(20)
@given(st.tuples(soup, soup, soup, pieces, st.integers(1, 100_000)))
def test_soup_that_goes_on_and_on(loads: Loads, parts: tuple[bytes, bytes, bytes, bytes, int]) -> None:
    """Accidents in size: a piece many times, between others."""
    before, unit, after, piece, times = parts
    unit = unit or piece or b"#"
    data = before + unit * min(times, 300_000 // len(unit)) + after
    for result in loads.load((data, data, data)):
        assert result["seconds"] < SECONDS * result["pace"]
