"""Knows the secrets of a settings class, and masks them in texts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from threading import RLock

from msgspec import Struct
from msgspec.structs import replace

from .._layers.layer import Document
from .._schema.masking import MASK
from .._schema.schema import Schema
from ..errors import InvalidSettings, LayerError, Problem, Redacted
from .credentials import COMMON, credentials_in
from .exceptions import message_of, traceback_of, type_and_message, type_name_of
from .matching import Matcher, redact, spans
from .secrets import SecretText, default_secrets, secrets_in, secrets_of, writings

_LONGEST = 32 * 1024
"""Characters of a text that are shown. A longer text keeps half of them at its start and half at its end."""

_MOST = 10_000
_MUCH = 8 * 1024 * 1024
"""How many former secrets are remembered, and how many characters."""

_MOST_AT_ONCE = 20_000
_MUCH_AT_ONCE = 1024 * 1024
"""If the documents of one moment hold more secrets, or characters in them, no text is shown: a second's work."""

_MOST_MET = 100_000
"""The same for how often secrets are met: one value may be in very many places."""

_GENERATIONS = 5
"""Former secrets are remembered in so many parts. The oldest part is forgotten as a whole, which takes no time."""


class _Generation:
    """A part of the former secrets, learnt in a row, and the secrets that were live when the part began."""

    def __init__(self, names: frozenset[str]) -> None:
        self._matcher = Matcher(names)
        self._known: set[SecretText] = set()
        self._new: list[SecretText] = []
        self._size = 0

    def add(self, secrets: Iterable[SecretText]) -> None:
        new = [secret for secret in secrets if secret not in self._known]
        self._known.update(new)
        self._new += new
        self._size += sum(len(secret.text) for secret in new)

    def is_full(self, live: int, size: int) -> bool:
        """Whether it holds enough besides what is live: so many secrets, and so many characters in them."""
        return (len(self._known) - live) * _GENERATIONS > _MOST or (self._size - size) * _GENERATIONS > _MUCH

    def matcher(self) -> Matcher:
        for secret in self._new:
            for text in writings(secret.text):
                self._matcher.add_whole(text, secret.key)
            for credential in credentials_in(secret.text, secret.key) if secret.parts else ():
                for text in writings(credential):
                    self._matcher.add_part(text)
        self._new.clear()
        return self._matcher


class Redactor:
    """Masks the secrets of a settings class: those of its defaults, and those of all documents that it has learnt.

    It may be used from any thread. A new secret is prepared for matching only when the next text is redacted.

    Args:
        schema: The settings class.
        documents: What is known from the start.
    """

    def __init__(self, schema: Schema, documents: Iterable[Document] = ()) -> None:
        self.schema = schema
        self._keys = frozenset(schema.followed)
        names = {*COMMON, "hotsettings", schema.cls.__name__, *schema.cls.__module__.split(".")}
        self._names = frozenset(names | {part for leaf in (*schema.leaves, *schema.derived) for part in leaf.path})
        self._generations = [_Generation(self._names)]
        self._forgetting = False
        self._too_many = False
        self.lock = RLock()
        """Held while secrets are added or looked for, and during a fork."""
        self._defaults = tuple(default_secrets(schema))
        self.learn(documents)

    def learn(self, documents: Iterable[Document], settings: Struct | None = None) -> None:
        """Mask the secrets of these documents from now on, and those that ``settings`` hold.

        Former secrets are remembered, up to 10,000 or 8 MiB.
        """
        documents = tuple(documents)
        held = () if settings is None else secrets_in(self.schema, settings, documents)
        self._remember(chain(self._defaults, secrets_of(self.schema, documents), held))

    def _remember(self, secrets: Iterable[SecretText]) -> None:
        found: set[SecretText] = set()
        size = 0
        too_many = False
        for met, secret in enumerate(secrets, 1):
            if secret not in found:
                found.add(secret)
                size += len(secret.text)
            too_many = len(found) > _MOST_AT_ONCE or size > _MUCH_AT_ONCE or met > _MOST_MET
            if too_many:
                break  # the rest makes no difference: no text is shown
        with self.lock:
            self._too_many = too_many
            self._generations[-1].add(found)
            if self._generations[-1].is_full(len(found), size):
                self._generations.append(_Generation(self._names))
                self._generations[-1].add(found)
            if len(self._generations) > _GENERATIONS:
                del self._generations[0]
                self._warn_of_forgetting()

    def _warn_of_forgetting(self) -> None:
        if self._forgetting:
            return
        from .._log import logger  # slow to import

        self._forgetting = True
        logger.warning(
            "more than %d secrets or %d MiB of secrets are known: the oldest are no longer masked", _MOST, _MUCH >> 20
        )

    def redact(self, text: str) -> str:
        """Return a text with a mask in place of every secret. A text of more than 32 KiB loses its middle."""
        if len(text) > _LONGEST:
            half, out = _LONGEST // 2, len(text) - _LONGEST
            return f"{self.redact(text[:half])}\n... {out} characters left out ...\n{self.redact(text[-half:])}"
        with self.lock:
            if self._too_many:
                return f"{MASK} (there are too many secrets to look for)"
            return redact(text, self._matchers())

    def finds(self, text: str) -> bool:
        """Whether there is a secret in a text, however long it is."""
        with self.lock:
            return self._too_many or next(spans(text, self._matchers()), None) is not None

    def _matchers(self) -> list[Matcher]:
        return [generation.matcher() for generation in self._generations]

    def problem(self, problem: Problem) -> Problem:
        """Return a problem whose texts show no secret. Its key is a name where the class has it."""
        return replace(
            problem,
            key=problem.key if problem.key in self._keys else self.redact(problem.key),
            message=self.redact(problem.message),
            hint=self.redact(problem.hint),
            excerpt=() if any(map(self.finds, problem.excerpt)) else problem.excerpt,
        )

    def describe(self, error: BaseException) -> str:
        """An exception in one text, redacted: its type and what it says."""
        return self.redact(type_and_message(error))

    def trace(self, error: BaseException) -> str:
        """An exception with its traceback, redacted, for the log."""
        return self.redact(traceback_of(error))

    def redacted(self, error: BaseException) -> BaseException:
        """Return a stand-in for an exception that holds redacted texts, and no object of other code."""
        if type(error) is LayerError:
            return LayerError(map(self.problem, error.problems))
        if type(error) is InvalidSettings:
            return InvalidSettings(map(self.problem, error.problems), error.total, error.while_waiting)
        if type(error) is Redacted:
            return error
        return Redacted(self.redact(message_of(error)), self.redact(type_name_of(error)))
