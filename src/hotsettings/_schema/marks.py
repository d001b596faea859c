"""What a field's annotation can say beyond its type: secret, restart required, the start of a section."""

from __future__ import annotations

from typing import Annotated, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Mark:
    """A named piece of ``Annotated`` metadata, told apart by identity."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


SECRET = Mark("SECRET")
RESTART_REQUIRED = Mark("RESTART_REQUIRED")

Secret = Annotated[T, SECRET]
"""``Secret[str]`` is a str whose value is shown nowhere: not in errors, logs, reprs, pages or the command line."""

RestartRequired = Annotated[T, RESTART_REQUIRED]
"""``RestartRequired[int]`` is an int that a running process keeps: a change to it waits for a restart."""


class Section(Struct, frozen=True):
    """Opens a section: in the ``Annotated`` of a field, it groups that field and all after it, until the next one.

    ``title`` heads the group in the reference and in templates.
    """

    __module__ = "hotsettings"

    title: str
