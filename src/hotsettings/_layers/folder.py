"""A layer in a folder with one file for each key, as Docker and Kubernetes mount secrets.

Kubernetes swaps a whole volume at once: its files are behind a symlink ``..data``, which leads to another folder after
the swap. If there is such a link, only what it leads to counts. The links beside it are made and removed later.
"""

import errno
import os
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import TypeAlias

from msgspec import Struct

from .._boundary import guarded
from ..errors import LayerError, Origin, Problem
from .file import FileLayer, StrPath, complete_names, fetch, irregular, missing, read_error
from .layer import LARGEST, Document, Layer, origin_of
from .toml.excerpts import excerpt, line_around
from .toml.positions import line_column

MOST_NAMES = 5_000
"""Names that a folder may have, hidden ones included. Somebody has named the wrong folder if it has more."""

ATOMIC = "..data"
"""The symlink that the kubelet swaps in a Kubernetes volume. Each time it points to a new folder, and the kubelet never
writes into that folder after the swap."""

TOO_LARGE = f"its files have more than {LARGEST} bytes (1 MiB) together"

_ATTEMPTS = 5
"""How often a load reads a folder again that has changed meanwhile."""

IsKey: TypeAlias = Callable[[str], bool]
"""Whether the class has the key that a file is named after."""


class FolderLayer(Layer, frozen=True):
    """A folder with one file for each key: ``FolderLayer("/run/secrets", secret=True)``.

    The name of a file is the key, dotted for a nested one: ``db.password``. The content is the value. For a key that
    takes a string it is the string, less one line end. For all others it is written as in TOML.

    Hidden files are skipped. Files whose names are no keys of the class are never read, and a warning names them.

    Attributes:
        path: The path of the folder. A relative path is taken from the working directory.
        name: How ``status.layers`` and ``explain`` name the layer. By default the name of the folder.
        label: How errors name the layer. By default the path.
        required: Whether it is an error if there is no such folder. By default it is. An empty folder is always one.
        secret: Whether nothing in the layer may be shown. By default it may.
    """

    __module__ = "hotsettings"

    path: StrPath

    def __post_init__(self) -> None:
        complete_names(self)


class Listing(Struct, frozen=True):
    """The names in a folder.

    Args:
        inside: The path of the folder that has the files: the layer's own, or ``..data`` in it.
        names: The names that are not hidden, sorted.
        missing: There is no folder.
    """

    inside: str
    names: tuple[str, ...]
    missing: bool = False


class Folder(Struct, frozen=True):
    """What was read of a folder.

    Args:
        files: The bytes of each file by its name, or what is wrong with the file.
        ignored: The names that are no keys.
    """

    files: Mapping[str, bytes | Problem]
    ignored: tuple[str, ...]


def list_folder(layer: FolderLayer) -> Listing:
    """Return the names in the folder of a layer.

    Raises:
        OSError: The folder cannot be read, which may pass.
        LayerError: There is no such folder, or something else is at its path.
        UnforeseenError: This package has failed.
    """
    listed = guarded([origin_of(layer)], _listed, layer)
    if isinstance(listed, Problem):
        raise LayerError([listed])
    if isinstance(listed, OSError):
        raise listed
    return listed


def _listed(layer: FolderLayer) -> Listing | Problem | OSError:
    path = os.fsdecode(layer.path)
    volume = os.path.join(path, ATOMIC)
    try:
        inside = volume if os.path.islink(volume) else path
        with os.scandir(inside) as entries:
            names = [entry.name for entry in islice(entries, MOST_NAMES + 1)]
    except FileNotFoundError:
        return missing(layer, "folder") if layer.required else Listing(path, (), missing=True)
    except (NotADirectoryError, ValueError):
        return Problem("", _other(path), origin_of(layer), "name the folder that has a file for each key", "not-a-file")
    except OSError as error:
        if error.errno == errno.ELOOP:
            return Problem("", "not a folder but a loop of symbolic links", origin_of(layer), "", "not-a-file")
        return error.with_traceback(None)
    if len(names) > MOST_NAMES:
        message = f"it has more than {MOST_NAMES} names"
        return Problem("", message, origin_of(layer), "name a folder that has only the files of keys", "too-large")
    return Listing(inside, tuple(sorted(name for name in names if not name.startswith("."))))


