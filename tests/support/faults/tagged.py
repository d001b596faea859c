"""Settings in which every key carries the tag of its layer, so that a torn or mixed state shows at once.

A layer's text is tagged with one number, and each of its keys says it. Every prefix of a text that ends with a line, and
many others, are valid TOML and valid settings, so that nothing but the tags can tell a half-written file from a whole one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from hotsettings import BaseSettings, Secret

KEYS = 20
ABSENT = -1
"""The tag of a layer that says nothing."""

State = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""The tags found in the base's keys, in the secret ones, and in those of the override: one each, unless it is torn."""


class Tagged(BaseSettings):
    B00: int = ABSENT
    B01: int = ABSENT
    B02: int = ABSENT
    B03: int = ABSENT
    B04: int = ABSENT
    B05: int = ABSENT
    B06: int = ABSENT
    B07: int = ABSENT
    B08: int = ABSENT
    B09: int = ABSENT
    B10: int = ABSENT
    B11: int = ABSENT
    B12: int = ABSENT
    B13: int = ABSENT
    B14: int = ABSENT
    B15: int = ABSENT
    B16: int = ABSENT
    B17: int = ABSENT
    B18: int = ABSENT
    B19: int = ABSENT
    S00: Secret[int] = ABSENT
    S01: Secret[int] = ABSENT
    S02: Secret[int] = ABSENT
    S03: Secret[int] = ABSENT
    S04: Secret[int] = ABSENT
    S05: Secret[int] = ABSENT
    S06: Secret[int] = ABSENT
    S07: Secret[int] = ABSENT
    S08: Secret[int] = ABSENT
    S09: Secret[int] = ABSENT
    S10: Secret[int] = ABSENT
    S11: Secret[int] = ABSENT
    S12: Secret[int] = ABSENT
    S13: Secret[int] = ABSENT
    S14: Secret[int] = ABSENT
    S15: Secret[int] = ABSENT
    S16: Secret[int] = ABSENT
    S17: Secret[int] = ABSENT
    S18: Secret[int] = ABSENT
    S19: Secret[int] = ABSENT
    O00: int = ABSENT
    O19: int = ABSENT


_OF_LAYER = {
    letter: [name for name in Tagged.__struct_fields__ if name.startswith(letter)] for letter in ("B", "S", "O")
}


def text(tag: int, letter: str = "B") -> str:
    """A layer tagged with a number of up to six digits; all of them are of one size."""
    lines = (
        f"{name} = {100_000 + tag}  # some words, so that it is written in more than one go\n"
        for name in _OF_LAYER[letter]
    )
    return "".join(lines)


def state_of(settings: Tagged) -> State:
    """What settings are tagged with."""
    base, secrets, override = (
        tuple(sorted({_tag(getattr(settings, name)) for name in _OF_LAYER[letter]})) for letter in ("B", "S", "O")
    )
    return base, secrets, override


class OneFile(Struct, frozen=True):
    toml: str = ""


class TaggedFolder(BaseSettings):
    """The same for a folder with a file for each key. A string may be cut anywhere, and is still one."""

    config: OneFile = OneFile()
    secrets: Secret[OneFile] = OneFile()
    others: Mapping[str, str] = {}


TORN = -2
"""Stands beside the tags of a text that is not whole."""


def state_of_folder(settings: TaggedFolder) -> State:
    """What settings that come from a folder are tagged with."""
    return _tags_of(settings.config.toml, "B"), _tags_of(settings.secrets.toml, "S"), (ABSENT,)


def _tags_of(content: str, letter: str) -> tuple[int, ...]:
    if not content:
        return (ABSENT,)
    tags = sorted({int(number) - 100_000 for number in re.findall(r" = (\d{6}) ", content)})
    return tuple(tags) if tags and f"{content}\n" == text(tags[0], letter) else (TORN, *tags)


def _tag(value: int) -> int:
    return value if value < 100_000 else value - 100_000


def whole(base: int, secrets: int = 0, override: int = ABSENT) -> State:
    """A state that is not torn."""
    return (base,), (secrets,), (override,)


def is_vetoed(state: State) -> bool:
    """Whether the hook of a soak vetoes it."""
    return any(tag % 10 == 7 for tag in state[0])
