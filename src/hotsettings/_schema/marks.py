"""What a field's annotation can say beyond its type: secret, restart required, how to convert and check its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

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
TOLERANT = Mark("TOLERANT")

Secret = Annotated[T, SECRET]
"""``Secret[str]`` is a str whose value is shown nowhere: not in errors, logs, reprs, pages or the command line."""

RestartRequired = Annotated[T, RESTART_REQUIRED]
"""``RestartRequired[int]`` is an int that a running process keeps: a change to it waits for a restart."""


Tolerant = Annotated[T, TOLERANT]
"""``Tolerant[Db]`` is a Db whose table may have unknown keys. They are ignored with a warning, and so are those of all tables
in it."""


class Before(Struct, frozen=True):
    """Converts a value before it is decoded: ``Annotated[tuple[str, ...], Before(lambda text: text.split(","))]``.

    Args:
        function: It gets what the layers say, as TOML has it, and returns what is decoded in its place. It is called once for
            each load, and never for a default or None. What it raises is a problem of the key.
    """

    __module__ = "hotsettings"

    function: Callable[[Any], Any]


class Check(Struct, frozen=True):
    """Refuses values: ``Annotated[int, Check(refuse_odd)]``.

    Args:
        function: It gets the decoded value, and raises ValueError if that is not allowed. The message is a problem of the key.
            It is called once for each load, and never for a default or None.
    """

    __module__ = "hotsettings"

    function: Callable[[Any], Any]


class Renamed:
    """Takes a field's former keys too, with a warning: ``Annotated[str, Renamed("MONGO_URL")]``.

    Both at once in one layer are a problem. In two layers, the higher one wins as ever.

    Args:
        old: The former keys, as layers write them, in the same table.
    """

    __module__ = "hotsettings"

    __slots__ = ("old",)

    def __init__(self, *old: str) -> None:
        self.old = old

    def __repr__(self) -> str:
        return f"Renamed({', '.join(map(repr, self.old))})"


class Deprecated(Struct, frozen=True):
    """Warns where a layer sets the field: ``Annotated[int, Deprecated("use POOL_SIZE")]``.

    Args:
        instead: What to do instead.
    """

    __module__ = "hotsettings"

    instead: str


class Section(Struct, frozen=True):
    """Opens a section: in the ``Annotated`` of a field, it groups that field and all after it, until the next one.

    ``title`` heads the group in the reference and in templates.
    """

    __module__ = "hotsettings"

    title: str
