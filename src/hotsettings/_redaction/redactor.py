"""Knows the secrets of a settings class, and redacts texts of them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from threading import Lock

from msgspec import Struct
from msgspec.structs import replace

from ..errors import InvalidSettings, LayerError, Problem
from ..layers import Document
from ..schema import Schema
from ..secrecy import MASK
from .credentials import COMMON, credentials_in
from .exceptions import Redacted, described, kind_of, said, traced
from .matching import Matcher
from .secrets import SecretText, default_secrets, quotings, secrets_in, secrets_of

_LONGEST = 32 * 1024
"""Characters of a text that are shown; of a longer one, the first and the last half of that."""

_MOST = 10_000
_MUCH = 8 * 1024 * 1024
"""Former secrets, and characters in them, that are remembered."""

_MOST_AT_ONCE = 20_000
_MUCH_AT_ONCE = 1024 * 1024
"""Secrets of one moment, and characters in them, beyond which nothing of any text is shown: half a second's work."""

_MOST_MET = 200_000
"""The same for how often secrets are met: one value may stand in very many places."""

_KEPT = 0.9
"""The part of these that is kept when there are more, so that the oldest are forgotten many at a time."""


class Redactor:
    """Redacts texts of the secrets of a settings class: of its defaults, and of all documents that it has been given.

    It may be used from any thread. What a secret costs, it costs when a text is redacted for the first time after it came.

    Args:
        schema: The settings class.
        documents: What is known from the start.
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
        """Redact the secrets of these documents from now on too, and those that ``settings`` hold.

        Former ones are remembered, up to 10,000 or 8 MiB.
        """
        held = () if settings is None else secrets_in(self.schema, settings)
        self._remember(chain(secrets_of(self.schema, documents), held))

    def _remember(self, secrets: Iterable[SecretText]) -> None:
        found: dict[SecretText, None] = {}
        size = met = 0
        for secret in secrets:
            met += 1
            if secret not in found:
                found[secret] = None
                size += len(secret.text)
            if len(found) > _MOST_AT_ONCE or size > _MUCH_AT_ONCE or met > _MOST_MET:
                break  # the rest makes no difference: no text is shown
        with self._lock:
            self._too_many = len(found) > _MOST_AT_ONCE or size > _MUCH_AT_ONCE or met > _MOST_MET
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
        """Forget the oldest, but none of the newest that are to be kept."""
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
                "there were more than %d secrets, or %d MiB of them: the oldest are not masked any more",
                _MOST,
                _MUCH >> 20,
            )

    def redact(self, text: str) -> str:
        """Return a text with a mask in place of every secret. Of one longer than 32 KiB the middle is left out."""
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
        return self.redact(described(error))

    def trace(self, error: BaseException) -> str:
        """An exception with its traceback, redacted, for the log."""
        return self.redact(traced(error))

    def redacted(self, error: BaseException) -> BaseException:
        """Return what stands for an exception: redacted texts, and no object of somebody else's."""
        if type(error) is LayerError or type(error) is InvalidSettings:
            return type(error)(map(self.problem, error.problems))
        return error if type(error) is Redacted else Redacted(self.redact(said(error)), kind_of(error))
