"""A logger whose level follows a setting."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Literal

import pytest
from msgspec import Struct

from hotsettings import BaseSettings
from hotsettings.integrations.logging import follow_level
from hotsettings.testing import Workspace, live

pytestmark = pytest.mark.anyio

Level = Literal["DEBUG", "INFO", "WARNING"]


class Nested(Struct, frozen=True):
    level: str = "info"


class Renamed(Struct, frozen=True, rename={"of_root": "the root"}):
    of_root: str


class Settings(BaseSettings):
    LOG_LEVEL: Level = "INFO"
    NUMBER: int = 25
    ANY: str = "ERROR"
    OTHER: int = 0
    log: Nested = Nested()
    maybe: Renamed | None = None
    levels: Mapping[str, str] = {"db": "INFO"}


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.follow_level")
    yield logger
    logger.setLevel(logging.NOTSET)


async def test_now_and_after_each_change(logger: logging.Logger) -> None:
    async with live(Settings.from_values(LOG_LEVEL="WARNING")) as held:
        follow_level(held, "LOG_LEVEL", logger)
        assert logger.level == logging.WARNING
        for level in ("DEBUG", "INFO", "WARNING"):
            await held.publish(held.current.replace(LOG_LEVEL=level))
            await held.wait_applied()
            assert logger.level == getattr(logging, level)


async def test_other_changes_leave_it_alone(logger: logging.Logger) -> None:
    """Somebody may have set the level by hand."""
    async with live(Settings.from_values()) as held:
        follow_level(held, "LOG_LEVEL", logger)
        logger.setLevel(logging.CRITICAL)
        await held.publish(held.current.replace(OTHER=1))
        await held.wait_applied()
        assert logger.level == logging.CRITICAL


async def test_cancelled(logger: logging.Logger) -> None:
    async with live(Settings.from_values()) as held:
        handle = follow_level(held, "LOG_LEVEL", logger)
        handle.cancel()
        await held.publish(held.current.replace(LOG_LEVEL="DEBUG"))
        await held.wait_applied()
        assert logger.level == logging.INFO


async def test_the_root_logger_by_default() -> None:
    root, before = logging.getLogger(), logging.getLogger().level
    try:
        async with live(Settings.from_values(LOG_LEVEL="DEBUG")) as held:
            follow_level(held, "LOG_LEVEL")
            assert root.level == logging.DEBUG
            await held.publish(held.current.replace(LOG_LEVEL="WARNING"))
            await held.wait_applied()
            assert root.level == logging.WARNING
    finally:
        root.setLevel(before)


async def test_numbers_nested_keys_and_any_case(logger: logging.Logger) -> None:
    async with live(Settings.from_values()) as held:
        follow_level(held, "NUMBER", logger).cancel()
        assert logger.level == 25
        follow_level(held, "log.level", logger)
        assert logger.level == logging.INFO
        await held.publish(held.current.replace(log=Nested("debug")))
        await held.wait_applied()
        assert logger.level == logging.DEBUG


async def test_a_renamed_key_in_a_table_that_may_be_absent(logger: logging.Logger) -> None:
    async with live(Settings.from_values(maybe={"the root": "debug"})) as held:
        handle = follow_level(held, 'maybe."the root"', logger)
        assert logger.level == logging.DEBUG
        await held.publish(held.current.replace(maybe=None))
        await held.wait_applied()
        assert (logger.level, handle.failures) == (logging.DEBUG, 1)
        await held.publish(held.current.replace(maybe=Renamed("warning")))
        await held.wait_applied()
        assert logger.level == logging.WARNING


async def test_a_key_that_is_not_there(logger: logging.Logger) -> None:
    async with live(Settings.from_values()) as held:
        with pytest.raises(ValueError, match=r"^Settings has no key LOG_LEVLE; did you mean LOG_LEVEL\?$"):
            follow_level(held, "LOG_LEVLE", logger)
        with pytest.raises(ValueError, match=r"^Settings has no key LOG_\*"):
            follow_level(held, "LOG_*", logger)
        with pytest.raises(ValueError, match=r"^log is no single setting$"):
            follow_level(held, "log", logger)
        with pytest.raises(ValueError, match=r"^levels\.db is no single setting$"):
            follow_level(held, "levels.db", logger)


async def test_a_level_that_does_not_exist(logger: logging.Logger) -> None:
    async with live(Settings.from_values(ANY="LOUD")) as held:
        with pytest.raises(ValueError, match="LOUD"):
            follow_level(held, "ANY", logger)
        await held.publish(held.current.replace(ANY="ERROR"))
        handle = follow_level(held, "ANY", logger)
        await held.publish(held.current.replace(ANY="LOUD"))
        await held.wait_applied()
        assert (logger.level, handle.failures) == (logging.ERROR, 1)
        await held.publish(held.current.replace(ANY="DEBUG"))
        await held.wait_applied()
        assert logger.level == logging.DEBUG, "and it goes on"


async def test_files(logger: logging.Logger, settings_workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    """What is logged after an edit, and what is not any more."""
    settings_workspace.write({"LOG_LEVEL": "WARNING"})
    async with Settings.watch(**settings_workspace.paths) as watched:
        follow_level(watched, "LOG_LEVEL", logger)
        logger.info("quiet")
        settings_workspace.write({"LOG_LEVEL": "INFO"})
        await watched.reload()
        await watched.wait_applied()
        logger.info("heard")
    assert [record.message for record in caplog.records if record.name == logger.name] == ["heard"]
