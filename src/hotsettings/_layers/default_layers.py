"""The layers of a settings class: three files where nothing else is said, or the ones in a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from .file import FileLayer, StrPath
from .layer import Layer, RevisionLayer


class DefaultPath(str):
    """The path of a file that is read where nobody names another one.

    It equals the same path that somebody has named, and only its type tells the two apart.
    """

    __slots__ = ()


CONFIG_FILE: Final = DefaultPath("config.toml")
"""The base file, in the working directory, where none is named."""
SECRETS_FILE: Final = DefaultPath("secrets.toml")
"""The secrets file, in the working directory, where none is named. It may be missing."""


def file_layers(config: StrPath, secrets: StrPath | None, override: StrPath | None) -> list[FileLayer]:
    """Return the files of a class as layers. This is their order of precedence, the lowest first.

    Args:
        config: The base file.
        secrets: The secrets file, which overrides the base file. Only the default one may be missing. None: there is
            no such layer.
        override: A file that overrides both, if there is one.
    """
    layers = [FileLayer(config, name="base")]
    if secrets is not None:
        layers.append(FileLayer(secrets, name="secrets", required=not isinstance(secrets, DefaultPath), secret=True))
    if override is not None:
        layers.append(FileLayer(override, name="override"))
    return layers


def chosen_layers(
    call: str,
    config: StrPath,
    secrets: StrPath | None,
    override: StrPath | None,
    layers: Sequence[Layer] | None,
    kinds: tuple[type[Layer], ...],
) -> list[Any]:
    """Return the layers that a caller has named, either by paths or in a list.

    Args:
        call: The call, as its errors name it.
        config: The path of the base file.
        secrets: The path of the secrets file.
        override: The path of a file that overrides both.
        layers: Takes the place of the paths.
        kinds: What may be in ``layers``.

    Raises:
        TypeError: There are both paths and layers, or something else is in the list of layers.
        ValueError: There is no layer, or two have the same name.
    """
    if layers is None:
        return list(file_layers(config, secrets, override))
    if not (isinstance(config, DefaultPath) and isinstance(secrets, DefaultPath) and override is None):
        raise TypeError(f"{call} takes paths or layers, not both: make the paths a FileLayer each")
    if isinstance(layers, str | bytes | Layer):
        raise TypeError(f"layers is a list of layers, not {_a(layers)}")
    chosen = list(layers)
    if not chosen:
        raise ValueError("layers is empty: name at least one")
    names: dict[str, int] = {}
    for index, layer in enumerate(chosen):
        if not isinstance(layer, kinds):
            *others, last = [
                "a layer of a store" if issubclass(kind, RevisionLayer) else kind.__name__ for kind in kinds
            ]
            raise TypeError(f"layers[{index}] is {_a(layer)}; {call} takes {', '.join(others)} or {last}{_hint(layer)}")
        if layer.name in names:
            raise ValueError(
                f"layers[{names[layer.name]}] and layers[{index}] are both named {layer.name!r}: "
                "give one of them another name with name="
            )
        names[layer.name] = index
    return chosen


def _a(value: Any) -> str:
    name = type(value).__qualname__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _hint(value: Any) -> str:
    if hasattr(value, "__fspath__") or isinstance(value, str | bytes):
        return ": for a path, write FileLayer(path)"
    if isinstance(value, dict):
        return ": for values, write ValuesLayer(values)"
    return f": {value.name!r} is in a store, which only watch() follows" if isinstance(value, Layer) else ""
