"""Warnings about secrets that others can read, and about keys in the wrong file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from shlex import quote

from .._layers.file import FileLayer
from .._layers.folder import FolderLayer, label_of, list_folder
from .._layers.layer import Document, Layer, origin_of
from .._layers.toml.keys import Path, dotted
from .._layers.toml.positions import Place, Span
from .._loading.key_files import KeyFiles
from .._schema.schema import Schema
from .._schema.shape import parts_of
from ..errors import MOST_PROBLEMS, Code, LayerError, Origin, Problem, Problems, joined
from . import git
from .permissions import exposures

_LOUD = "SECRET IN A FILE THAT IS NOT FOR SECRETS"


def warnings(schema: Schema, documents: Sequence[Document]) -> Problems:
    """Return the warnings of ``check``, the most serious first."""
    private = [document for document in documents if document.layer.secret]
    found = [secrets_in(schema, document, private) for document in documents if not document.layer.secret]
    for document in private:
        if not document.missing:
            exposed = tuple(_exposed(document.layer, _files(schema, document.layer)))
            found += Problems(exposed, len(exposed)), not_secret_in(schema, document)
    return joined(*found)


def secrets_in(schema: Schema, document: Document, private: Sequence[Document]) -> Problems:
    """Return a warning for each Secret key in a document that is not one of the ``private`` ones."""
    where = private[0].layer.label if private else "the secrets file"
    hint = f"move it to {where} and change its value"
    paths = _set_in(schema, document, secret=True)
    return _each(document, paths, lambda place: place.value, _LOUD, hint, "misplaced-secret")


def not_secret_in(schema: Schema, document: Document) -> Problems:
    """Return a warning for each key in a secrets file that is not declared Secret."""
    # An array is in one file as a whole, so its public parts have to be where its secrets are.
    paths = [path for path in _set_in(schema, document, secret=False) if not _beside_secret(schema, path)]
    message = "in the secrets file, but not declared Secret, so its repr shows it"
    hint = "declare it as Secret[...] or move it to another file"
    return _each(document, paths, lambda place: place.key, message, hint, "undeclared-secret")


def _set_in(schema: Schema, document: Document, *, secret: bool) -> list[Path]:
    """Return the leaves that a document sets and that are Secret, or not."""
    parts = parts_of(schema.shape, document.values)
    return [part.path for part in parts if part.shape is not None and part.hidden is secret]


def _beside_secret(schema: Schema, path: Path) -> bool:
    array = tuple(takewhile(lambda part: isinstance(part, str), path))
    if len(array) == len(path):
        return False
    shape = schema.shape.at(array)
    return shape is not None and shape.holds_secret


def _each(
    document: Document, paths: Sequence[Path], at: Callable[[Place], Span], message: str, hint: str, code: Code
) -> Problems:
    """Return the same warning for each path. A table without a header may have no place."""
    first = paths[:MOST_PROBLEMS]
    places = document.locate(first)
    origins = (document.origin(at(places[path])[0]) if path in places else origin_of(document.layer) for path in first)
    found = (Problem(dotted(path), message, origin, hint, code) for path, origin in zip(first, origins, strict=True))
    return Problems(tuple(found), len(paths))


def _files(schema: Schema, layer: Layer) -> dict[str, str]:
    """Return how errors name each file that a layer is read from, by its path."""
    if isinstance(layer, FileLayer):
        return {os.fspath(layer.path): layer.label}
    if isinstance(layer, FolderLayer):
        with suppress(OSError, LayerError):  # it was removed after it was read
            listing, is_key = list_folder(layer), KeyFiles(schema).is_key
            keys = filter(is_key, listing.names)
            return {os.path.join(listing.inside, name): label_of(layer, name) for name in keys}
    return {}


def _exposed(layer: Layer, labels: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what lets others read, change or get the files of a layer. What is true of several is told once."""
    is_folder = isinstance(layer, FolderLayer)

    def warning(message: str, hint: str, code: Code, paths: Sequence[str]) -> Problem:
        origin = Origin(layer.name, labels[paths[0]]) if paths else origin_of(layer)
        others = len(paths) - 1
        more = f" (and {others} {'other' if others == 1 else 'others'} in {layer.label})" if others > 0 else ""
        return Problem("", message + more, origin, hint, code)

    shown = f"{quote(os.path.join(layer.label, ''))}*" if is_folder else quote(layer.label)
    for exposure in exposures(list(labels), shown):
        yield warning(exposure.message, exposure.hint, "exposed-file", exposure.paths)
    found: dict[tuple[str, str, Code], list[str]] = {}
    for path, known in git.ask(labels).items():
        if said := _in_git(known, layer.label, "-r " if is_folder else ""):
            found.setdefault(said, []).append(path)
    for said, paths in found.items():
        yield warning(*said, paths)


def _in_git(known: git.Known | git.CannotTell, label: str, recursive: str) -> tuple[str, str, Code] | None:
    """Return the message, hint and code of the warning about what git knows about a file."""
    if isinstance(known, git.CannotTell):
        return f"git could not be asked about this secrets file: {known.reason}", known.hint, "git-unknown"
    if known.tracked:
        hint = f"git rm {recursive}--cached {quote(label)}, ignore it, and change the secrets in it"
        return "git tracks this secrets file", hint, "in-git"
    if known.committed:
        hint = "commit its removal, ignore it, and change the secrets in it: older commits keep them"
        return "git has this secrets file in its last commit (HEAD)", hint, "in-git"
    if not known.ignored:
        return (
            "git does not ignore this secrets file",
            f"add {label} to .gitignore, or `git add .` adds it",
            "not-ignored",
        )
    return None
