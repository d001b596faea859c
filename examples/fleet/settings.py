"""The settings of the workers: of the current release, and of the one before."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hotsettings import BaseSettings, Secret


class Settings(BaseSettings):
    BROKERS: str = "localhost:9092"
    BATCH: Annotated[int, Meta(ge=1, description="Messages that a worker takes at once.")] = 100
    TOKEN: Secret[str] = ""


class Older(Settings):
    """The settings of the release before, whose workers accepted smaller values only."""

    BATCH: Annotated[int, Meta(ge=1, le=500)] = 100
