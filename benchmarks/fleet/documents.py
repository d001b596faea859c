"""What a fleet is given to read: two documents that carry numbers, and the classes that read them.

Each document has one number twenty-one times, so that a mix of two shows; the pair of numbers tells whether both stood
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from hotsettings import BaseSettings

from .records import SERVICE, Stamp

LIMITS = 20
WORD = "sesame"
"""A value that no report may repeat."""


class Newer(BaseSettings):
    """What most of a fleet runs."""

    BASE: Stamp
    BASE_LIMITS: Mapping[str, int]
    SERVICE: Stamp
    SERVICE_LIMITS: Mapping[str, int]
    WORD: str
    PLACE: str
    QUOTA: int = 1
    GREETING: str = "hello"


class Older(BaseSettings):
    """A release that does not know ``GREETING`` yet."""

    BASE: Stamp
    BASE_LIMITS: Mapping[str, int]
    SERVICE: Stamp
    SERVICE_LIMITS: Mapping[str, int]
    WORD: str
    PLACE: str
    QUOTA: int = 1


class Stricter(BaseSettings):
    """A release that takes a smaller ``QUOTA`` only."""

    BASE: Stamp
    BASE_LIMITS: Mapping[str, int]
    SERVICE: Stamp
    SERVICE_LIMITS: Mapping[str, int]
    WORD: str
    PLACE: str
    QUOTA: Annotated[int, Meta(le=10)] = 1
    GREETING: str = "hello"


RELEASES: dict[str, type[Newer] | type[Older] | type[Stricter]] = {
    "newer": Newer,
    "older": Older,
    "stricter": Stricter,
}


def document(key: str, stamp: Stamp, more: str = "") -> bytes:
    """The text that is published under a key."""
    name = key.removesuffix(".toml").upper()
    limits = "".join(f"limit_{number:02} = {stamp.number}\n" for number in range(LIMITS))
    word = f'WORD = "{WORD}"\n' if key == SERVICE else ""
    text = f"{word}{more}[{name}]\nnumber = {stamp.number}\nattempt = {stamp.attempt}\n[{name}_LIMITS]\n{limits}"
    return text.encode()
