"""The same applications while their files are edited: what changes at every kind of nesting, and who is shown what."""

from __future__ import annotations

import json

import anyio
import pytest
from support.applications import Application, edit, load, mistaken, value_at
from support.canaries.leaks import assert_none
from support.canaries.outputs import Log, of_live
from support.faults.volumes import Volume

from hotsettings import Rejected
from hotsettings.cli.commands.watch import JsonPrinter, _print_events

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("folder")]


async def test_edits_at_every_kind_of_nesting(
    application: Application, volume: Volume, capsys: pytest.CaptureFixture[str]
) -> None:
    printed: list[tuple[str, str]] = []
    with Log() as log:
        async with application.settings.watch(layers=application.layers(), rescan_interval=60.0) as live:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_print_events, live, [], JsonPrinter())
                await anyio.wait_all_tasks_blocked()
                capsys.readouterr()
                changes = live.changes()
                for one in application.edits:
                    edit(one.files, volume if application.mounted else None)
                    with anyio.fail_after(10):
                        change = await anext(changes)
                        if one.waits - {*change.keys}:
                            assert live.status.pending_restart == one.waits
                    assert change.keys == one.keys
                    assert {steps: value_at(live.current, steps) for steps in one.values} == one.values
                    assert live.status.pending_restart == one.waits
                    await anyio.wait_all_tasks_blocked()
                    out = capsys.readouterr().out
                    printed.append(("watch", out))
                    [event] = map(json.loads, out.splitlines())
                    shown = {key: (each["old"], each["new"]) for key, each in event["changes"].items()}
                    assert shown == one.inside
                assert load(application) == live.current or one.waits
                told = await of_live(live)
                tasks.cancel_scope.cancel()
    assert_none([*told, *printed, *log.outputs()], application.planted)


async def test_mistakes_are_rejected_in_the_words_of_a_check(application: Application, volume: Volume) -> None:
    told: list[tuple[str, str]] = []
    with Log() as log:
        async with application.settings.watch(layers=application.layers(), rescan_interval=60.0) as live:
            for mistake in application.mistakes:
                with mistaken(mistake, volume if application.mounted else None) as place:
                    with pytest.raises(Rejected) as caught:
                        await live.reload()
                assert str(caught.value).splitlines()[1].strip() == mistake.said(place)
                told.append(("error", f"{caught.value} {caught.value.reason!r}"))
            assert await live.reload() is None
    assert_none([*told, *log.outputs()], application.planted)
