"""Whatever fails inside, users get a SettingsError that holds nothing of the layers.

Every function and method of the modules that handle layers is made to fail, one after the other, while all that users call is
called.
"""

from __future__ import annotations

import asyncio
import pickle
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import Struct
from support.examples import covering
from support.layer_files import write
from support.seams import CANARY, FAULTS, SEAMS, reached, spoil

import hotsettings
from hotsettings import BaseSettings, InvalidSettings, LayerError, Secret, SettingsError, UnforeseenError
from hotsettings._boundary import guarded, type_and_place, without_frames
from hotsettings._layers.file import FileLayer
from hotsettings._live.snapshot import Snapshot
from hotsettings._loading.explain import effective, explain
from hotsettings._loading.load import load
from hotsettings._schema.schema import schema_of


class Db(Struct, frozen=True, forbid_unknown_fields=True):
    host: str = "db"
    port: int = 5432


class Settings(BaseSettings):
    NAME: str
    TOKEN: Secret[str]
    PORTS: tuple[int, ...] = ()
    db: Db = Db()

    def __post_init__(self) -> None:
        if self.db.port < 0:
            raise ValueError(f"no such port, says {self.TOKEN}")


# What stands in config.toml, with the same canary in the secrets.
GOOD: Final = f"NAME = '{CANARY}'\nPORTS = [1, 2]\ndb.port = 1\n"
TEXTS: Final = {
    "good": GOOD,
    "a bad date before a bad key": "T = {a=23:59:60, ?=2}\n",
    "a bad escape in a key": 'T = {a=23:59:60, "\\uzzzz"=2}\n',
    "no TOML": f"NAME = '{CANARY}\n",
    "deep": "a = " + "[" * 40,
    "many digits": "a = " + "1" * 5000,
    "invalid": f"NAME = 5\nPORTS = ['{CANARY}', 1]\nUNKNOWN = 1\ndb.prot = 'x'\n",
    "against the rule": GOOD + "db.port = -1\n".replace("db.port", "db.host = 'h'\n[db2]\nport"),
}


def entries(folder: Path) -> dict[str, Callable[[], object]]:
    """All that users call, on the files of this folder; what is needed for that is made before anything fails."""
    paths: dict[str, Any] = {"config_path": folder / "config.toml", "secrets_path": folder / "secrets.toml"}
    good, other = folder / "good.toml", folder / "other.toml"
    good.write_text(GOOD)
    other.write_text("PORTS = [3]\n")
    layers = [FileLayer(good, name="base"), FileLayer(paths["secrets_path"], secret=True), FileLayer(other)]
    loaded = load(schema_of(Settings), layers)
    settings = loaded.settings
    return {
        "load": lambda: Settings(**paths),
        "load with an override": lambda: Settings(**paths, override_path=other),
        "from_values": lambda: Settings.from_values(NAME=CANARY, TOKEN=CANARY, db={"port": 2}),
        "from_values, invalid": lambda: Settings.from_values(NAME=CANARY, TOKEN=5, db={"port": CANARY}, PORTS=[CANARY]),
        "from_values, unknown object": lambda: Settings.from_values(NAME=CANARY, TOKEN=object()),
        "replace": lambda: settings.replace(NAME="other"),
        "replace, invalid": lambda: settings.replace(PORTS=[CANARY]),
        "explain": lambda: without_frames(explain)(loaded, "NAME"),
        "explain a table": lambda: without_frames(explain)(loaded, "db"),
        "effective": lambda: without_frames(effective)(loaded),
        "origins": lambda: Snapshot[Settings](loaded, 1).origins,
        "digest": lambda: Snapshot[Settings](loaded, 1).digest,
    }


def check(error: SettingsError) -> None:
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = f"{error} {error!r} {error.problems}".encode() + pickle.dumps(error)
    assert CANARY.encode() not in shown
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(str(Path(hotsettings.__file__).parent)):
            assert CANARY not in repr(trace.tb_frame.f_locals)
            assert trace.tb_frame.f_code.co_name in {"wrapper", "__call__"}, trace.tb_frame
        trace = trace.tb_next
    assert error.problems


