"""`schema`: the JSON Schema of the TOML files."""

from __future__ import annotations

import math
from collections.abc import Iterable
from inspect import cleandoc
from itertools import repeat
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo

from ..._layers.toml.keys import ABSENT, dotted
from ..._schema import field_types
from ..._schema.codecs import name_of, standard
from ..._schema.marks import RESTART_REQUIRED, TOLERANT, Before, Deprecated, Renamed
from ..._schema.masking import is_secret, secret_fields
from ..._schema.schema import Schema, as_values
from ..._schema.shape import Shape, in_order, own_default
from ..._schema.stand_ins import original_of
from .. import output
from ..options import SettingsClass
from ..settings_class import schema_or_exit
from .reference import sentences


def schema(settings_class: SettingsClass) -> None:
    """Print a JSON Schema of the files for editors.

    With it an editor completes keys and marks mistakes as you type.
    """
    output.line(json_schema(schema_or_exit(settings_class)))


def json_schema(schema: Schema) -> str:
    """Return the JSON Schema of the TOML files.

    It requires no key, because each file may hold a part of the settings only. It leaves out the defaults of secrets.
    """
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_Components(schema.cls).whole()}
    return msgspec.json.format(msgspec.json.encode(_without_null(whole)), indent=2).decode()


class _Components:
    """The schemas of all Structs that settings are made of.

    msgspec describes most of what has no Structs: it encodes their defaults itself, and knows no defaults of other types.
    """

    def __init__(self, cls: type[Struct]) -> None:
        self._cls = cls
        self._structs = list(dict.fromkeys(field_types.structs_below(cls)))
        names = [_name(struct) for struct in self._structs]
        self._names = [
            name if names.count(name) == 1 else f"{struct.__module__}.{name}".replace(".", "_")
            for struct, name in zip(self._structs, names, strict=True)
        ]
        self._others: dict[str, Any] = {}
        self._open: set[Any] = set()
        """Structs that stand somewhere where unknown keys are ignored."""
        self._find_open(cls, not cls.__struct_config__.forbid_unknown_fields, set())

    def _find_open(self, annotation: Any, tolerant: bool, seen: set[tuple[Any, bool]]) -> None:
        bare, metadata = field_types.unwrap(annotation)
        tolerant = tolerant or TOLERANT in metadata
        if (struct := field_types.struct_class(bare)) is None:
            for inner in () if get_origin(bare) is Literal else get_args(bare):
                self._find_open(inner, tolerant, seen)
        elif (bare, tolerant) not in seen:
            seen.add((bare, tolerant))
            if tolerant:
                self._open.add(bare)
            for field in msgspec.structs.fields(bare if get_origin(bare) else struct):
                self._find_open(field.type, tolerant, seen)

    def whole(self) -> dict[str, Any]:
        # The root is not a $ref: older readers ignore the other keys of an object that has one.
        root, *inner = [self._struct(struct) for struct in self._structs]
        others = dict(zip(self._names[1:], inner, strict=True)) | self._others
        if "#/$defs/" + self._names[0] in msgspec.json.encode([root, others]).decode():
            others[self._names[0]] = root  # it is inside of itself
        return root | ({"$defs": others} if others else {})

    def _struct(self, struct: Any) -> dict[str, Any]:
        cls: Any = field_types.struct_class(struct)
        config = cls.__struct_config__
        about = {"title": _name(struct)} | ({"description": cleandoc(cls.__doc__)} if cls.__doc__ else {})
        fields = msgspec.structs.fields(struct)
        properties = {field.encode_name: self._field(field, field.name in secret_fields(struct)) for field in fields}
        former = {
            old: _former(properties[field.encode_name], field.encode_name)
            for field in fields
            for mark in field_types.unwrap(field.type)[1]
            if isinstance(mark, Renamed)
            for old in mark.old
        }
        if config.array_like:
            tag = [] if config.tag is None else [{"enum": [config.tag]}]
            required = len(tag) + sum(field.required for field in fields)
            return {**about, "type": "array", "prefixItems": [*tag, *properties.values()], "minItems": required}
        if config.tag_field is not None:
            properties = {config.tag_field: {"enum": [config.tag]}, **properties}
        closed = {} if struct in self._open else {"additionalProperties": False}
        return {**about, "type": "object", "properties": properties | former, **closed}

    def _field(self, field: FieldInfo, hidden: bool) -> dict[str, Any]:
        default = own_default(field)
        entry = self._of(field.type)
        if default is not ABSENT and not is_secret(field.type) and _in_json(plain := as_values(default)):
            entry["default"] = in_order(Shape(field.type), plain)
        _annotate(entry, field, hidden)
        return entry

    def _of(self, annotation: Any) -> dict[str, Any]:
        bare, metadata = field_types.unwrap(annotation)
        if any(isinstance(mark, Before) for mark in metadata):
            return _facts(metadata, array=True, limits=False)  # files may say whatever its function takes
        if _is_described_by_msgspec(bare):
            (found,), others = msgspec.json.schema_components([annotation], schema_hook=_described, ref_template=_REF)
            self._others |= others
            entry: dict[str, Any] = _with_numbers(found)
            return entry
        facts = _facts(metadata, array=field_types.entries_of(bare) is None)
        return facts | self._nested(bare) | facts

    def _nested(self, bare: Any) -> dict[str, Any]:
        """Describe a type with Structs in it."""
        if field_types.struct_class(bare) is not None:
            return {"$ref": _REF.format(name=self._names[self._structs.index(bare)])}
        if (entry := field_types.entries_of(bare)) is not None:
            return {"type": "object", "additionalProperties": self._of(entry[1]), **self._names_of(entry[0])}
        items = field_types.items_of(bare)
        if isinstance(items, repeat):
            return {"type": "array", "items": self._of(next(items))}
        if parts := [self._of(item) for item in items]:
            return {
                "type": "array",
                "prefixItems": parts,
                "minItems": len(parts),
                "maxItems": len(parts),
                "items": False,
            }
        return {"anyOf": [self._of(member) for member in field_types.alternatives(bare)]}

    def _names_of(self, key: Any) -> dict[str, Any]:
        """Describe the keys of a mapping: what msgspec says of their values, which files write as strings."""
        entry = self._of(key)
        entry = self._others.get(entry.get("$ref", "").rpartition("/")[2], entry)
        if "enum" in entry:
            return {"propertyNames": {"enum": list(map(str, entry["enum"]))}}
        return {"propertyNames": entry} if entry.get("type") == "string" and len(entry) > 1 else {}


