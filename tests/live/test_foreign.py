"""Exceptions that are not ours: no secret of theirs is kept, shown or logged."""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from live.support import Ledger, Settings, given, idle, parts

from hotsettings import Rejected, ResourceDown, SettingsError
from hotsettings.foreign import Cleared, ForeignTexts, name_of
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
        assert OLD not in text.replace("test_foreign.py", "")


def texts(*keys: str) -> ForeignTexts:
    def loaded(key: str) -> Any:
        from hotsettings.settings import schema_of
        from hotsettings.testing.given import _loaded

        return _loaded(schema_of(Settings), given(SECRET_KEY=key))

    known = ForeignTexts(loaded(keys[0]))
    for key in keys[1:]:
        known.live(loaded(key))
    return known


@dataclass(frozen=True)
class Frozen(Exception):
    text: str


@pytest.mark.parametrize(
    "error",
    [
        ValueError("harmless"),
        OSError(2, "No such file", "/x"),
        Frozen("fine"),
        ExceptionGroup("two", [ValueError("a"), TypeError("b")]),
        ResourceDown("no instance stands"),
        noted(ValueError("a"), "with a note"),
    ],
)
def test_a_harmless_exception_stays_what_it_is(error: Exception) -> None:
    before = repr(error)
    assert texts("secret-of-mine").cleared(error) is error
    assert repr(error) == before


@pytest.mark.parametrize("make", QUOTING)
def test_one_that_quotes_is_replaced(make: Callable[[], Exception]) -> None:
    known = texts(OLD, NEW)
    cleared = known.cleared(make())
    assert isinstance(cleared, Cleared)
    assert NEW not in repr(cleared)
    assert "****" in str(cleared) or "note" in str(cleared) or "ByRepr" in str(cleared) or "fine" in str(cleared)
    assert known.describe(cleared) == str(cleared)


def test_members_of_a_group_lose_their_frames_too() -> None:
    group = ExceptionGroup("group", [chained("plain", "cause")])
    [member] = group.exceptions
    assert texts("x").cleared(group) is group
    assert (member.__traceback__, member.__cause__, member.__context__) == (None, None, None)


def test_the_first_the_last_few_and_the_candidates_are_known() -> None:
    many = [letter * 12 for letter in "abcdefghij"]
    known = texts(*many)
    other = texts("xxxxxxxxxxxx")._first
    known.candidate(texts("yyyyyyyyyyyy")._first)
    for _ in range(9):  # tried again and again
        known.candidate(other)
    shown = [secret for secret in [*many, "xxxxxxxxxxxx", "yyyyyyyyyyyy"] if secret in known.clear(f"<{secret}>")]
    assert shown == many[1:6]


def test_describe() -> None:
    known = texts("xyz-secret")
    assert known.describe(ValueError()) == "ValueError"
    assert known.describe(ResourceDown("none stands")) == "none stands"
    assert known.describe(OSError("xyz-secret!")) == "OSError: ********!"
    assert "xyz" not in known.trace(chained("xyz-secret", "xyz-secret"))


def test_names() -> None:
    assert name_of(test_names).endswith("test_foreign.test_names")
    assert name_of(functools.partial(test_names)) == name_of(test_names)
    assert name_of(Ledger().build) == "live.support.Ledger.build"
    assert name_of(ForeignTexts.__new__(ForeignTexts)) == "hotsettings.foreign.ForeignTexts"  # type: ignore[arg-type]


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
