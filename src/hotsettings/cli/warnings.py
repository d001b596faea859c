"""What is valid but unwise: secrets where others can read them."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator

from ..errors import Problem
from ..layers import Document
from ..load import Loaded
from ..merge import ABSENT, follow


def warnings(loaded: Loaded) -> Iterator[Problem]:
    """Yield what ``check`` warns of, the loudest first."""
    public = [document for document in loaded.documents if not document.layer.secret]
    private = [document for document in loaded.documents if document.layer.secret and not document.missing]
    for document in public:
        yield from _secrets_in(loaded, document, private)
    for document in private:
        yield from _exposed(document)
        yield from _not_secret(loaded, document)


def _secrets_in(loaded: Loaded, document: Document, private: list[Document]) -> Iterator[Problem]:
    where = private[0].layer.label if private else "the secrets file"
    paths = [leaf.path for leaf in loaded.schema.leaves if leaf.secret]
    for path, place in document.locate(paths).items():
        leaf = loaded.schema.leaf_of(path)
        assert leaf is not None
        message = "SECRET IN A FILE THAT IS NOT FOR SECRETS"
        yield Problem(leaf.key, message, document.origin(place.value[0]), f"move it to {where} and change its value")


def _exposed(document: Document) -> Iterator[Problem]:
    path, origin = document.layer.path, document.layer.origin()
    if os.name == "posix" and os.stat(path).st_mode & stat.S_IROTH:
        yield Problem("", "other users can read this secrets file", origin, f"chmod 600 {document.layer.label}")
    if _tracked_by_git(path):
        hint = f"git rm --cached {document.layer.label}, ignore it, and change the secrets in it"
        yield Problem("", "git tracks this secrets file", origin, hint)


def _tracked_by_git(path: str) -> bool:
    folder, name = os.path.split(os.path.abspath(path))
    command = ["git", "-C", folder, "ls-files", "--error-unmatch", "--", name]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False  # without git nothing is tracked


def _not_secret(loaded: Loaded, document: Document) -> Iterator[Problem]:
    set_here = [
        leaf for leaf in loaded.schema.leaves if not leaf.secret and follow(document.values, leaf.path)[0] is not ABSENT
    ]
    places = document.locate([leaf.path for leaf in set_here])
    for leaf in set_here:
        message = "in the secrets file, but not declared Secret, so its repr shows it"
        hint = "declare it as Secret[...] or move it to another file"
        yield Problem(leaf.key, message, document.origin(places[leaf.path].key[0]), hint)
