"""Where a value was written, what is wrong with it, and the errors that say so.

    SettingsError
    ├── LayerError        one layer cannot be read or parsed
    ├── InvalidSettings   the merged values do not fit the schema
    ├── Rejected          a reload was not applied
    └── UnforeseenError   this package failed, not the files

Errors hold texts, places and numbers. The texts are already redacted, so an error can be printed, logged, pickled and sent
anywhere. No error holds a value, a document, or an exception of other code.
"""

from collections.abc import Iterable
from itertools import chain, islice
from typing import ClassVar, Final, Literal, TypeAlias, get_args

from msgspec import Struct

_OfReading = Literal[
    "missing-file",
    "not-a-file",
    "too-large",
    "unreadable",
    "still-written",
    "lost-content",
    "empty-folder",
    "conflicting-keys",
]
_OfParsing = Literal["not-utf8", "invalid-toml", "duplicate-key", "unsupported-toml", "no-parser"]
_OfKeys = Literal["unknown-key", "wrong-key", "required", "conflict"]
_OfValues = Literal["wrong-type", "out-of-range", "wrong-length", "no-match", "not-an-option", "invalid-value", "rule"]
_OfStores = Literal[
    "store-unreachable", "missing-bucket", "missing-key", "missing-revision", "not-in-copy", "unusable-copy"
]
_OfPublishing = Literal["publish-refused", "publish-conflict", "publish-unknown"]
_OfOldKeys = Literal["deprecated", "renamed"]
_OfSecretsFiles = Literal[
    "misplaced-secret", "undeclared-secret", "exposed-file", "in-git", "not-ignored", "git-unknown"
]
_Other = Literal["not-set", "unforeseen"]

Code: TypeAlias = Literal[
    _OfReading, _OfParsing, _OfKeys, _OfValues, _OfStores, _OfPublishing, _OfOldKeys, _OfSecretsFiles, _Other
]
"""What kind of problem it is. `docs/errors.md` explains each code."""

CODES: Final[tuple[Code, ...]] = get_args(Code)

OriginKind: TypeAlias = Literal["layer", "default", "program", "kept", "derived", "none"]


_NAMED_KEYS: Final = 5
"""Keys that the text of a derived value names."""


class Origin(Struct, frozen=True):
    """Where a value was written.

    ``kind`` says what the other fields describe:

    - "layer": a layer called ``layer`` ("base", "secrets", "override" by default). ``file`` is its path as the caller wrote
      it, or its place in a store, where ``revision`` is what was read. ``line`` and ``column`` count from 1, in characters;
      a problem with a whole file has neither.
    - "default": a default of the class.
    - "program": values given in code, in the layer called ``layer`` if that is one of several.
    - "kept": the value that the process was started with. It stays until a restart, whatever the layers say by now.
    - "derived": a value that the class derives from the settings ``keys``.
    - "none": no single place, as for a rule about several keys.
    """

    __module__ = "hotsettings"

    layer: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    revision: int | None = None
    kind: OriginKind = "layer"
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind == "derived":
            more = f" and {len(self.keys) - _NAMED_KEYS} more" if len(self.keys) > _NAMED_KEYS else ""
            return f"derived from {', '.join(self.keys[:_NAMED_KEYS])}{more}"
        if self.kind == "kept":
            return "live until the restart"
        named = self.file or self.layer
        parts = (named if self.revision is None else f"{named}@{self.revision}", self.line, self.column)
        return ":".join(str(part) for part in parts if part is not None)


DEFAULT: Final = Origin("default", kind="default")
PROGRAM: Final = Origin("values", kind="program")
KEPT: Final = Origin("kept", kind="kept")
NOWHERE: Final = Origin("", kind="none")


class Problem(Struct, frozen=True):
    """One thing that is wrong, and the way out.

    ``key`` is dotted (``db.port``), or "" where no single key is to blame. ``code`` is a stable word for the kind of problem,
    such as "unknown-key"; every problem that hotsettings reports has one. ``excerpt`` is the source line and a line of carets
    below it. It is empty where either could show a secret, and in problems after the first 100.
    """

    __module__ = "hotsettings"

    key: str
    message: str
    origin: Origin
    hint: str = ""
    code: Code | Literal[""] = ""
    excerpt: tuple[str, ...] = ()

    @property
    def foreign(self) -> bool:
        """Whether code of the user wrote the message, such as a ``__post_init__``, so that it may quote a value."""
        return self.code == "rule"

    def __str__(self) -> str:
        what = "; ".join(filter(None, (self.message, self.hint)))
        return "  ".join(filter(None, (self.place, f"{self.key}: {what}" if self.key else what)))

    @property
    def place(self) -> str:
        """Where it is: a place in a file, or the name of a layer without one. Empty where no layer is to blame."""
        named = self.origin.file or (self.origin.kind == "program" and self.origin != PROGRAM)
        return str(self.origin) if named else ""

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


