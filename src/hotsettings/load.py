"""Read, merge, decode: three layers become one settings object, or an error that explains all that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from .decode import decode
from .errors import SHOWN_PROBLEMS, InvalidSettings, LayerError, Problem, Problems
from .layers import Document, FileLayer, Uncollected, read
from .merge import Values, merge
from .problems import in_order, problems_in, tolerated
from .schema import Schema


class Loaded(Struct, frozen=True):
    """Settings together with what they were made from."""

    schema: Schema
    documents: tuple[Document, ...]
    """In rising precedence."""
    settings: Any
    pending: frozenset[str] = frozenset()
    """Keys that the documents say differently than ``settings``, since only a restart can apply them."""


def load(schema: Schema, layers: Sequence[FileLayer]) -> Loaded:
    """Load layers given in rising precedence. Raises LayerError or InvalidSettings."""
    documents = read_all(layers)
    return Loaded(schema, documents, assemble(schema, documents))


def read_all(layers: Sequence[FileLayer]) -> tuple[Document, ...]:
    """Read every layer. Raises one LayerError for all that fail."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for layer in layers:
        try:
            documents.append(read(layer))
        except LayerError as error:
            problems += error.problems
    if problems:
        raise LayerError(in_order(problems))
    return tuple(documents)


def assemble(schema: Schema, documents: Sequence[Document]) -> Any:
    """Merge and decode documents. Raises InvalidSettings."""
    with uncollected(documents):
        settings = validated(schema, documents, merge([document.values for document in documents]))
    if schema.tolerant and any(not document.values.keys() <= schema.keys for document in documents):
        _warn(tolerated(schema, documents))
    return settings


def uncollected(documents: Sequence[Document]) -> Uncollected:
    """Pause the garbage collector while these are merged and decoded, if they are large."""
    return Uncollected(sum([len(document.text) for document in documents]))


def validated(schema: Schema, documents: Sequence[Document], values: Values) -> Any:
    """Decode values that were merged from these documents. Raises InvalidSettings."""
    try:
        settings = decode(schema, values)
    except Exception:  # whatever it is: the examination meets it again, and its text may hold secrets
        settings = None
    if settings is None:
        problems = problems_in(schema, documents, values)
        raise InvalidSettings(problems.first, problems.total)
    return settings


def _warn(problems: Problems) -> None:
    from .log import logger  # slow to import, and only a tolerant class with something to tolerate needs it

    for problem in problems.first[:SHOWN_PROBLEMS]:
        logger.warning("%s", problem)
    if problems.total > SHOWN_PROBLEMS:
        logger.warning("%d more unknown keys, ignored", problems.total - SHOWN_PROBLEMS)