def _other(path: str) -> str:
    try:
        return f"not a folder but {irregular(os.stat(path).st_mode) or 'a file'}"
    except (OSError, ValueError):
        return "not a path of a folder"


def empty(layer: FolderLayer) -> Problem:
    """Return the problem that a folder has no files."""
    hint = "write one file for each key into it; if it is a mount, check that it is there"
    return Problem("", "the folder is empty", origin_of(layer), hint, "empty-folder")


def too_large(layer: FolderLayer) -> Problem:
    """Return the problem that the files of a folder are too large together."""
    return Problem("", TOO_LARGE, origin_of(layer), "", "too-large")


def file_layer(layer: FolderLayer, inside: str, name: str) -> FileLayer:
    """Return the file of a key as a layer."""
    return FileLayer(os.path.join(inside, name), name=layer.name, label=label_of(layer, name), secret=layer.secret)


def label_of(layer: FolderLayer, name: str) -> str:
    """Return how errors name a file in the folder."""
    return os.path.join(layer.label, printable(name))


def printable(name: str) -> str:
    """Return the name of a file, which may be of any bytes, as a text that can be shown."""
    return (
        name
        if name.isprintable()
        else "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)
    )


def fetch_folder(layer: FolderLayer, is_key: IsKey) -> Folder | None:
    """Read the files of a folder as they stand.

    None if it is optional and missing. Raises LayerError or UnforeseenError.
    """
    found: Folder | None = None
    for _ in range(_ATTEMPTS):
        listing = _listing(layer)
        if listing.missing:
            return None
        if not listing.names:
            raise LayerError([empty(layer)])
        # All files are read in one volume, even if another one takes its place meanwhile.
        inside = os.path.realpath(listing.inside)
        found = _read(layer, inside, listing.names, is_key)
        if _listing(layer) == listing and os.path.realpath(listing.inside) == inside:
            break
    return found


def _listing(layer: FolderLayer) -> Listing:
    try:
        return list_folder(layer)
    except OSError as error:
        failed = read_error(layer, error)
    raise failed


def _read(layer: FolderLayer, inside: str, names: Sequence[str], is_key: IsKey) -> Folder:
    files: dict[str, bytes | Problem] = {}
    room = LARGEST
    for name in names:
        if not is_key(name):
            continue
        try:
            files[name] = data = fetch(file_layer(layer, inside, name)) or b""
        except LayerError as error:
            files[name] = error.problems[0]
        else:
            room -= len(data)
            if room < 0:
                raise LayerError([too_large(layer)])
    return Folder(files, tuple(name for name in names if name not in files))


class Spot(Struct, frozen=True):
    """Where the value of one file stands in the text of a FolderDocument.

    Args:
        at: The offset of its key.
        value_at: The offset of its value.
        label: How errors name the file.
        content: What is in the file.
        skipped: Characters at the start of the content that are not in the text. None if the content is no TOML but a
            string as it stands.
    """

    at: int
    value_at: int
    label: str
    content: str
    skipped: int | None

    def offset(self, at: int) -> int:
        """Return where in the content an offset into the text is."""
        return 0 if self.skipped is None else min(max(0, at - self.value_at) + self.skipped, len(self.content))


class FolderDocument(Document, frozen=True):
    """A folder as it was read. Its text is what one file with all the keys would say.

    Args:
        spots: Where in the text the value of each file is, in the order of the text.
        ignored: The problem that a file is named after no key, for each such file.
    """

    spots: tuple[Spot, ...] = ()
    ignored: tuple[Problem, ...] = ()

    def origin(self, offset: int) -> Origin:
        """Return the origin for an offset into the text: the file of the key."""
        spot = self._spot(offset)
        line, column = line_column(spot.content, spot.offset(offset))
        return Origin(self.layer.name, spot.label, line, column)

    def excerpt(self, start: int, end: int) -> tuple[str, ...]:
        """Return the line in the file of a key with carets below it."""
        spot = self._spot(start)
        if spot.skipped is None:
            return excerpt(spot.content, *line_around(spot.content, 0))
        return excerpt(spot.content, spot.offset(start), spot.offset(end))

    def _spot(self, offset: int) -> Spot:
        return self.spots[max(0, bisect_right(self.spots, offset, key=attrgetter("at")) - 1)]
