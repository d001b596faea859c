"""Read, merge, decode: layers become one settings object, or one error with all problems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, ValidationError
from msgspec.structs import replace

from .._boundary import guarded, unforeseen
from .._layers.folder import FolderDocument
from .._layers.layer import CollectorPaused, Document, Layer, Unreadable, origin_of
from .._layers.toml.keys import ABSENT, Path
from .._schema.schema import Schema
from ..errors import MOST_PROBLEMS, NO_PROBLEMS, NOWHERE, SHOWN_PROBLEMS, InvalidSettings, Origin, Problem, Problems
from .decode import decode
from .documents import read
from .prepare import Prepared, prepare, refused_by_checks, underivable

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
    """Leaves of pending keys whose live value came from a secret layer when the process started.

    That value may be in no document any more, so only this says that it is secret."""
    warnings: Problems = NO_PROBLEMS
    """What should be changed in the documents."""

    @property
    def unwritten(self) -> Any:
        """The settings, if they may hold secrets that are not written in the documents; else None."""
        return self.settings if self.pending or self.schema.makes_secrets else None


def load(schema: Schema, layers: Sequence[Layer]) -> Loaded:
    """Load layers given in rising precedence. Raises LayerError, InvalidSettings or UnforeseenError."""
    return guarded([origin_of(layer) for layer in layers], _load, schema, layers)


def _load(schema: Schema, layers: Sequence[Layer]) -> Loaded:
    with CollectorPaused() as collector:
        documents = read_all(schema, layers, collector)
        if any(isinstance(document, FolderDocument) and document.ignored for document in documents):
            log_warnings(ignored(documents))
        loaded = assemble(schema, documents)
    log_warnings(loaded.warnings)
    return loaded


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
    parts = present(schema, parts)
    documents = tuple(part for part in parts if isinstance(part, Document))
    if len(documents) == len(parts):
        return documents
    from .._redaction import Redactor  # only errors need these two
    from .problems import layer_error

    raise layer_error(parts, redactor or Redactor(schema))


def present(schema: Schema, parts: Sequence[Document | Unreadable]) -> Sequence[Document | Unreadable]:
    """Return layers in which renamed fields have their present keys, whichever key a layer uses."""
    if not schema.is_renamed:
        return parts
    from .former_keys import with_present_keys  # few classes have a renamed field

    return list(with_present_keys(schema, parts))


def assemble(
    schema: Schema, documents: Sequence[Document], redactor: Redactor | None = None, base: Struct | None = None
) -> Loaded:
    """Merge and decode documents, over ``base`` if that is given. Raises InvalidSettings or UnforeseenError."""
    return guarded(_origins(documents), _assembled, schema, documents, redactor, base)


def _assembled(schema: Schema, documents: Sequence[Document], redactor: Redactor | None, base: Struct | None) -> Loaded:
    with collector_paused(documents):
        prepared = prepare(schema, documents, base)
        settings = validated(schema, documents, prepared, redactor)
    return Loaded(schema, tuple(documents), settings, warnings=warnings_about(schema, documents, prepared))


def warnings_about(schema: Schema, documents: Sequence[Document], prepared: Prepared) -> Problems:
    """Return what is no mistake in the documents, but should be changed."""
    if not (prepared.ignored or prepared.deprecated or any(document.former for document in documents)):
        return NO_PROBLEMS
    from .problems import warnings_in

    return warnings_in(schema, documents, prepared)


def validated(
    schema: Schema, documents: Sequence[Document], prepared: Prepared, redactor: Redactor | None = None
) -> Any:
    """Decode values that were merged from these documents. Raises InvalidSettings or UnforeseenError."""
    return guarded(_origins(documents), _validated, schema, documents, prepared, redactor)


def _validated(schema: Schema, documents: Sequence[Document], prepared: Prepared, redactor: Redactor | None) -> Any:
    settings: Any = ABSENT
    decoding = schema.decoding()
    failure: BaseException = InvalidSettings([Problem("", _FICKLE, NOWHERE, code="rule")])
    try:
        if prepared.is_sound:
            settings = decode(schema, prepared.values, decoding)
    except ValidationError:  # its text may hold secrets; diagnosis finds the mistakes again
        pass
    except KeyboardInterrupt:
        raise
    except Exception as error:  # a __post_init__ of the user, or a fault in this package
        failure = unforeseen(error, _origins(documents))
    except BaseException as error:
        # A rule has called sys.exit, and diagnosis finds it. If not, the handler of a signal has, to end the process.
        failure = error
    refused = list(refused_by_checks(schema, prepared, settings, decoding)) if prepared.to_check else []
    if settings is not ABSENT and schema.derived:
        refused += underivable(schema, settings)
    if settings is not ABSENT and not refused:
        return settings
    from .problems import problems_in

    problems = problems_in(schema, documents, prepared, refused, settings, redactor, decoding)
    if problems.total:
        failure = InvalidSettings(problems.first, problems.total)
    raise failure


def _origins(documents: Sequence[Document]) -> list[Origin]:
    return [origin_of(document.layer) for document in documents]


def collector_paused(documents: Sequence[Document]) -> CollectorPaused:
    """Pause the garbage collector while documents are merged and decoded, if they are large."""
    return CollectorPaused(sum([len(document.text) for document in documents]))


def log_warnings(warnings: Problems, before: Problems = NO_PROBLEMS) -> None:
    """Log what should be changed in the documents, except for what was logged before."""
    known = {_without_line(problem) for problem in before.first}
    new = [problem for problem in warnings.first if _without_line(problem) not in known]
    if not new:
        return
    from .._log import logger  # slow to import, and few loads have something to warn of

    for problem in new[:SHOWN_PROBLEMS]:
        logger.warning("%s", problem)
    if (more := len(new[SHOWN_PROBLEMS:]) + warnings.total - len(warnings.first)) > 0:
        logger.warning("%d more warnings", more)


def _without_line(problem: Problem) -> Problem:
    """Return a problem without its line, which other edits move."""
    return replace(problem, origin=Origin(problem.origin.layer, problem.origin.file))
