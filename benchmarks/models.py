"""The application's settings as the models of other libraries: the same fields, and where they can, limits and rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin

import msgspec
import pydantic

from hotsettings._schema import field_types
from hotsettings._schema.schema import as_values
from integr8scode.settings import Runtime, Settings

LIMITS = ("ge", "gt", "le", "lt", "pattern", "min_length", "max_length")
CONFIG = pydantic.ConfigDict(strict=True, extra="forbid", frozen=True)


def pydantic_model(base: type[pydantic.BaseModel] = pydantic.BaseModel, **config: Any) -> type[Any]:
    """A model with the same fields, limits and rules, as strict and as frozen."""

    merged: Any = {**base.model_config, **CONFIG, **config}

    class Rules(base):  # type: ignore[misc, valid-type]  # a base that only the caller knows
        model_config = merged

        @pydantic.model_validator(mode="after")
        def rules(self) -> Any:
            Settings.__post_init__(self)  # pyright: ignore[reportArgumentType]
            return self

    runtime = pydantic.create_model("Runtime", __config__=CONFIG, **_pydantic_fields(Runtime, {}))
    return pydantic.create_model("Settings", __base__=Rules, **_pydantic_fields(Settings, {Runtime: runtime}))


def _pydantic_fields(struct: Any, models: Mapping[Any, Any]) -> Any:
    fields: dict[str, Any] = {}
    for name, annotation, notes, default in described(struct, models):
        limits = [note for note in notes if isinstance(note, msgspec.Meta)]
        given = {
            limit: value for limit in LIMITS for value in (getattr(note, limit) for note in limits) if value is not None
        }
        fields[name] = (annotation, pydantic.Field(... if default is None else default(), **given))
    return fields


def dataclass_model() -> type[Any]:
    """A frozen dataclass with the same fields."""
    runtime = dataclasses.make_dataclass("Runtime", [(name, kind) for name, kind, _, _ in described(Runtime, {})])
    fields: list[Any] = []
    for name, annotation, _, default in described(Settings, {Runtime: runtime}):
        rest = () if default is None else (dataclasses.field(default_factory=default),)
        fields.append((name, annotation, *rest))
    return dataclasses.make_dataclass("Settings", fields, frozen=True, kw_only=True)


def described(
    struct: Any, models: Mapping[Any, Any]
) -> list[tuple[str, Any, tuple[Any, ...], Callable[[], Any] | None]]:
    """Each field's name, type, annotations, and what makes its default if it has one."""
    found: list[tuple[str, Any, tuple[Any, ...], Callable[[], Any] | None]] = []
    for field in msgspec.structs.fields(struct):
        bare, notes = field_types.unwrap(field.type)
        annotation = _translated(bare, models)
        if _may_be_none(msgspec.inspect.type_info(field.type)):
            annotation = annotation | None
        default = None if field.required else _made(as_values(field.default))
        found.append((field.name, annotation, tuple(notes), default))
    return found


def _made(value: Any) -> Callable[[], Any]:
    return lambda: value


def _may_be_none(info: msgspec.inspect.Type) -> bool:
    while isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    return isinstance(info, msgspec.inspect.UnionType) and info.includes_none


def _translated(bare: Any, models: Mapping[Any, Any]) -> Any:
    """The type as others take it: strict ones want a list where TOML has an array."""
    origin, arguments = get_origin(bare), get_args(bare)
    if origin is tuple:
        return list[str]
    if origin is Mapping:
        return dict[arguments[0], models.get(arguments[1], arguments[1])]  # type: ignore[misc, valid-type]  # made here
    return bare


def defaults() -> dict[str, Any]:
    """The defaults of all fields that have one, as TOML would have them."""
    return {name: default() for name, _, _, default in described(Settings, {}) if default is not None}
