"""Read, merge, decode: layers become one settings object, or one error with all problems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, ValidationError

from .._boundary import guarded, unforeseen
from .._layers.folder import FolderDocument
from .._layers.layer import CollectorPaused, Document, Layer, Unreadable, origin_of
from .._layers.toml.keys import Path, Values
from .._schema.schema import Schema
from ..errors import MOST_PROBLEMS, NOWHERE, SHOWN_PROBLEMS, InvalidSettings, Origin, Problem, Problems
from .decode import decode
from .documents import read
from .merge import merge

if TYPE_CHECKING:
    from .._redaction import Redactor

_FICKLE = "a rule of the class rejected these values, but accepted them when they were checked again"


class Loaded(Struct, frozen=True):
    """Settings together with what they were made from."""

    schema: Schema
    documents: tuple[Document, ...]
    """In rising precedence."""
    settings: Any
    pending: frozenset[str] = frozenset()
    """Keys whose new value in the documents waits for a restart. ``settings`` has the old one."""
    hidden: frozenset[Path] = frozenset()
    """Leaves of pending keys whose live value came from a secret layer when the process started. It may be in no document any more."""


def load(schema: Schema, layers: Sequence[Layer]) -> Loaded:
    """Load layers given in rising precedence. Raises LayerError, InvalidSettings or UnforeseenError."""
    return guarded([origin_of(layer) for layer in layers], _load, schema, layers)


def _load(schema: Schema, layers: Sequence[Layer]) -> Loaded:
    with CollectorPaused() as collector:
        documents = read_all(schema, layers, collector)
        if any(isinstance(document, FolderDocument) and document.ignored for document in documents):
            _warn(ignored(documents))
        return Loaded(schema, documents, assemble(schema, documents))


def read_all(schema: Schema, layers: Sequence[Layer], collector: CollectorPaused | None = None) -> tuple[Document, ...]:
    """Read every layer. Raises one LayerError for all unreadable layers, or UnforeseenError."""
    return documents_or_error(schema, [read(schema, layer, collector) for layer in layers])


def ignored(documents: Sequence[Document]) -> Problems:
    """Return a warning for each file in a folder that is named after no key."""
    found = [problem for each in documents if isinstance(each, FolderDocument) for problem in each.ignored]
    return Problems(tuple(found[:MOST_PROBLEMS]), len(found))


def documents_or_error(
    schema: Schema, parts: Sequence[Document | Unreadable], redactor: Redactor | None = None
) -> tuple[Document, ...]:
    """Return the documents, if all layers could be read and parsed. Raises one LayerError for those that could not."""
    documents = tuple(part for part in parts if isinstance(part, Document))
    if len(documents) == len(parts):
        return documents
    from .._redaction import Redactor  # only errors need these two
    from .problems import layer_error

    raise layer_error(parts, redactor or Redactor(schema))


def assemble(schema: Schema, documents: Sequence[Document], redactor: Redactor | None = None) -> Any:
    """Merge and decode documents. Raises InvalidSettings or UnforeseenError."""
    return guarded(_origins(documents), _assembled, schema, documents, redactor)


def _assembled(schema: Schema, documents: Sequence[Document], redactor: Redactor | None) -> Any:
    with collector_paused(documents):
        settings = validated(schema, documents, merge([document.values for document in documents]), redactor)
    if schema.tolerant and any(not document.values.keys() <= schema.keys for document in documents):
        from .problems import tolerated

        _warn(tolerated(schema, documents))
    return settings


def validated(schema: Schema, documents: Sequence[Document], values: Values, redactor: Redactor | None = None) -> Any:
    """Decode values that were merged from these documents. Raises InvalidSettings or UnforeseenError."""
    return guarded(_origins(documents), _validated, schema, documents, values, redactor)


def _validated(schema: Schema, documents: Sequence[Document], values: Values, redactor: Redactor | None) -> Any:
    decoding = schema.decoding()
    try:
        return decode(schema, values, decoding)
    except ValidationError:  # its text may hold secrets; diagnosis finds the mistakes again
        failure: BaseException = InvalidSettings([Problem("", _FICKLE, NOWHERE, code="rule")])
    except KeyboardInterrupt:
        raise
    except Exception as error:  # a __post_init__ of the user, or a fault in this package
        failure = unforeseen(error, _origins(documents))
    except (
        BaseException
    ) as error:  # a rule has called sys.exit, or else the handler of a signal, which must end the process
        failure = error
    from .problems import problems_in

    problems = problems_in(schema, documents, values, redactor, decoding)
    if problems.total:
        failure = InvalidSettings(problems.first, problems.total)
    raise failure


def _origins(documents: Sequence[Document]) -> list[Origin]:
    return [origin_of(document.layer) for document in documents]


def collector_paused(documents: Sequence[Document]) -> CollectorPaused:
    """Pause the garbage collector while documents are merged and decoded, if they are large."""
    return CollectorPaused(sum([len(document.text) for document in documents]))


def _warn(problems: Problems) -> None:
    from .._log import logger  # slow to import, and only a tolerant class with something to tolerate needs it

    for problem in problems.first[:SHOWN_PROBLEMS]:
        logger.warning("%s", problem)
    if problems.total > SHOWN_PROBLEMS:
        logger.warning("%d more unknown keys, ignored", problems.total - SHOWN_PROBLEMS)
