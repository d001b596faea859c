"""`schema`: the JSON Schema of the TOML files."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import FieldInfo

from ..._schema import field_types
from ..._schema.marks import RESTART_REQUIRED
from ..._schema.masking import is_secret, secret_fields
from ..._schema.schema import Schema
from .. import output
from ..options import SettingsClass
from ..settings_class import schema_or_exit


def schema(settings_class: SettingsClass) -> None:
    """Print a JSON Schema of the files for editors.

    With it an editor completes keys and marks mistakes as you type.
    """
    output.line(json_schema(schema_or_exit(settings_class)))


def json_schema(schema: Schema) -> str:
    """Return the JSON Schema of the TOML files.

    It requires no key, because each file may hold a part of the settings only. It leaves out the defaults of secrets.
    """
    structs = list(dict.fromkeys(field_types.structs_below(schema.cls)))
    references, components = msgspec.json.schema_components(structs, ref_template="#/$defs/{name}")
    for struct, reference in zip(structs, references, strict=True):
        component: dict[str, Any] = components[reference["$ref"].rpartition("/")[2]]
        component.pop("required", None)
        for field in msgspec.structs.fields(struct):
            _annotate(component["properties"][field.encode_name], field, field.name in secret_fields(struct))
    # The root is not a $ref: older readers ignore the other keys of an object that has one.
    root: dict[str, Any] = components[references[0]["$ref"].rpartition("/")[2]]
    others = {name: component for name, component in components.items() if component is not root}
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **root} | ({"$defs": others} if others else {})
    return msgspec.json.format(msgspec.json.encode(_without_null(whole)), indent=2).decode()


def _annotate(entry: dict[str, Any], field: FieldInfo, hidden: bool) -> None:
    about = [entry["description"]] if "description" in entry else []
    if is_secret(field.type):
        entry.pop("default", None)
    if hidden:
        entry["writeOnly"] = True
        about.append("Secret: it belongs in the secrets file.")
    if RESTART_REQUIRED in field_types.unwrap(field.type)[1]:
        about.append("A change needs a restart.")
    if about:
        entry["description"] = " ".join(about)


def _without_null(node: Any) -> Any:
    """Drop null from a schema: TOML does not have it."""
    if isinstance(node, list):
        return [_without_null(item) for item in node if item is not None]
    if not isinstance(node, dict):
        return node
    clean = {key: _without_null(value) for key, value in node.items() if key != "default" or value is not None}
    if isinstance(clean.get("anyOf"), list):
        kinds = [kind for kind in clean.pop("anyOf") if kind != {"type": "null"}]
        clean = {**kinds[0], **clean} if len(kinds) == 1 else {"anyOf": kinds, **clean}
    return clean
