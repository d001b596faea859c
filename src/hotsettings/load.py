"""Read, merge, decode: three layers become one settings object, or an error that explains all that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from .decode import decode
from .errors import InvalidSettings, LayerError, Problem
from .layers import Document, FileLayer, read
from .merge import Values, merge
from .problems import MOST_PROBLEMS, in_order, problems_in, tolerated
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
    settings = validated(schema, documents, merge([document.values for document in documents]))
    if schema.tolerant and any(not document.values.keys() <= schema.keys for document in documents):
        _warn(tolerated(schema, documents))
    return settings


def validated(schema: Schema, documents: Sequence[Document], values: Values) -> Any:
    """Decode values that were merged from these documents. Raises InvalidSettings."""
    try:
        settings = decode(schema, values)
    except Exception:  # whatever it is: the examination meets it again, and its text may hold secrets
        settings = None
    if settings is None:
        raise InvalidSettings(problems_in(schema, documents, values))
    return settings


def _warn(problems: Sequence[Problem]) -> None:
    from .log import logger  # slow to import, and only a tolerant class with something to tolerate needs it

    for problem in problems[:MOST_PROBLEMS]:
        logger.warning("%s", problem)
    if len(problems) > MOST_PROBLEMS:
        logger.warning("more unknown keys than the %d reported here", MOST_PROBLEMS)
