"""A draft: a document that is about to be published, and what validation says of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from msgspec import Struct

from .._layers.file import FileLayer, fetch
from .._layers.layer import Document, Layer, RevisionLayer, origin_of, parse
from .._layers.toml.keys import dotted
from .._loading.diagnose import Finding, diagnose
from .._loading.load import documents_or_error, read_all, validated, warnings_about
from .._loading.prepare import prepare
from .._loading.problems import as_problems
from .._schema.schema import Schema
from ..errors import MOST_PROBLEMS, NO_PROBLEMS, InvalidSettings, Problem, Problems, joined
from .options import path_layer
from .secret_warnings import secrets_in


class Draft(Struct, frozen=True):
    """A document that is about to be published, and its bytes."""

    document: Document
    data: bytes


class Verdict(Struct, frozen=True):
    """What validation says of a draft.

    ``exposed`` are the Secret keys in it. ``unchecked`` are the required keys that it leaves to other layers. While there are
    any, rules across keys are not checked.
    """

    problems: Problems
    warnings: Problems
    exposed: Problems
    unchecked: tuple[str, ...]


def draft_of_file(schema: Schema, path: str) -> Draft:
    """Read a file. Raises LayerError."""
    layer = FileLayer(path)
    data = fetch(layer) or b""
    return Draft(_parsed(schema, layer, data), data)


def stored_document(schema: Schema, label: str, revision: int, data: bytes | None) -> Document:
    """Parse what a revision of a key says. Raises LayerError."""
    layer = RevisionLayer(name="store", label=label, revision=revision or None)
    return Document(layer, "", {}, missing=True) if data is None else _parsed(schema, layer, data)


def _parsed(schema: Schema, layer: Layer, data: bytes) -> Document:
    [document] = documents_or_error(schema, [parse(layer, data)])
    return document


def validate(schema: Schema, document: Document, below: Sequence[str], above: Sequence[str]) -> Verdict:
    """Validate a document among the files below and above it. If there are none, it may leave required keys to others.

    The verdict quotes nothing of the other files, since they may hold secrets. Raises LayerError for those that cannot be
    read.
    """
    others = [read_all(schema, [path_layer(path, secret=True) for path in paths]) for paths in (below, above)]
    documents = (*others[0], document, *others[1])
    prepared = prepare(schema, documents)
    problems = NO_PROBLEMS
    unchecked: tuple[str, ...] = ()
    try:
        validated(schema, documents, prepared)
    except InvalidSettings as error:
        problems = Problems(error.problems, error.total)
        if not (below or above):
            found = diagnose(schema, prepared, sys.maxsize).first
            unchecked = tuple(dotted(finding.path) for finding in found if _left_to_others(finding))
            mine = [finding for finding in found if not _left_to_others(finding)]
            problems = Problems(as_problems(schema, documents, mine[:MOST_PROBLEMS]), len(mine))
    if not document.text:
        why = "it is empty, and processes would take that for a failed write"
        hint = "if you mean it, write a comment into it"
        empty = Problem("", why, origin_of(document.layer), hint, "lost-content")
        problems = joined(problems, Problems((empty,), 1))
    private = [each for each in documents if each.layer.secret]
    exposed = secrets_in(schema, document, private)
    warnings = warnings_about(schema, documents, prepared).first
    own = tuple(warning for warning in warnings if warning.origin.layer == document.layer.name)
    return Verdict(problems, Problems(own, len(own)), exposed, unchecked)


def _left_to_others(finding: Finding) -> bool:
    """Whether another layer could still set the required key: not in an array, since layers replace arrays whole."""
    return finding.at == "missing" and not any(isinstance(part, int) for part in finding.path)