LABELS: Final = ("config.toml", "secrets.toml", "good.toml", "other.toml", "values")


def outcome(entry: Callable[[], object]) -> SettingsError | None:
    try:
        entry()
    except SettingsError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("text", "error"),
    covering([*TEXTS], FAULTS, name=lambda each: each if isinstance(each, str) else type(each()).__name__),
)
def test_a_fault_at_any_seam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, error: Callable[[], Exception]
) -> None:
    write(tmp_path, TEXTS[text], secrets=f"TOKEN = '{CANARY}'\n")
    called = entries(tmp_path)
    hit = set()
    for name, entry in called.items():
        if text != "good" and "load" not in name:
            continue
        for seam in reached(partial(outcome, entry), SEAMS.values()):
            with monkeypatch.context() as patch:
                calls = spoil(patch, seam, error)
                failure = outcome(entry)
            if calls:
                hit.add(seam.name)
            if failure is not None and calls:
                check(failure)
            if isinstance(failure, UnforeseenError):
                assert f"unforeseen {type(error()).__name__}" in str(failure)
                assert any(label in str(failure) for label in LABELS), str(failure)
    assert len(hit) > (60 if text == "good" else 20)


@pytest.mark.toml_rs
@pytest.mark.parametrize(
    "text", ["T = {a=23:59:60, ?=2}", 'T = {a=23:59:60, "\\uzz"=2}', "T = [0000-01-01, 1979-05-27, ?]"]
)
def test_a_bad_value_before_a_bad_key(tmp_path: Path, text: str) -> None:
    """The parser objects to the value, so what says where it is has to walk over what is no TOML."""
    write(tmp_path, f"PASSWORD = '{CANARY}'\n{text}\n", secrets="")
    failure = outcome(lambda: Settings(tmp_path / "config.toml", secrets_path=tmp_path / "secrets.toml"))
    assert isinstance(failure, LayerError)
    check(failure)
    [problem] = failure.problems
    assert problem.message.startswith("a date or time that Python does not have")
    assert (problem.origin.file, problem.origin.line) == (str(tmp_path / "config.toml"), 2)


def test_at_any_depth_of_the_callers_stack(tmp_path: Path) -> None:
    """Near its end there may be no room left even to make an error; then a bare RecursionError holds nothing either."""
    write(tmp_path, TEXTS["invalid"], secrets=f"TOKEN = '{CANARY}'\n")
    kinds: set[str] = set()

    def descend(room: int) -> None:
        if room:
            descend(room - 1)
            return
        try:
            Settings(tmp_path / "config.toml", secrets_path=tmp_path / "secrets.toml")
        except SettingsError as error:
            kinds.add(type(error).__name__)
            failures.append(error)
        except RecursionError as error:
            kinds.add("bare")
            failures.append(error)

    limit = sys.getrecursionlimit()
    for room in range(limit - 150, limit):
        failures: list[Exception] = []
        try:
            descend(room)
        except RecursionError:  # not even the call was made
            break
        [failure] = failures
        assert failure.__context__ is None
        assert failure.__cause__ is None
        trace = failure.__traceback__
        while trace is not None:
            for value in trace.tb_frame.f_locals.values():
                with suppress(AttributeError):  # of a Path whose __init__ has found no room
                    assert CANARY not in repr(value)
            trace = trace.tb_next
        assert CANARY.encode() not in pickle.dumps(failure)
    assert {"InvalidSettings", "UnforeseenError"} <= kinds


