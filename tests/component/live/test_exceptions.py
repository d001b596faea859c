"""Exceptions that are not ours: no secret of theirs is kept, shown or logged."""

from __future__ import annotations

import functools
import logging
import pickle
import subprocess
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from support.live import Ledger, Settings, given, idle, parts

from hotsettings import InvalidSettings, LayerError, Origin, Problem, Rejected, ResourceDown, SettingsError
from hotsettings._layers.layer import in_memory as document
from hotsettings._log import name_of
from hotsettings._redaction import Redacted, Redactor
from hotsettings._schema.schema import schema_of
from hotsettings.testing import live

OLD, NEW = "first-secret", "the-next-one"


def noted(error: Exception, note: str) -> Exception:
    error.add_note(note)
    return error


def chained(text: str, cause: str) -> Exception:
    try:
        try:
            raise OSError(cause)
        except OSError as error:
            raise ValueError(text) from error
    except ValueError as error:
        return error


class ByRepr(Exception):
    def __repr__(self) -> str:
        return f"ByRepr({NEW})"


QUOTING: list[Callable[[], Exception]] = [
    lambda: ValueError(f"amqp://user:{NEW}@host"),
    lambda: ValueError(f"old {OLD}, new {NEW}"),
    lambda: noted(ValueError("see the note"), f"tried {NEW}"),
    lambda: ExceptionGroup("group", [ValueError("fine"), ExceptionGroup("inner", [OSError(NEW)])]),
    lambda: ExceptionGroup("group", [noted(ValueError("fine"), NEW)]),
    lambda: ExceptionGroup(NEW, [ValueError("fine")]),
    lambda: SettingsError(f"of another settings class: {NEW}"),
    ByRepr,
]


