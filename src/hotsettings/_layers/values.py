"""A layer of values that the program has by other means than files."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Any

from msgspec.structs import force_setattr

from .layer import Layer


class ValuesLayer(Layer, frozen=True):
    """Values that the program has: ``ValuesLayer({"db": {"port": 5432}}, name="command line")``.

    They are copied, so nobody can change them afterwards.

    Attributes:
        values: Keys and their values, as ``from_values`` takes them. Tables are dicts. None is a value: leave out what
            was not given.
        name: How errors, ``status.layers`` and ``explain`` name the layer.
        secret: Whether nothing in the layer may be shown. By default it may.
    """

    __module__ = "hotsettings"

    values: Mapping[str, Any]

    def __post_init__(self) -> None:
        given: Any = self.values
        if not isinstance(given, Mapping):
            raise TypeError(f"values is a mapping of keys to values, not {type(given).__qualname__}")
        for key in map(type, self.values):
            if not issubclass(key, str):
                raise TypeError(f"a key of values is a str, not {key.__qualname__}")
        force_setattr(self, "values", _frozen(self.values))
        force_setattr(self, "label", "")
        force_setattr(self, "name", self.name or "values given in code")

    def __repr__(self) -> str:
        return f"ValuesLayer(name={self.name!r}, secret={self.secret})"

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        yield "name", self.name
        yield "secret", self.secret


def _frozen(value: Any) -> Any:
    """Return a copy that nobody can change."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    try:
        return deepcopy(value)
    except Exception:  # it cannot be copied, and so is no value of settings: loading says that with its key
        return value


def thawed(value: Any) -> Any:
    """Return frozen values as dicts and lists."""
    if isinstance(value, MappingProxyType):
        return {key: thawed(item) for key, item in value.items()}
    return list(map(thawed, value)) if isinstance(value, tuple) else value
