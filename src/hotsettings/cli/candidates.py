"""A document that may be published: whether it is good, and in what it differs from another one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from .._layers.file import FileLayer, fetch
from .._layers.layer import Document, Layer, parse
from .._layers.toml.keys import ABSENT, Path, Values, dotted, follow
from .._live.snapshot import same
from .._loading.diagnose import Finding, diagnose
from .._loading.explain import Setting, masked
from .._loading.load import read_all, readable, validated
from .._loading.merge import merge
from .._loading.problems import as_problems, tolerated
from .._schema.masking import HIDDEN
from .._schema.schema import Leaf, Schema
from ..errors import MOST_PROBLEMS, NO_PROBLEMS, InvalidSettings, Problem, Problems
from .showing import Change
from .warnings import secrets_in


class Candidate(Struct, frozen=True):
    """A document together with its bytes."""

    document: Document
    data: bytes


class Verdict(Struct, frozen=True):
    """What is wrong with a document, and what is unwise.

    ``exposed`` are its keys that are Secret. ``unchecked`` are required keys that it leaves to other layers: without them no
    rule across keys could be checked.
    """

    problems: Problems
    warnings: Problems
    exposed: tuple[Problem, ...]
    unchecked: tuple[str, ...]


def from_file(schema: Schema, path: str) -> Candidate:
    """Read a file. Raises LayerError."""
    layer = FileLayer(path)
    data = fetch(layer) or b""
    return Candidate(_parsed(schema, layer, data), data)


def from_store(schema: Schema, label: str, revision: int, data: bytes | None) -> Candidate:
    """Parse what is under a key. Raises LayerError."""
    layer = Layer(name="store", label=label, revision=revision or None)
    document = Document(layer, "", {}, missing=True) if data is None else _parsed(schema, layer, data)
    return Candidate(document, data or b"")


def _parsed(schema: Schema, layer: Layer, data: bytes) -> Document:
    [document] = readable(schema, [parse(layer, data)])
    return document


def judge(schema: Schema, candidate: Document, below: Sequence[str], above: Sequence[str]) -> Verdict:
    """Validate a document among the files below and above it. If none is named, keys left to others are no problem.

    Nothing of the other files is shown: they may hold secrets. Raises LayerError for those that cannot be read.
    """
    others = [read_all(schema, [FileLayer(path, secret=True) for path in paths]) for paths in (below, above)]
    documents = (*others[0], candidate, *others[1])
    values = merge(document.values for document in documents)
    problems = NO_PROBLEMS
    unchecked: tuple[str, ...] = ()
    try:
        validated(schema, documents, values)
    except InvalidSettings as error:
        problems = Problems(error.problems, error.total)
        if not (below or above):
            found = diagnose(schema, values, sys.maxsize).first
            unchecked = tuple(dotted(finding.path) for finding in found if _left_to_others(finding))
            own = [finding for finding in found if not _left_to_others(finding)]
            problems = Problems(as_problems(schema, documents, own[:MOST_PROBLEMS]), len(own))
    if not candidate.text:
        why = "it is empty, which a process takes for a loss"
        empty = Problem("", why, candidate.layer.origin(), "if it is meant, a comment is enough", "lost-content")
        problems = Problems((*problems.first, empty), problems.total + 1)
    private = [document for document in documents if document.layer.secret]
    exposed = tuple(secrets_in(schema, candidate, private))
    return Verdict(problems, tolerated(schema, [candidate]), exposed, unchecked)


def _left_to_others(finding: Finding) -> bool:
    """Whether another layer could still set the required key: not in an array, since layers replace arrays whole."""
    return finding.at == "missing" and not any(isinstance(part, int) for part in finding.path)


def differences(schema: Schema, old: Document, new: Document) -> list[Change]:
    """What two documents say differently, in the order of the class; what the class does not know comes last, masked."""
    leaves = [*schema.leaves, *_unknown(schema, old, new)]
    pairs = [(leaf, follow(old.values, leaf.path), follow(new.values, leaf.path)) for leaf in leaves]
    differing = [leaf for leaf, before, after in pairs if not _alike(before, after)]
    sides = (_said(schema, document, differing) for document in (old, new))
    return [Change(before, after) for before, after in zip(*sides, strict=True)]


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(item, other[key]) for key, item in one.items())
    return same(one, other)


def _said(schema: Schema, document: Document, leaves: Sequence[Leaf]) -> Iterator[Setting]:
    places = document.locate([leaf.path for leaf in leaves])
    for leaf in leaves:
        value = follow(document.values, leaf.path)
        place = places.get(leaf.path)
        origin = document.origin(place.value[0]) if place else document.layer.origin()
        shown = None if value is ABSENT else HIDDEN if leaf.secret else masked(schema, leaf.path, value)
        yield Setting(leaf, shown, origin)


def _unknown(schema: Schema, *documents: Document) -> list[Leaf]:
    """Stand-ins for keys that the class does not know. They may be misspelt secrets, so their values are not shown."""
    paths = dict.fromkeys(path for document in documents for path in _unknown_paths(schema, document.values, ()))
    return [Leaf(path, (), None, (), secret=True, restart=False, section="", description="") for path in paths]


def _unknown_paths(schema: Schema, values: Values, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        path = (*above, key)
        known: Path = path
        if schema.leaf_of(known) is not None:
            continue
        if isinstance(value, dict) and schema.leaves_below(path):
            yield from _unknown_paths(schema, value, path)
        else:
            yield path