@pytest.mark.anyio
@pytest.mark.parametrize("where", ["hook", "build", "exclusive build", "callback"])
@pytest.mark.parametrize("make", [*QUOTING, lambda: chained("plain", NEW)])
async def test_secrets_in_what_is_raised(
    where: str, make: Callable[[], Exception], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with live(given(SECRET_KEY=OLD)) as held:
        events = held.events()

        def fail(_: Any) -> None:
            raise make()

        ledger = Ledger()
        kind: Any = "exclusive" if where == "exclusive build" else "overlap"
        async with held.resource(ledger.build, "A", "SECRET_KEY", replace=kind):
            if where == "hook":
                held.prepare(fail)
            elif where == "callback":
                held.on_change(fail)
            else:
                ledger.fail = lambda settings: make() if settings.SECRET_KEY == NEW else None
            shown: list[str] = []
            if where == "callback":
                await held.publish(given(SECRET_KEY=NEW))
                await held.wait_applied()
                assert "fail raised" in caplog.text
            else:
                with pytest.raises(Rejected) as caught:
                    await held.publish(given(SECRET_KEY=NEW))
                reason = caught.value.reason
                assert (reason.__traceback__, reason.__cause__, reason.__context__) == (None, None, None)
                shown += traceback.format_exception(caught.value)
                shown += [repr(reason), str(reason), *getattr(reason, "__notes__", ()), repr(await anext(events))]
            shown += [repr(held.status), caplog.text]
        text = "\n".join(shown)
        assert NEW not in text
        assert OLD not in text.replace("test_exceptions.py", "")


class Talkative(Exception):
    """Quotes a secret wherever something can be asked of it."""

    def __init__(self) -> None:
        super().__init__(NEW)
        self.output = NEW

    def __reduce__(self) -> str | tuple[Any, ...]:
        return Talkative, (), {"output": NEW}


class Hostile(Exception):
    """Fails at everything that is asked of it."""

    def fail(self, *_: object) -> Any:
        raise SystemExit("no")

    __str__ = __repr__ = __eq__ = __hash__ = __format__ = __reduce__ = fail
    __notes__ = property(fail)


@dataclass(frozen=True)
class Frozen(Exception):
    text: str


def redactor(*keys: str) -> Redactor:
    known = Redactor(schema_of(Settings))
    for key in keys:
        known.learn([document({"SECRET_KEY": key})])
    return known


@pytest.mark.parametrize(
    "make",
    [
        *QUOTING,
        Talkative,
        Hostile,
        lambda: ValueError("harmless"),
        lambda: Frozen("fine"),
        lambda: BaseExceptionGroup("group", [Hostile(), KeyboardInterrupt(NEW), ValueError(NEW)]),
        lambda: subprocess.CalledProcessError(1, ["curl", NEW], output=NEW, stderr=NEW.encode()),
    ],
)
def test_what_stands_for_an_exception_holds_texts_only(make: Callable[[], BaseException]) -> None:
    kept = redactor(OLD, NEW).redacted(make())
    assert type(kept) is Redacted
    assert (kept.__traceback__, kept.__cause__, kept.__context__) == (None, None, None)
    assert all(type(each) is str for each in (*kept.args, *vars(kept).values()))
    assert NEW not in f"{kept!r}{kept}"
    copied = pickle.loads(pickle.dumps(kept))
    assert (str(copied), copied.kind) == (str(kept), kept.kind)
    assert redactor().redacted(kept) is kept


@pytest.mark.parametrize("kind", [LayerError, InvalidSettings])
def test_errors_of_settings_stay_what_they_are_problem_by_problem(kind: Any) -> None:
    origin = Origin("base", "config.toml", 1, 1)
    problem = Problem(f"{NEW}.x", f"must not be {NEW}", origin, f"not {NEW}", "rule", (f"     1 | A = '{NEW}'", "   ^"))
    fine = Problem("A", "expected int, got str", origin, "", "wrong-type", ("     1 | A = 'x'", "       |     ^^^"))
    kept: Any = redactor(NEW).redacted(kind([problem, fine]))
    assert type(kept) is kind
    assert kept.problems == (
        Problem("********.x", "must not be ********", origin, "not ********", "rule"),
        fine,
    )


def test_invalid_settings_keep_how_many_problems_there_are() -> None:
    problem = Problem("A", "expected int, got str", Origin("base", "c"), code="wrong-type")
    kept = redactor().redacted(InvalidSettings([problem], 2000, while_waiting=True))
    assert isinstance(kept, InvalidSettings)
    assert (kept.total, kept.while_waiting) == (2000, True)


def test_describe() -> None:
    known = redactor("xyz-secret")
    assert known.describe(ValueError()) == "ValueError"
    assert known.describe(ResourceDown("none stands")) == "none stands"
    assert known.describe(OSError("xyz-secret!")) == "OSError: ********!"
    assert known.describe(Hostile()) == "Hostile: (it fails to say what it is)"
    assert known.describe(ExceptionGroup("two", [OSError("a"), ValueError("b")])) == (
        "ExceptionGroup: two: OSError: a; ValueError: b"
    )
    assert known.describe(ExceptionGroup("many", [OSError("a")] * 1000)).count("OSError") < 100


def test_trace() -> None:
    known = redactor("xyz-secret")
    assert "xyz" not in known.trace(chained("xyz-secret", "xyz-secret"))
    assert "Traceback (most recent call last)" in known.trace(chained("xyz-secret", "xyz-secret"))
    assert (
        known.trace(Hostile()).rstrip().endswith(("Hostile: (it fails to say what it is)", "<exception str() failed>"))
    )


def test_names() -> None:
    assert name_of(test_names).endswith("test_exceptions.test_names")
    assert name_of(functools.partial(test_names)) == name_of(test_names)
    assert name_of(Ledger().build) == "support.live.Ledger.build"
    assert name_of(Ledger()).endswith("support.live.Ledger")  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_logs_of_a_resource_are_clear(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()

    async def fail(_: object) -> None:
        raise ConnectionResetError(f"redis://:{OLD}@cache")

    async with live(given(SECRET_KEY=OLD)) as held, anyio.create_task_group():
        async with held.resource(ledger.build, "SECRET_KEY"):
            ledger.after = fail
            for number in range(3):
                await held.publish(given(SECRET_KEY=f"{NEW}-{number}"))
            await idle()
    assert caplog.text.count("redis://:********@cache") == 4
    assert OLD not in caplog.text
    assert parts(held).closing
