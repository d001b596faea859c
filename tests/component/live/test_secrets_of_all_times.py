"""No secret shows in what a live object tells: not one of another layer, nor a former one, nor one that waits for a restart."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest
from msgspec import Struct
from support.live import until

from hotsettings import BaseSettings, LayerError, Live, Rejected, RestartRequired, Secret
from hotsettings.testing import Workspace

pytestmark = pytest.mark.anyio

CANARY = "Zq7Quagga9Xylem4"
FORMER = "Okapi5Former8Word"


class Settings(BaseSettings):
    URL: str = ""
    PORT: int = 0
    TOKEN: Secret[str] = ""
    FIXED: RestartRequired[Secret[str]] = ""
    PLAIN_FIXED: RestartRequired[str] = ""

    def __post_init__(self) -> None:
        if self.PORT > 100 and len(self.FIXED) > 1:
            raise ValueError(f"PORT over 100 with {self.FIXED} and {self.PLAIN_FIXED} and {self.TOKEN}")


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    port: RestartRequired[int] = 1


class Nested(BaseSettings):
    table: Table = Table()


def watching(workspace: Workspace) -> Any:
    return Settings.watch(**workspace.paths, settle=0.01, rescan_interval=0.05)


async def told(live: Live[Settings], workspace: Workspace, config: Any, caplog: pytest.LogCaptureFixture) -> str:
    """Everything that is told of an edit that is refused."""
    caplog.clear()
    events = live.events()
    workspace.write(config)
    event = await anext(events)
    with pytest.raises(Rejected) as caught:
        await live.reload()
    rejected = caught.value
    return f"{event!r}{live.status!r}{rejected}{rejected!r}{rejected.problems!r}{rejected.reason!r}{caplog.text}"


@pytest.mark.parametrize("line", ["URL = 'redis://u:{}@h\nPORT = 1\n", "URL = ['{}'\nPORT = ", "# {}\x00", "{} = 1 2"])
async def test_a_broken_file_quotes_no_secret_of_another_layer(
    settings_workspace: Workspace, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings_workspace.write("PORT = 1", secrets={"TOKEN": FORMER})
    with anyio.fail_after(20):
        async with watching(settings_workspace) as live:
            settings_workspace.write(secrets={"TOKEN": CANARY})
            await until(lambda: live.current.TOKEN == CANARY)
            for secret in (CANARY, FORMER):
                text = await told(live, settings_workspace, line.replace("{}", secret), caplog)
                assert "config.toml" in text
                assert secret[:8] not in text
    settings_workspace.write(line.replace("{}", CANARY), secrets={"TOKEN": CANARY})
    with pytest.raises(LayerError) as caught:
        Settings(**settings_workspace.paths)
    assert CANARY[:8] not in f"{caught.value}{caught.value.problems!r}"


async def test_where_the_secrets_are_not_known_no_line_is_shown(settings_workspace: Workspace) -> None:
    settings_workspace.write(f"URL = x{CANARY}", secrets=f"TOKEN = '{CANARY}")
    with pytest.raises(LayerError) as caught:
        Settings(**settings_workspace.paths)
    assert len(caught.value.problems) == 2
    assert CANARY[:8] not in f"{caught.value}{caught.value.problems!r}"
    settings_workspace.write(f"URL = x{CANARY}", secrets="")
    with pytest.raises(LayerError, match=f"URL = x{CANARY}"):
        Settings(**settings_workspace.paths)


async def test_what_waits_for_a_restart_is_hidden(
    settings_workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings_workspace.write("PORT = 1", secrets={"FIXED": CANARY, "PLAIN_FIXED": FORMER})
    with anyio.fail_after(20):
        async with watching(settings_workspace) as live:
            settings_workspace.write('FIXED = "x"\nPLAIN_FIXED = "y"', secrets="# moved")
            await until(lambda: live.status.pending_restart == {"FIXED", "PLAIN_FIXED"})
            assert live.current.PLAIN_FIXED == FORMER
            shown = f"{live.explain('FIXED')}{live.explain('PLAIN_FIXED')}{caplog.text}"
            assert live.explain("PLAIN_FIXED").entries[-1].value == "", "the default of the class is public"
            digest = live.snapshot.digest
            shown += await told(live, settings_workspace, {"FIXED": "x", "PLAIN_FIXED": "y", "PORT": 200}, caplog)
            assert "PORT over 100 with ********" in shown
            assert CANARY[:8] not in shown
            assert FORMER[:8] not in shown
    settings_workspace.write("PORT = 1", secrets={"FIXED": "another-one", "PLAIN_FIXED": "z"})
    async with watching(settings_workspace) as live:
        settings_workspace.write('FIXED = "x"\nPLAIN_FIXED = "y"', secrets="# moved")
        await until(lambda: live.status.pending_restart == {"FIXED", "PLAIN_FIXED"})
        assert live.snapshot.digest == digest, "a digest from which no secret can be guessed"


async def test_a_table_whose_kept_value_was_secret(settings_workspace: Workspace) -> None:
    settings_workspace.write("", secrets={"table": {"port": 47110815}})
    async with Nested.watch(**settings_workspace.paths, settle=0.01, rescan_interval=0.05) as live:
        settings_workspace.write(secrets="# nothing")
        await until(lambda: bool(live.status.pending_restart))
        assert live.current.table.port == 47110815
        assert "4711" not in f"{live.explain('table')}{live.explain('table.port')}"
