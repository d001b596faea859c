"""A redactor that knows the values of a secret layer."""

from typing import Any

from hotsettings import BaseSettings
from hotsettings._layers.layer import Document, Layer
from hotsettings._redaction import Redactor
from hotsettings._schema.schema import schema_of

CANARY = "hunter2-canary"


class Plain(BaseSettings):
    name: str = ""


def document(values: dict[str, Any], *, secret: bool = True) -> Document:
    return Document(Layer(secret=secret), "", values)


def knowing(*values: Any) -> Redactor:
    """A redactor that knows these values from a secret layer."""
    return Redactor(schema_of(Plain), [document({"value": list(values)})])


def redact(text: str, *values: Any) -> str:
    return knowing(*values).redact(text)
