"""What the body of a settings class says: nothing in it is ignored silently."""

from __future__ import annotations

import enum
import typing
from collections.abc import Mapping
from types import FrameType, ModuleType
from typing import Any, Final

from msgspec import Struct, StructMeta

_OF_OTHER_LIBRARIES: Final = {
    "model_config": "options stand in the class line: class {name}(BaseSettings, forbid_unknown_fields=False)",
    "Config": "options stand in the class line: class {name}(BaseSettings, forbid_unknown_fields=False)",
    "Meta": "options stand in the class line: class {name}(BaseSettings, forbid_unknown_fields=False)",
}
_NO_VALUES: Final = (type, ModuleType, typing.TypeVar, typing.NewType, getattr(typing, "TypeAliasType", ()))
_CO_OPTIMIZED: Final = 1
"""A flag of the code of functions, which the body of a class does not have."""


class Body(dict[str, Any]):
    """The names in the body of a settings class while it runs."""


def in_body(frame: FrameType) -> bool:
    """Whether a frame is that of the body of a settings class."""
    return not frame.f_code.co_flags & _CO_OPTIMIZED and isinstance(frame.f_locals, Body)


def refuse_ignored(cls: StructMeta, body: Mapping[str, Any]) -> None:
    """Raise TypeError, naming the attribute and the way out, for what nobody would take notice of."""
    try:
        annotated = cls.__annotations__
    except NameError:  # from Python 3.14 on, where a class in them comes later in the module
        return
    for attribute, value in body.items():
        label = f"{cls.__name__}.{attribute}"
        if attribute.startswith("_") or (attribute in annotated and attribute in cls.__struct_fields__):
            continue
        if attribute in _OF_OTHER_LIBRARIES and not (isinstance(value, type) and issubclass(value, Struct | enum.Enum)):
            raise TypeError(f"{label} is ignored; {_OF_OTHER_LIBRARIES[attribute].format(name=cls.__name__)}")
        if type(value).__name__ == "cached_property" and not cls.__dictoffset__:
            raise TypeError(
                f"{label}: settings have no place for the value of a cached_property; use @derived or a property"
            )
        if attribute not in annotated and not _is_no_value(value):
            raise TypeError(
                f"{label} has no annotation, so it is no setting; "
                f"write {attribute}: {type(value).__name__} = ..., or ClassVar[{type(value).__name__}] if it is none"
            )


def _is_no_value(value: Any) -> bool:
    """Whether a class may well have such an attribute beside its settings: a method, a nested class, an alias of a type."""
    return isinstance(value, _NO_VALUES) or hasattr(value, "__get__") or typing.get_origin(value) is not None


def too_many_bases(name: str, bases: tuple[type, ...]) -> TypeError | None:
    """Return an error for several bases with fields, which have no common layout."""
    several = [base.__name__ for base in bases if isinstance(base, StructMeta) and base.__struct_fields__]
    if len(several) < 2:
        return None
    first, second = several[:2]
    return TypeError(
        f"{name}: {first} and {second} both have fields, and only one base of a settings class can; "
        f"derive from {first}, and nest {second}, as in {second.lower()}: {second}"
    )
