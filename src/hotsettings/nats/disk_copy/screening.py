"""Keeps secrets out of the copy on disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ..._layers.layer import Layer, Unreadable, parse
from ..._layers.toml.spelling import misspells
from ..._redaction import Redactor
from ..._schema.field_types import structs_below
from ..._schema.schema import Schema


def may_be_copied(text: str, redactor: Redactor) -> bool:
    """Whether a document may be copied to a disk: it contains no secret that is live, and no key of one.

    Comments count, and so do keys that are written with escapes, or misspelt without being another key of the schema. A text
    that is not TOML may not be copied, because nobody knows what it says.
    """
    document = parse(Layer(), text.encode())
    if isinstance(document, Unreadable):
        return False
    # As written, with its escapes resolved, and as parsed: 0xFF is 255.
    said = "\n".join([text, _ESCAPE.sub(_unescaped, text), *_spelt(document.values)])
    return not _names_secret(redactor.schema, said) and not redactor.finds(said)


_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|([\"'\\]))")


def _unescaped(escape: re.Match[str]) -> str:
    if escape[4]:
        return escape[4]
    code = int(escape[1] or escape[2] or escape[3], 16)
    return chr(code) if code < 0x110000 else ""  # a comment may say anything


def _spelt(value: Any) -> Iterator[str]:
    """Yield each key as if it were written before a value, and each scalar."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{key} ="
            yield from _spelt(item)
    elif isinstance(value, list):
        for item in value:
            yield from _spelt(item)
    else:
        yield str(value)


def _names_secret(schema: Schema, text: str) -> bool:
    """Whether the name of a secret, or a misspelling of one, is used as a key. A comment may mention it otherwise."""
    names = {name.casefold() for name in schema.secret_names}
    fields = (field for struct in structs_below(schema.cls) for field in msgspec.structs.fields(struct))
    others = {field.encode_name.casefold() for field in fields} - names
    # Also finds names that are not a single word.
    exact = (rf"(?<![\w-]){re.escape(name)}[\"']?\s*[=:.\]]" for name in names)
    return any(re.search(name, text.casefold()) for name in exact) or misspells(text, names, others)
