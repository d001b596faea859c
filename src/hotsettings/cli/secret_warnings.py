"""Warnings about secrets that others can read, and about keys in the wrong file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from shlex import quote

from .._layers.file import FileLayer
from .._layers.folder import FolderLayer, label_of, list_folder
from .._layers.layer import Document, Layer, origin_of
from .._layers.toml.keys import Path, dotted
from .._layers.toml.positions import Place
from .._loading.key_files import KeyFiles
from .._schema.schema import Schema
from .._schema.shape import parts_of
from ..errors import Code, LayerError, Origin, Problem
from . import git
from .permissions import exposures

_LOUD = "SECRET IN A FILE THAT IS NOT FOR SECRETS"


def warnings(schema: Schema, documents: Sequence[Document]) -> Iterator[Problem]:
    """Yield the warnings of ``check``, the most serious first."""
    private = [document for document in documents if document.layer.secret]
    for document in documents:
        if not document.layer.secret:
            yield from secrets_in(schema, document, private)
    for document in private:
        if not document.missing:
            yield from _exposed(document.layer, _files(schema, document.layer))
            yield from _not_secret(schema, document)


def secrets_in(schema: Schema, document: Document, private: Sequence[Document]) -> Iterator[Problem]:
    """Yield each Secret key in a document that is not one of the ``private`` ones."""
    where = private[0].layer.label if private else "the secrets file"
    for path, place in _set_in(schema, document, secret=True):
        origin = document.origin(place.value[0]) if place else origin_of(document.layer)
        yield Problem(dotted(path), _LOUD, origin, f"move it to {where} and change its value", "misplaced-secret")


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


def _not_secret(schema: Schema, document: Document) -> Iterator[Problem]:
    for path, place in _set_in(schema, document, secret=False):
        message = "in the secrets file, but not declared Secret, so its repr shows it"
        origin = document.origin(place.key[0]) if place else origin_of(document.layer)
        hint = "declare it as Secret[...] or move it to another file"
        yield Problem(dotted(path), message, origin, hint, "undeclared-secret")


def _set_in(schema: Schema, document: Document, *, secret: bool) -> Iterator[tuple[Path, Place | None]]:
    """Yield the leaves that a document sets, and their places. A table without a header may have no place."""
    parts = parts_of(schema.shape, document.values)
    here = [part.path for part in parts if part.shape is not None and part.hidden is secret]
    if not secret:  # an array is in one file as a whole, so its public parts have to be where its secrets are
        here = [path for path in here if not _beside_secret(schema, path)]
    places = document.locate(here)
    return ((path, places.get(path)) for path in here)


def _beside_secret(schema: Schema, path: Path) -> bool:
    array = tuple(takewhile(lambda part: isinstance(part, str), path))
    shape = schema.shape.at(array)
    return len(array) < len(path) and shape is not None and shape.holds_secret
