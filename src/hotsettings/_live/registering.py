"""Registering functions for keys: ``on_change(function, "KEY")`` in a call, ``@on_change("KEY")`` as a decorator."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., object])


def registering(call: str, register: Callable[[Any, tuple[str, ...]], object], arguments: tuple[Any, ...]) -> Any:
    """Register a function for keys; given keys alone, return the decorator that does.

    Args:
        call: The name of the method, for errors.
        register: Registers a function for these keys, and returns its handle.
        arguments: What the method was called with: a function and keys, or keys alone.
    """
    at_once = bool(arguments) and not isinstance(arguments[0], str)
    keys = arguments[1:] if at_once else arguments
    for key in keys:
        if not isinstance(key, str):
            raise TypeError(
                f"{call}() takes keys as strings, not {type(key).__name__}; "
                f'a function comes first: {call}(function, "KEY"), or @{call}("KEY") above it'
            )
    if at_once:
        return register(_callable(call, arguments[0]), keys)

    def decorate(function: F) -> F:
        register(_callable(call, function), keys)
        return function

    return decorate


def _callable(call: str, function: Any) -> Any:
    if not callable(function):
        raise TypeError(f"{call}() takes a function, not {type(function).__name__}")
    return function


def is_async(function: Callable[..., object]) -> bool:
    """Whether a function is known to be async without calling it."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
