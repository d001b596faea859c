"""Merged values become a settings Struct: one ``msgspec.convert``."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from .._layers.toml.keys import ABSENT, Values
from .._schema.codecs import Decoding
from .._schema.frozen import freeze, freeze_fields
from .._schema.schema import Schema
from .._schema.stand_ins import NATIVE


def decode(schema: Schema, values: Values, decoding: Decoding | None = None) -> Struct:
    """Decode merged values. Raises msgspec.ValidationError, or what a ``__post_init__`` raised, with values in its text."""
    hook = decoding or schema.decoding()
    settings = msgspec.convert(values, schema.cls, builtin_types=NATIVE, str_keys=True, dec_hook=hook)
    if schema.freezing:
        freeze_fields(settings, schema.freezing)
    return settings


def decode_part(annotation: Any, value: Any, decoding: Decoding | None) -> Any:
    """Decode one value by itself. Return ABSENT if it does not fit."""
    try:
        return freeze(msgspec.convert(value, annotation, builtin_types=NATIVE, str_keys=True, dec_hook=decoding))
    except KeyboardInterrupt:
        raise
    except BaseException:  # a rule of a Struct in it may raise anything
        return ABSENT
