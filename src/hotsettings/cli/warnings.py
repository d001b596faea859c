"""What is valid but unwise: secrets where others can read them."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator, Sequence

from ..errors import Problem
from ..layers import Document, FileLayer
from ..merge import ABSENT, follow
from ..positions import Place
from ..schema import Leaf, Schema

LOUD = "SECRET IN A FILE THAT IS NOT FOR SECRETS"


def warnings(schema: Schema, documents: Sequence[Document]) -> Iterator[Problem]:
    """Yield what ``check`` warns of, the loudest first."""
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
    """Yield each Secret key that a document holds, which is none of the ``private`` ones."""
    where = private[0].layer.label if private else "the secrets file"
    for leaf, place in _set_in(schema, document, secret=True):
        origin = document.origin(place.value[0]) if place else document.layer.origin()
        yield Problem(leaf.key, LOUD, origin, f"move it to {where} and change its value")


def _exposed(layer: FileLayer) -> Iterator[Problem]:
    path, origin = os.fspath(layer.path), layer.origin()
    if os.name == "posix" and _readable_by_others(path):
        yield Problem("", "other users can read this secrets file", origin, f"chmod 600 {layer.label}")
    if _tracked_by_git(path):
        hint = f"git rm --cached {layer.label}, ignore it, and change the secrets in it"
        yield Problem("", "git tracks this secrets file", origin, hint)


def _readable_by_others(path: str) -> bool:
    try:
        return bool(os.stat(path).st_mode & stat.S_IROTH)
    except OSError:
        return False  # it was read a moment ago and is gone


def _tracked_by_git(path: str) -> bool:
    folder, name = os.path.split(os.path.realpath(path))
    # The folder decides which repository is asked, not what a git hook has in its environment. A checkout that belongs to
    # another user, which is usual in containers, is looked at all the same, but nothing in its configuration is run.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    options = ("-C", folder, "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "--literal-pathspecs")
    command = ["git", *options, "ls-files", "--error-unmatch", "--", name]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=10, env=environment).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False  # without git nothing is tracked


def _not_secret(schema: Schema, document: Document) -> Iterator[Problem]:
    for leaf, place in _set_in(schema, document, secret=False):
        message = "in the secrets file, but not declared Secret, so its repr shows it"
        origin = document.origin(place.key[0]) if place else document.layer.origin()
        yield Problem(leaf.key, message, origin, "declare it as Secret[...] or move it to another file")


def _set_in(schema: Schema, document: Document, *, secret: bool) -> Iterator[tuple[Leaf, Place | None]]:
    """Yield the leaves that a document sets, and where. A table that no header opens may have no place of its own."""
    leaves = [leaf for leaf in schema.leaves if leaf.secret is secret]
    here = [leaf for leaf in leaves if follow(document.values, leaf.path) is not ABSENT]
    places = document.locate([leaf.path for leaf in here])
    return ((leaf, places.get(leaf.path)) for leaf in here)
