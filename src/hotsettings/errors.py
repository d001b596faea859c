"""Where a value was written, what is wrong with it, and the errors that say so.

    SettingsError
    ├── LayerError        one layer cannot be read or parsed
    ├── InvalidSettings   the merged values do not fit the schema
    ├── Rejected          a reload was not applied
    └── UnforeseenError   this package failed, not the files

Every error carries its evidence as plain text that has already been cleared of secrets, so it can be printed, logged,
pickled and sent anywhere. None of them holds a value, a document or a foreign exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct


class Origin(Struct, frozen=True):
    """Where a value was written.

    ``layer`` is the layer's name ("base", "secrets", "override"), "default" for a default of the class and "values" for
    values given in code. ``file`` is the path as the caller wrote it, or where a store holds it, in the ``revision`` that was
    read; ``line`` and ``column`` count from 1, in characters. A default has no file, and a problem with a whole file no line.
    """

    __module__ = "hotsettings"

    layer: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    revision: int | None = None

    def __str__(self) -> str:
        named = self.file or self.layer
        parts = (named if self.revision is None else f"{named}@{self.revision}", self.line, self.column)
        return ":".join(str(part) for part in parts if part is not None)


class Problem(Struct, frozen=True):
    """One thing that is wrong, and the way out.

    ``key`` is dotted (``db.port``), or "" where no single key is to blame. ``excerpt`` is the source line and a line of
    carets below it. It is empty where either could show a secret, and in problems after the first 100. ``foreign``
    means that other code wrote the message, such as the ``__post_init__`` of the class, so that it may quote a value.
    """

    __module__ = "hotsettings"

    key: str
    message: str
    origin: Origin
    hint: str = ""
    excerpt: tuple[str, ...] = ()
    foreign: bool = False

    def __str__(self) -> str:
        what = "; ".join(filter(None, (self.message, self.hint)))
        where = str(self.origin) if self.origin.file else ""
        return "  ".join(filter(None, (where, f"{self.key}: {what}" if self.key else what)))

    def lines(self) -> list[str]:
        """The problem as a person reads it: one line, then the excerpt."""
        return [str(self), *self.excerpt]


MOST_PROBLEMS = 1000
"""Problems that an error holds. A file with more mistakes is hardly a settings file."""

SHOWN_PROBLEMS = 100
"""Problems that the text of an error shows."""


class Problems(Struct, frozen=True):
    """The first problems that were found, and how many there are in all."""

    first: tuple[Problem, ...]
    total: int


NO_PROBLEMS = Problems((), 0)


class SettingsError(Exception):
    """Root of everything this package raises about the content of settings.

    ``problems`` holds the first 1,000, and ``total`` is the number of all. The text shows the first 100.
    """

    __module__ = "hotsettings"

    problems: tuple[Problem, ...] = ()

    @property
    def total(self) -> int:
        """How many problems there are, including those that ``problems`` leaves out."""
        return len(self.problems)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"  # the arguments would show every problem with all its fields


class LayerError(SettingsError):
    """Raised when a layer cannot be read or parsed: missing, not a regular file, too large, not UTF-8, not TOML.

    When several layers fail at once, ``problems`` holds one problem for each; ``origin`` is that of the first.
    """

    __module__ = "hotsettings"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    @property
    def origin(self) -> Origin:
        """Where the first problem is."""
        return self.problems[0].origin

    def __str__(self) -> str:
        return render("Unreadable settings", self.problems)


class InvalidSettings(SettingsError):
    """Raised when the merged values do not fit the schema. ``problems`` are sorted by file and place.

    Args:
        problems: The first 1,000 problems.
        total: How many problems there are. Needed only if ``problems`` are not all of them.
    """

    __module__ = "hotsettings"

    def __init__(self, problems: Iterable[Problem], total: int | None = None) -> None:
        self.problems = tuple(problems)
        self._total = len(self.problems) if total is None else total
        super().__init__(self.problems, self._total)

    @property
    def total(self) -> int:
        """How many problems there are."""
        return self._total

    def __str__(self) -> str:
        return render("Invalid settings", self.problems, self.total)


class UnforeseenError(SettingsError):
    """Raised when this package fails on the layers: a bug in it, no memory left, or no stack left.

    Its one problem names the layers, the type of the exception, and the place in this package. It quotes nothing.
    """

    __module__ = "hotsettings"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return render("Unforeseen error", self.problems)


class Redacted(Exception):
    """Stands for an exception of other code: holds its redacted message and the name of its type, but no other object.

    Args:
        text: The message, already redacted.
        kind: The name of the type; "" where the message needs none.
    """

    __module__ = "hotsettings"

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text, kind)
        self.kind = kind

    def __str__(self) -> str:
        return str(self.args[0]) or self.kind


class Rejected(SettingsError):
    """Raised by ``reload()`` when the new state was not applied; the last good snapshot stays live.

    ``reason`` is a LayerError, an InvalidSettings, or a stand-in for the exception of a hook or build. The stand-in has
    the redacted message, and the name of the exception's type as ``kind``.
    """

    __module__ = "hotsettings"

    def __init__(self, reason: BaseException) -> None:
        self.reason = reason
        self.problems = reason.problems if isinstance(reason, SettingsError) else ()
        super().__init__(reason)

    @property
    def total(self) -> int:
        """How many problems the reason has."""
        return self.reason.total if isinstance(self.reason, SettingsError) else 0

    def __str__(self) -> str:
        return f"Reload rejected: {str(self.reason) or type(self.reason).__name__}"


def counted(number: int) -> str:
    """``1 problem``, ``3 problems``."""
    return f"{number} problem" + ("" if number == 1 else "s")


def render(title: str, problems: Sequence[Problem], total: int | None = None) -> str:
    """Return a title with the number of problems, then the first 100 indented by two, and how many more there are."""
    shown = problems[:SHOWN_PROBLEMS]
    number = len(problems) if total is None else total
    lines = [f"{title}: {counted(number)}", *(f"  {line}" for problem in shown for line in problem.lines())]
    return "\n".join(lines + [f"  {line}" for line in unshown(number)])


def unshown(total: int) -> list[str]:
    """Return the line that says how many problems a text leaves out, if any."""
    return [f"… and {total - SHOWN_PROBLEMS} more"] if total > SHOWN_PROBLEMS else []
