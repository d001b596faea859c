"""Values that follow from settings: worked out once for each snapshot, and followed like a key of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar, get_type_hints, overload

from .frozen import freeze

S = TypeVar("S")
T = TypeVar("T")


def derived(*keys: str) -> Callable[[Callable[[S], T]], Derived[S, T]]:
    """Make a method a read-only property that depends on these keys.

    Subscribers follow it by its name, and ``show`` and ``explain`` show it. It is worked out when settings are loaded, and
    what the method raises is a problem. It is no setting: no layer can set it, and no encoding has it.

    Args:
        keys: Keys or patterns, as ``changes`` takes them: ``"MONGO_*"``, ``"db"``. The value must depend on no other ones.

    Raises:
        TypeError: When the class is defined, if a pattern matches no key.
    """
    if not keys or callable(keys[0]):
        raise TypeError('derived names the keys that the value depends on: @derived("MONGO_*")')
    return lambda function: Derived(function, keys)


class Derived(Generic[S, T]):
    """The property that `derived` makes."""

    def __init__(self, function: Callable[[S], T], patterns: tuple[str, ...]) -> None:
        self.function = function
        self.patterns = patterns
        self.name = function.__name__
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, settings: None, cls: type) -> Derived[S, T]: ...
    @overload
    def __get__(self, settings: Any, cls: type) -> T: ...
    def __get__(self, settings: Any, cls: type) -> Derived[S, T] | T:
        if settings is None:
            return self
        # Settings that were restored of a pickle, or not made by loading: Python asks here only for what they do not have.
        value: T = self._worked_out(settings)
        settings.__dict__[self.name] = value
        return value

    if TYPE_CHECKING:  # settings are frozen, so nothing can be assigned

        def __set__(self, settings: Any, value: Never) -> None: ...

    @property
    def annotation(self) -> Any:
        """What the method says that it returns."""
        try:
            return get_type_hints(self.function, include_extras=True).get("return", Any)
        except NameError:  # a name that only type checkers know
            return Any

    def _worked_out(self, settings: Any) -> Any:
        value = freeze(self.function(settings))
        try:
            hash(value)
        except TypeError:
            kind = type(value).__name__
        else:
            return value
        raise TypeError(f"a derived value must be immutable, and {kind} is not")


def derived_in(cls: type) -> list[Derived[Any, Any]]:
    """The derived properties of a class, those of its bases first."""
    names = dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base))
    return [found for name in names if isinstance(found := getattr(cls, name, None), Derived)]
