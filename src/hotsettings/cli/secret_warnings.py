"""Warnings about secrets that others can read, and about keys in the wrong file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import takewhile
from shlex import quote

from .._layers.file import FileLayer
from .._layers.layer import Document, origin_of
from .._layers.toml.keys import Path, dotted
from .._layers.toml.positions import Place
from .._schema.schema import Schema
from .._schema.shape import parts_of
from ..errors import Problem
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
            if isinstance(document.layer, FileLayer):
                yield from _exposed(document.layer)
            yield from _not_secret(schema, document)


def secrets_in(schema: Schema, document: Document, private: Sequence[Document]) -> Iterator[Problem]:
    """Yield each Secret key in a document that is not one of the ``private`` ones."""
    where = private[0].layer.label if private else "the secrets file"
    for path, place in _set_in(schema, document, secret=True):
        origin = document.origin(place.value[0]) if place else origin_of(document.layer)
        yield Problem(dotted(path), _LOUD, origin, f"move it to {where} and change its value", "misplaced-secret")


def _exposed(layer: FileLayer) -> Iterator[Problem]:
    path, origin = os.fspath(layer.path), origin_of(layer)
    for exposure in exposures(path, layer.label):
        yield Problem("", exposure.message, origin, exposure.hint, "exposed-file")
    try:
        known = git.ask(path)
    except git.CannotTell as why:
        message = f"git could not be asked about this secrets file: {why.reason}"
        yield Problem("", message, origin, why.hint, "git-unknown")
        return
    if known is None:
        return
    if known.tracked:
        hint = f"git rm --cached {quote(layer.label)}, ignore it, and change the secrets in it"
        yield Problem("", "git tracks this secrets file", origin, hint, "in-git")
    elif known.committed:
        hint = "commit its removal, ignore it, and change the secrets in it: older commits keep them"
        yield Problem("", "git has this secrets file in its last commit (HEAD)", origin, hint, "in-git")
    elif not known.ignored:
        hint = f"add {layer.label} to .gitignore, or `git add .` adds it"
        yield Problem("", "git does not ignore this secrets file", origin, hint, "not-ignored")


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
