"""What marks and derived values do in a live object: edits that they refuse, warnings, and who is woken."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from msgspec import Struct

from hotsettings import BaseSettings, Before, Change, Check, Deprecated, Rejected, Renamed, Secret, Tolerant, derived
from hotsettings.testing import live as in_memory

pytestmark = pytest.mark.anyio

checked: list[int] = []


def positive(value: int) -> None:
    checked.append(value)
    if value <= 0:
        raise ValueError("must be more than 0")


class Db(Struct, frozen=True):
    host: str = "h"
    port: int = 1


class Settings(BaseSettings):
    HOST: Annotated[str, Renamed("OLD_HOST")] = "localhost"
    PORT: Annotated[int, Check(positive)] = 1
    WAIT: Annotated[int, Before(lambda text: int(text.removesuffix("s")))] = 1
    GONE: Annotated[int, Deprecated("leave it out")] = 1
    PASSWORD: Secret[str] = "of-the-class"
    db: Tolerant[Db] = Db(port=5)
    other: int = 0

    @derived("HOST", "PORT")
    def URL(self) -> str:
        return f"http://{self.HOST}:{self.PORT}"

    @derived("PASSWORD")
    def LOGIN(self) -> str:
        return self.PASSWORD[::-1]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text("")
    return path


def write(config: Path, text: str) -> None:
    config.write_text(text)


def watched(config: Path) -> Any:
    return Settings.watch(config, secrets_path=None, rescan_interval=0.2)


async def test_an_edit_reaches_who_follows_a_derived_value(config: Path) -> None:
    async with watched(config) as live:
        changes = live.changes("URL")
        seen: list[Change[Settings]] = []
        live.on_change(seen.append, "URL")
        vetoes: list[str] = []

        async def hook(change: Change[Settings]) -> None:
            vetoes.append(change.new.URL)

        live.prepare(hook, "URL")
        write(config, "other = 1\n")
        assert (await live.reload()).keys == {"other"}
        write(config, "other = 1\nHOST = 'a'\n")
        assert (await live.reload()).keys == {"HOST", "URL"}
        change = await anext(changes)
        assert (change.old.URL, change.new.URL) == ("http://localhost:1", "http://a:1")
        await live.wait_applied()
        assert [each.new.URL for each in seen] == vetoes == ["http://a:1"]
        with pytest.raises(ValueError, match="did you mean 'URL'"):
            live.changes("URLS")


async def test_a_resource_follows_a_derived_value(config: Path) -> None:
    @asynccontextmanager
    async def build(settings: Settings) -> Any:
        yield settings.URL

    async with watched(config) as live, live.resource(build, "URL") as resource:
        assert resource.current == "http://localhost:1"
        write(config, "PORT = 7\n")
        await live.reload()
        assert resource.current == "http://localhost:7"


async def test_it_is_shown_and_its_secret_is_not(config: Path) -> None:
    async with watched(config) as live:
        write(config, "PASSWORD = 'abcdefghijkl'\n")
        await live.reload()
        described = {each.key: each for each in live.describe()}
        assert described["URL"].value == '"http://localhost:1"'
        assert described["LOGIN"].hidden
        assert "lkjihgfedcba" not in str(live.explain("LOGIN"))
        assert live.redact("sent lkjihgfedcba") == "sent ********"


async def test_in_memory(config: Path) -> None:
    async with in_memory(Settings.from_values(HOST="a")) as live:
        changes = live.changes("URL")
        await live.publish(live.current.replace(HOST="b", PASSWORD="abcdefghijkl"))
        assert (await anext(changes)).new.URL == "http://b:1"
        assert live.redact("sent lkjihgfedcba") == "sent ********"


async def test_what_a_check_or_conversion_refuses_is_rejected(config: Path) -> None:
    async with watched(config) as live:
        checked.clear()
        write(config, "PORT = -3\nWAIT = '5s'\n")
        with pytest.raises(Rejected, match=r"config.toml:1:8  PORT: must be more than 0"):
            await live.reload()
        assert set(checked) == {-3}
        write(config, "PORT = 3\nWAIT = '5'\n")
        await live.reload()
        assert (live.current.PORT, live.current.WAIT) == (3, 5)
        write(config, "PORT = 3\nWAIT = 'soon'\n")
        with pytest.raises(Rejected, match=r"config.toml:2:8  WAIT: invalid literal for int"):
            await live.reload()


async def test_a_table_of_the_default_is_edited(config: Path) -> None:
    async with watched(config) as live:
        changes = live.changes("db")
        write(config, "db.host = 'x'\n")
        await live.reload()
        assert (await anext(changes)).keys == {"db.host"}
        assert live.current.db == Db("x", 5)


async def test_a_warning_is_not_repeated_for_what_is_still_there(
    config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def warnings() -> list[str]:
        found = [record.getMessage().partition("  ")[2] for record in caplog.records if record.levelname == "WARNING"]
        caplog.clear()
        return found

    old = "OLD_HOST = 'a'\nGONE = 2\n[db]\nnew = 1\n"
    write(config, old)
    async with watched(config) as live:
        assert sorted(warnings()) == [
            "GONE: deprecated; leave it out",
            "HOST: has its old name, OLD_HOST; rename it to HOST",
            "db.new: unknown key, ignored",
        ]
        write(config, "# a comment\nother = 1\n" + old)
        await live.reload()
        write(config, "# another\nother = 2\n" + old)
        await live.reload()
        assert warnings() == []
        write(config, "other = 3\n" + old + "newer = 1\n")
        await live.reload()
        assert warnings() == ["db.newer: unknown key, ignored"]
        await anyio.sleep(0.5)  # several looks
        await checkpoint()
        assert warnings() == []