_REF = "#/$defs/{name}"


def _name(struct: Any) -> str:
    """Return the name of a Struct; of a generic one, with its type parameters."""
    if not (arguments := get_args(struct)):
        return str(struct.__name__)
    return f"{get_origin(struct).__name__}_{'_'.join(name_of(argument) for argument in arguments)}"


def _facts(metadata: Iterable[Any], array: bool, limits: bool = True) -> dict[str, Any]:
    """Return what the metadata around a table or an array say in a schema, the outermost last."""
    facts: dict[str, Any] = {}
    for mark in metadata:
        if isinstance(mark, Meta):
            kind = "Items" if array else "Properties"
            found: dict[str, Any] = {"title": mark.title, "description": mark.description, "examples": mark.examples}
            if limits:
                found |= {f"min{kind}": mark.min_length, f"max{kind}": mark.max_length}
            facts |= {key: value for key, value in found.items() if value is not None} | (mark.extra_json_schema or {})
    return facts


def _is_described_by_msgspec(bare: Any) -> bool:
    """Whether msgspec says all of a type. It knows no `Before`, and no names of keys but those of a pattern."""
    if any(isinstance(mark, Before) for mark in field_types.metadata_below(bare)):
        return False
    kinds = list(field_types.types_below(bare))
    keys = [field_types.unwrap(entry[0])[0] for kind in kinds if (entry := field_types.entries_of(kind)) is not None]
    return all(key is str for key in keys) and not any(map(field_types.struct_class, kinds))


def _described(kind: Any) -> dict[str, Any]:
    """Describe a type that msgspec does not know."""
    original = original_of(kind)
    if get_args(original) and standard(original) is None:
        return {"anyOf": [msgspec.json.schema(member, schema_hook=_described) for member in get_args(original)]}
    if (known := standard(original)) is not None:
        return {"type": "string", "format": known.format}
    return {"title": name_of(original)}


def _with_numbers(node: Any) -> Any:
    """Let decimals be numbers, too, as loading does."""
    if isinstance(node, list):
        return list(map(_with_numbers, node))
    if not isinstance(node, dict):
        return node
    kinds = {"type": ["string", "number"]} if node.get("format") == "decimal" else {}
    return {key: _with_numbers(value) for key, value in node.items()} | kinds


def _annotate(entry: dict[str, Any], field: FieldInfo, hidden: bool) -> None:
    about: list[str] = []
    if is_secret(field.type):
        entry.pop("default", None)
    if hidden:
        entry["writeOnly"] = True
        about.append("Secret: it belongs in the secrets file.")
    metadata = field_types.unwrap(field.type)[1]
    if RESTART_REQUIRED in metadata:
        about.append("A change needs a restart.")
    for mark in metadata:
        if isinstance(mark, Deprecated):
            entry["deprecated"] = True
            about.append(f"Deprecated: {mark.instead}")
    if about:
        entry["description"] = " ".join(sentences(entry.get("description", ""), about))


def _former(entry: dict[str, Any], key: str) -> dict[str, Any]:
    """Describe a field under a former key."""
    about = sentences(entry.get("description", ""), [f"Renamed: write {dotted((key,))}"])
    kept = {name: value for name, value in entry.items() if name != "default"}
    return {**kept, "deprecated": True, "description": " ".join(about)}


def _in_json(default: Any) -> bool:
    """Whether files can hold a default, and JSON too: it has no ``inf`` and ``nan``."""
    if isinstance(default, dict):
        return all(item is None or _in_json(item) for item in default.values())
    if isinstance(default, list):
        return all(map(_in_json, default))
    return math.isfinite(default) if isinstance(default, float) else default is not None


def _without_null(node: Any) -> Any:
    """Drop null from a schema: TOML does not have it, and keys without a value are left out."""
    if isinstance(node, list):
        return [_without_null(item) for item in node if item is not None]
    if not isinstance(node, dict):
        return node
    clean = {key: _without_null(value) for key, value in node.items() if value is not None}
    if isinstance(clean.get("anyOf"), list):
        kinds = [kind for kind in clean.pop("anyOf") if kind != {"type": "null"}]
        clean = {**kinds[0], **clean} if len(kinds) == 1 else {"anyOf": kinds, **clean}
    return clean