def joined(*parts: Problems) -> Problems:
    """Put the problems of several searches together, in this order."""
    first = islice(chain.from_iterable(each.first for each in parts), MOST_PROBLEMS)
    return Problems(tuple(first), sum(each.total for each in parts))


class SettingsError(Exception):
    """Root of everything this package raises about the content of settings.

    ``problems`` holds the first 1,000, and ``total`` is the number of all. The text shows the first 100, below a ``title``.
    """

    __module__ = "hotsettings"

    title: ClassVar[str] = "Settings"
    problems: tuple[Problem, ...] = ()

    @property
    def total(self) -> int:
        """How many problems there are, including those that ``problems`` leaves out."""
        return len(self.problems)

    @property
    def heading(self) -> str:
        """The first line of the text, with the number of all problems: ``Invalid settings: 2 problems``."""
        return f"{self.title}: {counted(self.total)}"

    def __str__(self) -> str:
        if not self.problems:
            return super().__str__()
        shown = (f"  {line}" for problem in self.problems[:SHOWN_PROBLEMS] for line in problem.lines())
        return "\n".join([self.heading, *shown, *(f"  {line}" for line in unshown(self.total))])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"  # the arguments would show every problem with all its fields


class LayerError(SettingsError):
    """Raised when a layer cannot be read or parsed: missing, not a regular file, too large, not UTF-8, not TOML.

    When several layers fail at once, ``problems`` holds one problem for each; ``origin`` is that of the first.
    """

    __module__ = "hotsettings"

    title = "Unreadable settings"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    @property
    def origin(self) -> Origin:
        """Where the first problem is."""
        return self.problems[0].origin


class InvalidSettings(SettingsError):
    """Raised when the merged values do not fit the schema. ``problems`` are sorted by file and place.

    Args:
        problems: The first 1,000 problems.
        total: How many problems there are. Needed only if ``problems`` are not all of them.
        while_waiting: The values are good by themselves, but not together with those that wait for a restart.
    """

    __module__ = "hotsettings"

    title = "Invalid settings"

    def __init__(self, problems: Iterable[Problem], total: int | None = None, while_waiting: bool = False) -> None:
        self.problems = tuple(problems)
        self.while_waiting = while_waiting
        self._total = len(self.problems) if total is None else total
        super().__init__(self.problems, self._total, while_waiting)

    @property
    def total(self) -> int:
        """How many problems there are."""
        return self._total


class UnforeseenError(SettingsError):
    """Raised when this package fails on the layers: a bug in it, no memory left, or no stack left.

    Its one problem names the layers, the type of the exception, and the place in this package. It quotes nothing.
    """

    __module__ = "hotsettings"

    title = "Unforeseen error"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)


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

    Args:
        reason: What was raised.
        by: The name of the hook or build that raised it. What else rejects a reload follows from the reason.
    """

    __module__ = "hotsettings"

    def __init__(self, reason: BaseException, by: str = "") -> None:
        self.reason = reason
        self.by = by or rejected_by(reason)
        """"layers", "settings", "restart", "hotsettings", or the name of a hook or build: see ``Rejection``."""
        self.problems = reason.problems if isinstance(reason, SettingsError) else ()
        super().__init__(reason, self.by)

    @property
    def total(self) -> int:
        """How many problems the reason has."""
        return self.reason.total if isinstance(self.reason, SettingsError) else 0

    def __str__(self) -> str:
        return f"Reload rejected: {str(self.reason) or type(self.reason).__name__}"


def rejected_by(reason: BaseException) -> str:
    """Return what rejects a reload, other than a hook or a build."""
    if isinstance(reason, InvalidSettings):
        return "restart" if reason.while_waiting else "settings"
    return "layers" if isinstance(reason, LayerError) else "hotsettings"


def counted(number: int) -> str:
    """``1 problem``, ``3 problems``, ``3000 problems; the first 100 are shown``."""
    shown = f"; the first {SHOWN_PROBLEMS} are shown" if number > SHOWN_PROBLEMS else ""
    return f"{number} problem" + ("" if number == 1 else "s") + shown


def unshown(total: int) -> list[str]:
    """Return the line that says how many problems a text leaves out, if any."""
    return [f"… and {total - SHOWN_PROBLEMS} more"] if total > SHOWN_PROBLEMS else []
