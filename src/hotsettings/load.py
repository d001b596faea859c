"""Read, merge, decode: three layers become one settings object, or an error that explains all that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, ValidationError

from .boundary import guarded, unforeseen
from .decode import decode
from .errors import InvalidSettings, LayerError, Origin, Problem, SettingsError
from .layers import Document, FileLayer, read
from .merge import Values, merge
from .problems import MOST_PROBLEMS, in_order, problems_in, tolerated
from .schema import Schema

_FICKLE = "a rule refused these values, and took them when they were examined"


class Loaded(Struct, frozen=True):
    """Settings together with what they were made from."""

    schema: Schema
    documents: tuple[Document, ...]
    """In rising precedence."""
    settings: Any
    pending: frozenset[str] = frozenset()
    """Keys that the documents say differently than ``settings``, since only a restart can apply them."""


def load(schema: Schema, layers: Sequence[FileLayer]) -> Loaded:
    """Load layers given in rising precedence. Raises LayerError, InvalidSettings or UnforeseenError."""
    return guarded([layer.origin() for layer in layers], _load, schema, layers)


def _load(schema: Schema, layers: Sequence[FileLayer]) -> Loaded:
    documents = read_all(layers)
    return Loaded(schema, documents, assemble(schema, documents))


def read_all(layers: Sequence[FileLayer]) -> tuple[Document, ...]:
    """Read every layer. Raises one LayerError for all that fail, or an UnforeseenError for the first that fails in such a way."""
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
    """Merge and decode documents. Raises InvalidSettings or UnforeseenError."""
    return guarded(_origins(documents), _assembled, schema, documents)


def _assembled(schema: Schema, documents: Sequence[Document]) -> Any:
    settings = validated(schema, documents, merge([document.values for document in documents]))
    if schema.tolerant and any(not document.values.keys() <= schema.keys for document in documents):
        _warn(tolerated(schema, documents))
    return settings


def validated(schema: Schema, documents: Sequence[Document], values: Values) -> Any:
    """Decode values that were merged from these documents. Raises InvalidSettings or UnforeseenError."""
    return guarded(_origins(documents), _validated, schema, documents, values)


def _validated(schema: Schema, documents: Sequence[Document], values: Values) -> Any:
    try:
        return decode(schema, values)
    except ValidationError:  # the examination meets it again, and its text may hold secrets
        failure: SettingsError = InvalidSettings([Problem("", _FICKLE, Origin(""))])
    except Exception as error:  # what a rule of the user's has raised, or else nobody foresaw
        failure = unforeseen(error, _origins(documents))
    if problems := problems_in(schema, documents, values):
        failure = InvalidSettings(problems)
    raise failure


def _origins(documents: Sequence[Document]) -> list[Origin]:
    return [document.layer.origin() for document in documents]


def _warn(problems: Sequence[Problem]) -> None:
    from .log import logger  # slow to import, and only a tolerant class with something to tolerate needs it

    for problem in problems[:MOST_PROBLEMS]:
        logger.warning("%s", problem)
    if len(problems) > MOST_PROBLEMS:
        logger.warning("more unknown keys than the %d reported here", MOST_PROBLEMS)
