"""Knows the secrets of a settings class, and masks them in texts."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock

from msgspec import Struct
from msgspec.structs import replace

from ..errors import InvalidSettings, LayerError, Problem
from ..layers import Document
from ..schema import Schema
from ..secrecy import MASK
from .credentials import COMMON, credentials_in
from .exceptions import Redacted, message_of, traceback_of, type_and_message, type_name_of
from .matching import Matcher
from .secrets import SecretText, default_secrets, quotings, secrets_in, secrets_of

_LONGEST = 32 * 1024
"""Characters of a text that are shown. A longer text keeps half of them at its start and half at its end."""

_MOST = 10_000
_MUCH = 8 * 1024 * 1024
"""How many secrets are remembered, former ones included, and how many characters."""

_MOST_AT_ONCE = 20_000
_MUCH_AT_ONCE = 1024 * 1024
"""If the documents of one moment hold more secrets, or characters in them, no text is shown: half a second's work."""

_KEPT = 0.9
"""When there are too many, the oldest are forgotten down to this fraction: forgetting rebuilds the matcher."""


class Redactor:
    """Masks the secrets of a settings class: those of its defaults, and those of all documents that it has learnt.

    It may be used from any thread. A new secret is prepared for matching only when the next text is redacted.

    Args:
        schema: The settings class.
        documents: Documents whose secrets are known from the start.
    """

    def __init__(self, schema: Schema, documents: Iterable[Document] = ()) -> None:
        self.schema = schema
        self._keys = frozenset(leaf.key for leaf in schema.leaves)
        names = {*COMMON, schema.cls.__name__, *schema.cls.__module__.split(".")}
        self._names = names | {part for leaf in schema.leaves for part in leaf.path}
        self._known: dict[SecretText, None] = {}
        self._size = 0
        self._new: list[SecretText] = []
        self._matcher = Matcher(self._names)
        self._forgetting = False
        self._too_many = False
        self._lock = Lock()
        self._remember(default_secrets(schema))
        self.learn(documents)

    def learn(self, documents: Iterable[Document], settings: Struct | None = None) -> None:
        """Mask the secrets of these documents from now on too, and those in ``settings``.

        Former secrets are remembered, up to 10,000 or 8 MiB.
        """
        held = () if settings is None else secrets_in(self.schema, settings)
        self._remember((*secrets_of(self.schema, documents), *held))

    def _remember(self, secrets: Iterable[SecretText]) -> None:
        found = dict.fromkeys(secrets)
        with self._lock:
            self._too_many = len(found) > _MOST_AT_ONCE or sum(len(each.text) for each in found) > _MUCH_AT_ONCE
            for secret in found:
                if secret in self._known:
                    del self._known[secret]
                else:
                    self._size += len(secret.text)
                    self._new.append(secret)
                self._known[secret] = None  # the newest are the last
            if len(self._known) > _MOST or self._size > _MUCH:
                self._forget(keep=len(found))

    def _forget(self, keep: int) -> None:
        """Forget the oldest secrets, but none of the newest ``keep``."""
        oldest = list(self._known)[: len(self._known) - keep]
        for secret in oldest:
            if len(self._known) <= _KEPT * _MOST and self._size <= _KEPT * _MUCH:
                break
            del self._known[secret]
            self._size -= len(secret.text)
        self._matcher, self._new = Matcher(self._names), list(self._known)
        if oldest and not self._forgetting:
            from ..log import logger  # slow to import

            self._forgetting = True
            logger.warning(
                "more than %d secrets or %d MiB of secrets are known: the oldest are no longer masked",
                _MOST,
                _MUCH >> 20,
            )

    def redact(self, text: str) -> str:
        """Return a text with every secret masked. A text of more than 32 KiB loses its middle."""
        if len(text) > _LONGEST:
            half, out = _LONGEST // 2, len(text) - _LONGEST
            return f"{self.redact(text[:half])}\n... {out} characters left out ...\n{self.redact(text[-half:])}"
        with self._lock:
            if self._too_many:
                return f"{MASK} (there are too many secrets to look for)"
            return self._whole_matcher().redact(text)

    def finds(self, text: str) -> bool:
        """Whether there is a secret in a text, however long it is."""
        with self._lock:
            return self._too_many or next(self._whole_matcher().spans(text), None) is not None

    def _whole_matcher(self) -> Matcher:
        for secret in self._new:
            for text in quotings(secret.text):
                self._matcher.add_whole(text, secret.key)
            for credential in credentials_in(secret.text) if secret.parts else ():
                for text in quotings(credential):
                    self._matcher.add_part(text)
        self._new.clear()
        return self._matcher

    def problem(self, problem: Problem) -> Problem:
        """Return a problem whose texts show no secret. A key that the class has is only a name, and stays."""
        return replace(
            problem,
            key=problem.key if problem.key in self._keys else self.redact(problem.key),
            message=self.redact(problem.message),
            hint=self.redact(problem.hint),
            excerpt=() if any(map(self.finds, problem.excerpt)) else problem.excerpt,
        )

    def describe(self, error: BaseException) -> str:
        """Return the type and the redacted message of an exception."""
        return self.redact(type_and_message(error))

    def trace(self, error: BaseException) -> str:
        """Return an exception with its traceback, redacted, for the log."""
        return self.redact(traceback_of(error))

    def redacted(self, error: BaseException) -> BaseException:
        """Return an exception that can be kept: redacted, and without any object of other code."""
        if type(error) is LayerError or type(error) is InvalidSettings:
            return type(error)(map(self.problem, error.problems))
        return error if type(error) is Redacted else Redacted(self.redact(message_of(error)), type_name_of(error))
