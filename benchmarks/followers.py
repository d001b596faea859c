"""Programs that follow config.toml in a folder, each in the way that its users would."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
from inotify_simple import INotify, flags
from watchfiles import awatch

from integr8scode.settings import Settings

from . import peers

Follower = Callable[[Path], AsyncIterator[int | None]]
"""Yields the number in the settings when a subscriber has it; None where it only knows that there was an edit."""

RAW = "raw inotify, loading nothing"
BY_INOTIFY = "hotsettings, inotify"
BY_WATCHFILES = "hotsettings, watchfiles"
BY_WATCHFILES_LOWEST = "hotsettings, watchfiles, settle=0"
BY_HAND = "watchfiles + tomllib + pydantic, by hand"
DYNAMIC = "dynamic-config-py, default"
DYNAMIC_LOWEST = "dynamic-config-py, debounce=0"


def paths(folder: Path) -> peers.Files:
    """The folder's config.toml, and the other layers as they were shipped: nothing but the one file changes."""
    return peers.Files.shipped()._replace(config=str(folder / "config.toml"))


async def raw(folder: Path) -> AsyncIterator[int | None]:
    inotify = INotify(nonblocking=True)
    try:
        inotify.add_watch(str(folder), flags.MOVED_TO | flags.CLOSE_WRITE)
        while True:
            await anyio.wait_readable(inotify.fileno())
            if any(event.name in ("config.toml", "..data") for event in inotify.read(timeout=0)):
                yield None
    finally:
        inotify.close()


async def hotsettings(folder: Path, **options: Any) -> AsyncIterator[int | None]:
    files = paths(folder)
    async with Settings.watch(
        files.config, secrets_path=files.secrets, override_path=files.override, **options
    ) as live:
        async for change in live.changes("KAFKA_MAX_POLL_RECORDS"):
            yield change.new.KAFKA_MAX_POLL_RECORDS


def by_inotify(folder: Path) -> AsyncIterator[int | None]:
    return hotsettings(folder, watcher="inotify")


def by_watchfiles(folder: Path) -> AsyncIterator[int | None]:
    return hotsettings(folder, watcher="watchfiles")


def by_watchfiles_lowest(folder: Path) -> AsyncIterator[int | None]:
    """Without waiting for a writer to finish, which is what the peers do."""
    return hotsettings(folder, watcher="watchfiles", settle=0.0)


async def by_hand(folder: Path) -> AsyncIterator[int | None]:
    """The loop that a careful person writes: it survives a half-written file, and tells only of what has changed."""
    load = peers.by_hand(paths(folder))
    settings = load()
    async for _ in awatch(folder):
        try:
            newer = load()
        except (OSError, tomllib.TOMLDecodeError, ValueError):
            continue
        if newer != settings:
            settings = newer
            yield settings.KAFKA_MAX_POLL_RECORDS


async def dynamic(folder: Path, **debounce: float) -> AsyncIterator[int | None]:
    source = peers.dynamic_source(paths(folder))
    await source.init_async()
    async with source.watching_async(**debounce):
        async for settings in source.changes():
            yield settings.KAFKA_MAX_POLL_RECORDS


def dynamic_default(folder: Path) -> AsyncIterator[int | None]:
    return dynamic(folder)


def dynamic_lowest(folder: Path) -> AsyncIterator[int | None]:
    return dynamic(folder, debounce=0.0)


FOLLOWERS: dict[str, Follower] = {
    RAW: raw,
    BY_INOTIFY: by_inotify,
    BY_WATCHFILES: by_watchfiles,
    BY_WATCHFILES_LOWEST: by_watchfiles_lowest,
    BY_HAND: by_hand,
    DYNAMIC_LOWEST: dynamic_lowest,
    DYNAMIC: dynamic_default,
}