def test_what_is_said_of_a_fault() -> None:
    def raised(error: Exception) -> Exception:
        with pytest.raises(type(error)) as caught:
            raise error
        return caught.value

    assert type_and_place(raised(OSError(28, CANARY))) == "OSError (No space left on device)"
    assert type_and_place(raised(OSError(CANARY))) == "OSError"
    assert type_and_place(raised(ExceptionGroup("", [ExceptionGroup("", [KeyError(CANARY)])]))) == "KeyError"
    with pytest.raises(UnforeseenError) as caught:
        without_frames(lambda: guarded([], _ends))()
    assert str(caught.value) == "Unforeseen error: 1 problem\n  unforeseen MemoryError; the process has no memory left"


def _ends() -> None:
    raise MemoryError


def test_what_is_no_matter_of_layers_goes_through(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="from_values"):
        Settings(nothing=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Settings(5)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        guarded([], _interrupted)


def _interrupted() -> None:
    raise KeyboardInterrupt


class Ends(BaseException):
    def __str__(self) -> str:
        raise SystemExit(CANARY)


ENDING: Final[dict[str, type[BaseException]]] = {}


class Inner(Struct, frozen=True):
    name: str = ""

    def __post_init__(self) -> None:
        if self.name:
            raise ENDING["with"](f"no {self.name}")


class Ending(BaseSettings):
    inner: Secret[Inner] = Inner()
    rows: Secret[tuple[Inner, ...]] = ()
    TOKEN: Secret[str] = ""

    def __post_init__(self) -> None:
        if self.TOKEN:
            raise ENDING["with"](f"no {self.TOKEN}")


@pytest.mark.parametrize("raised", [SystemExit, GeneratorExit, asyncio.CancelledError, Ends])
@pytest.mark.parametrize("nested", [False, True])
def test_a_rule_that_would_end_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException], nested: bool
) -> None:
    monkeypatch.setitem(ENDING, "with", raised)
    text = f"inner.name = '{CANARY}'\n" if nested else f"TOKEN = '{CANARY}'\n"
    write(tmp_path, "", secrets=text)
    values: dict[str, Any] = {"inner": {"name": CANARY}} if nested else {"TOKEN": CANARY}
    for call in (
        lambda: Ending(tmp_path / "config.toml", secrets_path=tmp_path / "secrets.toml"),
        lambda: Ending.from_values(**values),
        lambda: Ending.from_values().replace(**values),
    ):
        failure = outcome(call)
        assert isinstance(failure, InvalidSettings)
        check(failure)
        assert raised.__name__ in failure.problems[0].message


def test_a_signal_that_ends_the_process_while_a_rule_runs(tmp_path: Path) -> None:
    class Slow(BaseSettings):
        x: int = 1

        def __post_init__(self) -> None:
            if not ended:
                ended.append(True)
                signal.raise_signal(signal.SIGTERM)

    ended: list[bool] = []
    write(tmp_path, "")
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    try:
        with pytest.raises(SystemExit) as caught:
            Slow(tmp_path / "config.toml", secrets_path=None)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert caught.value.code == 7


def test_an_interrupt_while_a_rule_runs_goes_on_as_one(tmp_path: Path) -> None:
    class Interrupted(BaseSettings):
        x: int = 1

        def __post_init__(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Interrupted.from_values(x=2)
    write(tmp_path, "x = 2\n")
    with pytest.raises(KeyboardInterrupt):
        Interrupted(tmp_path / "config.toml", secrets_path=None)


class Interrupts(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("raised", "config", "secrets"),
    [
        (KeyboardInterrupt, "UNKNOWN = 1\n", "inner.name = 'met by the examination'\n"),
        (KeyboardInterrupt, "no TOML\n", "rows = [{ name = 'met by the redactor' }]\n"),
        (Interrupts, "", "TOKEN = 'met by what describes a problem'\n"),
    ],
)
def test_an_interrupt_while_a_mistake_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException], config: str, secrets: str
) -> None:
    monkeypatch.setitem(ENDING, "with", raised)
    write(tmp_path, config, secrets=secrets)
    with pytest.raises(KeyboardInterrupt):
        Ending(tmp_path / "config.toml", secrets_path=tmp_path / "secrets.toml")
