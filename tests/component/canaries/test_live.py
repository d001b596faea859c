"""Exceptions that quote every secret there has ever been, in every place where user code runs: nothing shows one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from support.asking import ask, asking
from support.canaries.classes import KINDS, Made, generated
from support.canaries.forms import FORMS
from support.canaries.leaks import Planted, assert_none
from support.canaries.outputs import Log, Output, of_error, of_live, rejection, so_far
from support.canaries.shapes import SHAPES, token
from support.examples import examples

from hotsettings import BaseSettings, RestartRequired, Secret
from hotsettings.integrations.page import settings_page
from hotsettings.testing import Workspace, live

pytestmark = pytest.mark.anyio

SAMPLE = 60
"""Live objects that the generated test makes; more with the profile "long"."""

NOTHING = "# nothing\n"
"""What is left of a file: one that is emptied is taken for half written."""

UNDECLARED = ("repr", "str", "rich", "live", "snapshot", "error, traceback with locals", "error, rich traceback")
"""Outputs that may show what the secrets file says of a field that nobody declared Secret: they have the settings' repr."""

ROTATED = sorted(set(KINDS) - {"enum", "Literal"})  # these have no other values


@pytest.fixture
def anyio_backend() -> str:
    """What is shown does not depend on the loop."""
    return "asyncio"


class Quoting(Exception):
    """Holds what it quotes in every way that an exception can."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.detail = {"text": text}
        self.add_note(f"note: {text}")


class Strangers:
    """Other people's code: each raises what quotes every secret that there has been."""

    def __init__(self, form: Callable[[str], str]) -> None:
        self.secrets: list[Planted] = []
        self.coming: tuple[int, list[Planted]] = (-1, [])
        """The secrets of the next files, and their PORT: nobody can quote them before they were read."""
        self.raised = 0
        self._form = form
        self.fails: set[str] = set()

    def fail(self, place: str) -> None:
        """Raise, if it is this one's turn."""
        if place in self.fails:
            self.raised += 1
            said = " and ".join(self._form(secret.text) for secret in self.secrets)
            try:
                raise KeyError(said)
            except KeyError as error:
                raise Quoting(f"no: {said}") from error

    def meet(self, settings: Any) -> None:
        """Take part in what these settings hold."""
        port, secrets = self.coming
        if port >= 0 and port == settings.PORT:
            self.secrets += secrets
            self.coming = (-1, [])

    async def hook(self, change: Any) -> None:
        self.meet(change.new)
        self.fail("hook")

    def callback(self, _: Any) -> None:
        self.fail("callback")

    @asynccontextmanager
    async def build(self, settings: Any) -> AsyncGenerator[str, None]:
        self.meet(settings)
        self.fail("build")
        yield "client"
        self.fail("exit")


def again(made: Made, kinds: list[tuple[str, str]], random: Random) -> Made:
    """Other values for the same class."""
    fields = [KINDS[kind](field.name, shape, random) for field, (kind, shape) in zip(made.fields, kinds, strict=True)]
    return Made(made.cls, fields, made.config)


