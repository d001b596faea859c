"""The seams at which handling layers can be made to fail: every function and method of the modules that do it."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import pytest
from msgspec import ValidationError

CANARY: Final = "canary-4711-in-a-layer"
MODULES: Final = (
    *(
        f"_layers.toml.{name}"
        for name in ("spelling", "keys", "values", "excerpts", "limits", "parser", "positions", "mistakes")
    ),
    "_layers.file",
    "_layers.folder",
    "_layers.layer",
    *("_schema.field_types", "_schema.frozen", "_schema.masking"),
    *(
        f"_loading.{name}"
        for name in ("merge", "decode", "diagnose", "msgspec_errors", "problems", "load", "given", "explain")
    ),
    "_loading.documents",
    "_loading.plain",
    *("_live.snapshot", "_live.reload.restart"),
)


class Seam(NamedTuple):
    """A function of ours, and the class that it is a method of."""

    name: str
    function: Any
    owner: type | None = None


def seams() -> Iterator[Seam]:
    for module in (importlib.import_module(f"hotsettings.{name}") for name in MODULES):
        for name, value in vars(module).items():
            if isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
                yield Seam(f"{module.__name__}.{name}", value)
            elif isinstance(value, type):
                for method, function in vars(value).items():
                    ours = isinstance(function, types.FunctionType) and function.__module__ == module.__name__
                    if ours and not method.startswith("__"):
                        yield Seam(f"{module.__name__}.{name}.{method}", function, value)


# What is asked before any layer is handled, or by a guard for the names of the layers.
OUTSIDE: Final = {
    "hotsettings._layers.layer.origin_of": "names the layers",
    "hotsettings._layers.layer.revision_of": "names the layers",
    "hotsettings._loading.load._origins": "names the layers",
    "hotsettings._loading.explain._origins_of": "names the layers",
    "hotsettings._layers.file.complete_names": "looks at a path",
}
GUARDS: Final = {
    *(
        "hotsettings._loading.load.load",
        "hotsettings._loading.explain.explain",
        "hotsettings._loading.explain.known_path",
        "hotsettings._loading.explain.origins",
        "hotsettings._loading.explain.effective",
    ),
}
SEAMS: Final = {seam.name: seam for seam in seams() if seam.name not in OUTSIDE and seam.name not in GUARDS}


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError(CANARY)

    __repr__ = __str__


FAULTS: Final[list[Callable[[], Exception]]] = [
    lambda: ValueError(CANARY),
    lambda: KeyError(CANARY),
    lambda: RecursionError(CANARY),
    MemoryError,
    lambda: ValidationError(CANARY),
    lambda: AssertionError(CANARY),
    Mute,
]


def reached(work: Callable[[], object], candidates: Iterable[Seam]) -> list[Seam]:
    """Those seams that this calls while nothing fails. To spoil another one would change nothing."""
    called: set[types.CodeType] = set()
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: called.add(frame.f_code))
    try:
        work()
    finally:
        sys.setprofile(before)
    return [seam for seam in candidates if seam.function.__code__ in called]


def spoil(patch: pytest.MonkeyPatch, seam: Seam, error: Callable[[], Exception]) -> list[int]:
    """Make a function fail from now on; the list that comes back grows with each call."""
    calls: list[int] = []

    def failing(*args: Any, **named: Any) -> Any:
        calls.append(1)
        in_a_frame = CANARY  # noqa: F841 - as what layers hold is in the frames of ours
        raise error()

    ours = [module for name, module in sys.modules.items() if name.startswith("hotsettings.")]
    for holder in ours if seam.owner is None else [seam.owner]:
        for name, held in list(vars(holder).items()):
            if held is seam.function:
                patch.setattr(holder, name, failing)
    return calls