@examples(
    200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(st.tuples(st.sampled_from(ROTATED), st.sampled_from(list(SHAPES))), min_size=1, max_size=2),
    st.integers(0, 2**32),
    st.sampled_from(FORMS),
    st.sampled_from(["hook", "build", "callback", "exit"]),
    st.sampled_from(["overlap", "exclusive"]),
)
async def test_whatever_was_ever_secret(
    settings_workspace: Workspace,
    kinds: list[tuple[str, str]],
    seed: int,
    form: Callable[[str], str],
    place: str,
    mode: Any,
) -> None:
    """The first values, values that went live, values that a hook refused, and values that wait for a restart."""
    random, strangers, workspace = Random(seed), Strangers(form), settings_workspace
    made = generated(kinds, random)
    outputs: list[Output] = []
    workspace.write(made.config_text(), secrets=made.secrets_text())
    strangers.secrets += made.secrets
    with Log() as log:
        async with made.cls.watch(**workspace.paths, settle=0.001, watcher="poll") as held:
            page, events = settings_page(held, authorize=lambda _: True), held.events()
            held.prepare(strangers.hook)
            held.on_change(strangers.callback)
            async with held.resource(strangers.build, replace=mode, drain_timeout=0):
                for step in range(3):
                    made = again(made, kinds, random)
                    strangers.coming = (step, made.secrets)
                    # The second is refused; the last is live when somebody else's code fails.
                    strangers.fails = {("hook", place, place)[step]} if step else set()
                    config = made.config_text("PORT") + f"PORT = {step}\n"  # so that there is always a change
                    workspace.write(config, secrets=made.secrets_text())
                    if (error := await rejection(held.reload())) is not None:
                        outputs += of_error(error)
                    with anyio.move_on_after(0.2):
                        await held.wait_applied()
                outputs += await of_live(held, page=page)
            outputs += await of_live(held, page=page)
            outputs += await so_far(events)
    assert strangers.raised
    assert_none([*outputs, *log.outputs()], strangers.secrets)


class Rotating(BaseSettings):
    TOKEN: Secret[str]
    A: int = 0


@pytest.mark.parametrize("refused", [False, True])
async def test_values_of_a_hundred_rotations_ago(refused: bool) -> None:
    """An old connection may quote an old password when it is closed. Values that were refused are no better known."""
    random = Random(1)
    strangers = Strangers(str)
    secrets = [Planted("TOKEN", text, (text,)) for text in (token(random, 16, 16) for _ in range(100))]
    outputs: list[Output] = []
    with Log() as log:
        async with live(Rotating.from_values(TOKEN=secrets[0].text)) as held:
            held.prepare(strangers.hook)
            held.on_change(strangers.callback)
            for number, secret in enumerate(secrets[1:]):
                strangers.fails = {"hook"} if refused else set()
                await rejection(held.publish(Rotating.from_values(TOKEN=secret.text, A=number)))
            strangers.secrets, strangers.fails = secrets, {"hook", "callback"}
            error = await rejection(held.publish(Rotating.from_values(TOKEN="the-last", A=-1)))
            assert error is not None
            outputs += [*of_error(error), ("status", repr(held.status))]
            strangers.fails = {"callback"}
            await held.publish(Rotating.from_values(TOKEN="the-last", A=-2))
            await held.wait_applied()
    assert strangers.raised > 1
    assert_none([*outputs, *log.outputs()], secrets)


class Waiting(BaseSettings):
    KEY: RestartRequired[Secret[str]] = "none-so-far"
    PLAIN: RestartRequired[str] = "nothing"
    A: int = 0

    def __post_init__(self) -> None:
        if self.A:
            raise ValueError(f"not {self.KEY} nor {self.PLAIN}")


async def test_what_waits_for_a_restart(settings_workspace: Workspace) -> None:
    """The first value is still live, though no file says it any more, or the file that is no secret one says another."""
    random, workspace = Random(2), settings_workspace
    first, second, plain = (
        Planted(key, text, (text,))
        for key, text in (("KEY", token(random)), ("KEY", token(random)), ("PLAIN", token(random)))
    )
    outputs: list[Output] = []
    workspace.write(secrets={"KEY": first.text, "PLAIN": plain.text})
    with Log() as log:
        async with Waiting.watch(**workspace.paths, settle=0.001, watcher="poll") as held:
            page, events = settings_page(held, authorize=lambda _: True), held.events()
            digest = held.snapshot.digest
            workspace.write({"PLAIN": "said by the config"}, secrets={"KEY": second.text})
            await held.reload()
            assert held.status.pending_restart == {"KEY", "PLAIN"}
            assert first.text == held.current.KEY
            shown = [output for output in await of_live(held, page=page) if output[0] not in UNDECLARED]
            assert_none(shown, [first, second, plain])
            assert_none(await of_live(held, page=page), [first, second])
            workspace.write({"PLAIN": "said by the config", "A": 1}, secrets=NOTHING)
            error = await rejection(held.reload())
            assert error is not None
            outputs += [*of_error(error), *await of_live(held, page=page), *await so_far(events)]
            assert digest == held.snapshot.digest
    outputs = [output for output in outputs if output[0] not in UNDECLARED]
    assert_none([*outputs, *log.outputs()], [first, second, plain])


class Moving(BaseSettings):
    NAME: str = "nothing"
    A: int = 0

    def __post_init__(self) -> None:
        if self.A:
            raise ValueError(f"not {self.NAME}, of all names")


async def test_a_value_that_moves_into_the_secrets_file_and_out_of_it(settings_workspace: Workspace) -> None:
    random, workspace = Random(3), settings_workspace
    name = Planted("NAME", (text := token(random)), (text,))
    strangers = Strangers(str)
    strangers.secrets = [name]
    outputs: list[Output] = []
    workspace.write({"NAME": text})
    async with Moving.watch(**workspace.paths, settle=0.001, watcher="poll") as held:
        held.prepare(strangers.hook)
        with Log() as log:
            page, events = settings_page(held, authorize=lambda _: True), held.events()
            workspace.write(NOTHING, secrets={"NAME": text})
            await held.reload()
            outputs += await of_live(held, page=page)
            workspace.write({"A": 1})
            outputs += of_error(await rejection(held.reload()) or AssertionError())
            # It is in no file any more, and a hook still quotes it.
            strangers.fails = {"hook"}
            workspace.write({"NAME": "another"}, secrets=NOTHING)
            outputs += of_error(await rejection(held.reload()) or AssertionError())
            outputs += await of_live(held, page=page)
            outputs += await so_far(events)
    shown = [output for output in outputs if output[0] not in UNDECLARED]
    assert strangers.raised
    assert_none([*shown, *log.outputs()], [name])


async def test_a_digest_tells_no_secret(settings_workspace: Workspace) -> None:
    """Whoever sees the digest in a report could try all short passwords: so it is the same for all of them."""
    random = Random(4)
    for kind in ROTATED:
        made = generated([(kind, "plain")], random)
        digests = set()
        for each in (made, again(made, [(kind, "plain")], random)):
            settings_workspace.write(each.config_text(), secrets=each.secrets_text())
            async with made.cls.watch(**settings_workspace.paths, settle=0, watcher="poll") as held:
                digests.add(held.snapshot.digest)
        assert len(digests) == 1, kind


async def test_the_page_that_is_told_of_each_change(settings_workspace: Workspace) -> None:
    """The stream of the page, while edits, vetoes and mistakes go by."""
    random, strangers, workspace = Random(5), Strangers(str), settings_workspace
    kinds = [("str", "url"), ("struct", "quoted"), ("restart", "plain")]
    made = generated(kinds, random)
    workspace.write(made.config_text(), secrets=made.secrets_text())
    strangers.secrets += made.secrets
    async with made.cls.watch(**workspace.paths, settle=0.001, watcher="poll") as held:
        app = settings_page(held, authorize=lambda _: True)
        held.prepare(strangers.hook)
        async with asking(app, "/events") as (answer, _):
            outputs: list[Output] = []
            for step in range(4):
                made = again(made, kinds, random)
                strangers.secrets += made.secrets
                strangers.fails = {"hook"} if step % 2 else set()
                wrong = {"TOKEN": made.fields[0].wrong} if step == 2 else {}
                workspace.write(made.config_text(), secrets=made.secrets_text(**wrong))
                await rejection(held.reload())
                outputs.append(("page", (await ask(app)).text))
            with anyio.fail_after(10):
                while answer.text.count("\n\n") < 3:  # noqa: ASYNC110 - a client has nothing but what it gets
                    await anyio.sleep(0.01)
            outputs.append(("stream of the page", answer.text))
    assert_none(outputs, strangers.secrets)
