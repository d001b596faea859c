"""Types that neither TOML nor msgspec has: how they are read from TOML values, and how they are written.

Some come with Python (`STANDARD`). Any other immutable type has a decoder, which a settings class names. The modules of these
types are not imported here: a class that has a field of such a type has imported the module itself.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Final, NamedTuple, TypeAlias, Union, get_origin
from weakref import WeakSet

from msgspec import Struct, ValidationError, inspect
from msgspec.structs import force_setattr

from ..errors import Code
from .stand_ins import decode_union, is_record, options, original_of

Decoder: TypeAlias = Callable[[Any], Any]
"""Makes a value of a type from a TOML value, or raises."""

_MOST_EFFORT: Final = 400_000
"""Microseconds, roughly, that reading values of standard types may take in one load."""


class Undecodable(ValueError):
    """Raised for a TOML value of which no value of the type can be made. Its text quotes nothing."""

    def __init__(self, message: str, code: Code = "invalid-value", hint: str = "") -> None:
        super().__init__(message)
        self.code: Code = code
        self.hint = hint


class DecoderFailed(ValueError):
    """Stands for what a decoder of the user has raised, which msgspec would pass on in several ways."""

    def __init__(self, raised: Exception) -> None:
        super().__init__("")
        self.raised = raised


class Standard(NamedTuple):
    """A type that comes with Python. TOML writes its values as strings."""

    noun: str
    """As in "expected ..."."""
    example: str
    format: str
    """The ``format`` of the strings in a JSON Schema."""
    effort: int = 5
    """Microseconds, roughly, that reading a value takes."""
    effort_per_character: int = 0

    @property
    def words(self) -> str:
        """Without the article, for lists of types: ``str (IPv4 address)``."""
        return f"str ({self.noun.partition(' ')[2]})"


_PATH = Standard("a path", "path/to/file", "path")
_FAMILIES: Final[dict[str, dict[str, Standard]]] = {
    "pathlib": {
        **dict.fromkeys(("PurePath", "Path", "PurePosixPath", "PureWindowsPath"), _PATH),
        ("PosixPath" if os.name == "posix" else "WindowsPath"): _PATH,
    },
    "ipaddress": {
        "IPv4Address": Standard("an IPv4 address", "192.0.2.1", "ipv4"),
        "IPv6Address": Standard("an IPv6 address", "2001:db8::1", "ipv6"),
        "IPv4Network": Standard("an IPv4 network", "192.0.2.0/24", "ipv4network"),
        "IPv6Network": Standard("an IPv6 network", "2001:db8::/32", "ipv6network"),
        "IPv4Interface": Standard("an IPv4 interface", "192.0.2.1/24", "ipv4interface"),
        "IPv6Interface": Standard("an IPv6 interface", "2001:db8::1/32", "ipv6interface"),
    },
    "zoneinfo": {"ZoneInfo": Standard("a time zone", "UTC", "time-zone", 60)},
    "re": {"Pattern": Standard("a regular expression", ".*", "regex", 20, 2)},
}


def standard(kind: Any) -> Standard | None:
    """Return what is known of a type that comes with Python; None for any other type."""
    kind = get_origin(kind) or kind
    for module, family in _FAMILIES.items():
        for name, known in family.items():
            if kind is getattr(sys.modules.get(module), name, ()):
                return known
    return None


@functools.singledispatch
def enc_hook(value: Any) -> Any:
    """Encode values of settings that msgspec cannot encode: ``msgspec.json.encode(settings, enc_hook=hotsettings.enc_hook)``.

    Paths, IP addresses and time zones become strings, and a compiled pattern becomes its source. A type that some settings
    class has in its ``decoders`` becomes its ``str()``. Where its decoder takes something else, say what:
    ``hotsettings.enc_hook.register(Money, Money.as_table)``. The command line writes values in the same way.

    Raises:
        NotImplementedError: No settings class decodes this type.
    """
    if not _is_known(type(value)):
        raise NotImplementedError(f"no settings class has a decoder for {type(value).__name__}")
    if not isinstance(value, re.Pattern):
        return str(value)
    flags = "".join(letter for letter, flag in _FLAGS.items() if value.flags & flag)
    # Flags in the pattern itself have their effect again when it is read.
    return value.pattern if not flags or value == re.compile(value.pattern) else f"(?{flags}){value.pattern}"


enc_hook.__module__ = "hotsettings"


def _is_known(kind: type) -> bool:
    return enc_hook.dispatch(kind) is not enc_hook.dispatch(object) or any(map(standard, kind.__mro__))


_FLAGS: Final = {"a": re.ASCII, "i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}


class Kept:
    """Holds a value of a type that msgspec does not know while it makes plain values of everything around it."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def keep(value: Any) -> Kept:
    """Keep what `enc_hook` could encode. Raises NotImplementedError for anything else."""
    return Kept(value) if _is_known(type(value)) else enc_hook(value)


_STRUCT: Final[Any] = Struct

_records: WeakSet[type] = WeakSet()
"""Classes with a decoder that msgspec would encode by itself, as a table or an array."""


def without_records(value: Any, encode: Callable[[Any], Any]) -> Any:
    """Replace the instances of dataclasses and the like that have a decoder, at any depth."""
    return _without_records(value, encode) if _records else value


def _without_records(value: Any, encode: Callable[[Any], Any]) -> Any:
    if type(value) in _records:
        return encode(value)
    if isinstance(value, Mapping):
        return {key: _without_records(item, encode) for key, item in value.items()}
    if type(value) in (list, tuple, set, frozenset):
        return [_without_records(item, encode) for item in value]
    if isinstance(value, Struct):
        copied = _STRUCT.__copy__(value)  # that of settings would return the settings themselves
        for name in value.__struct_fields__:
            force_setattr(copied, name, _without_records(getattr(value, name), encode))
        return copied
    return value


def checked(decoders: Mapping[Any, Decoder], name: str) -> Mapping[Any, Decoder]:
    """Check the decoders that a settings class names, and see to it that `enc_hook` knows their types.

    Raises TypeError, naming the class and the type.
    """
    for kind, decoder in decoders.items():
        label = f"{name}: decoders={{{name_of(kind)}: ...}}"
        if not isinstance(kind, type) or not callable(decoder):
            raise TypeError(f"{label}: decoders has a class for each function that makes its instances of a TOML value")
        if is_mutable(kind):
            raise TypeError(f"{label}: {kind.__qualname__} is mutable; settings hold immutable values only")
        if not is_record(kind) and not isinstance(inspect.type_info(kind), inspect.CustomType):
            raise TypeError(
                f"{label}: {kind.__qualname__} is decoded without it; "
                f"to convert what a layer says, use Annotated[{kind.__qualname__}, Before(...)]"
            )
        if is_record(kind):
            _records.add(kind)
        if not _is_known(kind):
            enc_hook.register(kind, str)
    return decoders


def is_mutable(kind: Any) -> bool:
    """Whether instances of a class can obviously change."""
    unfrozen = not getattr(getattr(kind, "__dataclass_params__", None), "frozen", True)
    return getattr(kind, "__hash__", None) is None or unfrozen or issubclass(kind, bytearray | memoryview)


def decoder_for(kind: Any, decoders: Mapping[Any, Decoder]) -> Decoder | Standard | None:
    """Return what makes values of a type: the decoder that the class names, or that of a type that comes with Python."""
    named = next((decoders[name] for name in (kind, get_origin(kind)) if name in decoders), None)
    return named or standard(kind)


class Decoding:
    """Decodes the values of one load. msgspec calls it for each value of a type that it does not know.

    The search for a mistake asks for the same values again, and each is decoded only once.
    """

    def __init__(self, decoders: Mapping[Any, Decoder]) -> None:
        self._decoders = decoders
        self._known: dict[tuple[Any, int], tuple[Any, Any, Exception | None]] = {}
        self._effort = 0

    def __call__(self, kind: Any, value: Any) -> Any:
        """Return the value of this type that a TOML value stands for.

        Raises:
            Undecodable: There is none.
            DecoderFailed: A decoder of the user has raised an exception.
            msgspec.ValidationError: There is none in a union.
        """
        place = (kind, id(value))
        if place not in self._known:
            decoded: Any = None
            failure: Exception | None = None
            try:
                decoded = self._decoded(kind, value)
            except (Undecodable, DecoderFailed, ValidationError) as error:
                failure = error.with_traceback(None)
            self._known[place] = (value, decoded, failure)  # it keeps the value, so nothing else gets its id
        _, decoded, failure = self._known[place]
        if failure is not None:
            raise failure
        return decoded

    def _decoded(self, kind: Any, value: Any) -> Any:
        kind = original_of(kind)
        if get_origin(kind) in (Union, UnionType):
            return _member(kind, value, self)
        if isinstance(value, get_origin(kind) or kind):
            return value  # given in code
        decoder = decoder_for(kind, self._decoders)
        assert decoder is not None  # or the class could not have been defined
        if isinstance(decoder, Standard):
            return self._standard(decoder, kind, value)
        try:
            decoded = decoder(_copied(value))
        except Exception as error:
            failure = DecoderFailed(error.with_traceback(None))
        else:
            if isinstance(decoded, get_origin(kind) or kind):
                return decoded
            raise Undecodable(f"its decoder returned {type(decoded).__name__} instead of {name_of(kind)}")
        raise failure

    def _standard(self, known: Standard, kind: Any, value: Any) -> Any:
        if isinstance(value, str):
            self._effort += known.effort + known.effort_per_character * len(value)
            if self._effort > _MOST_EFFORT:
                raise Undecodable(f"expected {known.noun}, but reading all values of such types would take too long")
        return _read(known, get_origin(kind) or kind, value)


def only_instances(kind: Any, value: Any) -> Any:
    """Accept instances of a type only: in the place of a `Decoding`, for the defaults of a class.

    Raises:
        Undecodable: The value is something else.
        msgspec.ValidationError: The value is none of a union.
    """
    kind = original_of(kind)
    if get_origin(kind) in (Union, UnionType):
        return _member(kind, value, only_instances)
    if not isinstance(value, get_origin(kind) or kind):
        raise Undecodable(f"expected {name_of(kind)}, got {type(value).__name__}")
    return value


def _member(union: Any, value: Any, hook: Callable[[Any, Any], Any]) -> Any:
    try:
        return decode_union(union, value, hook)
    except LookupError:
        from .._layers.toml.spelling import closest  # these two are needed for mistakes only
        from .describe import type_name

        message = f"expected {type_name(union)}"
        if isinstance(value, str):
            near = closest(value, options(union))
            refused = Undecodable(message, "not-an-option", f"did you mean {near}?" if near else "")
        else:
            refused = Undecodable(f"{message}, got {toml_type(value)}", "wrong-type")
    raise refused


def name_of(kind: Any) -> str:
    """Return the name of a type in messages."""
    return getattr(kind, "__name__", str(kind))


def _copied(value: Any) -> Any:
    """Copy tables and arrays, so that a decoder cannot change what a layer says."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return list(map(_copied, value)) if isinstance(value, list) else value


def _read(known: Standard, kind: Any, value: Any) -> Any:
    """Make a value of a standard type. Raises Undecodable."""
    if not isinstance(value, str):
        raise Undecodable(
            f"expected {known.noun}, got {toml_type(value)}", "wrong-type", f'write it like "{known.example}"'
        )
    more, hint = "", f'write it like "{known.example}"'
    try:
        if kind is not re.Pattern:
            return kind(value)
        return re.compile(value)
    except re.error as error:
        more = "" if error.pos is None else f", but it fails at its character {error.pos + 1}"
        hint = ""
    except RecursionError:
        hint = "it nests too deeply"
    except Exception:  # KeyError, ValueError and OSError for a time zone
        if known.format == "time-zone":
            hint = _about_zones(kind)
        elif known.format.endswith("network"):
            more, hint = _about_network(kind, value, hint)
    raise Undecodable(f"expected {known.noun}{more}", hint=hint)


def _about_zones(kind: Any) -> str:
    try:
        kind("Europe/Zurich")
    except Exception:  # without a database; one that is broken raises other kinds
        return "this machine has no database of time zones; install the package tzdata"
    return 'write its name in the IANA database, such as "Europe/Zurich"'


def _about_network(kind: Any, value: str, hint: str) -> tuple[str, str]:
    try:
        meant = kind(value, strict=False)
    except ValueError:
        return "", hint
    return ", but it has bits behind its prefix", f"did you mean {meant}?"


_TOML_TYPES: Final[dict[type, str]] = {dict: "table", list: "array"}


def toml_type(value: Any) -> str:
    """Return what TOML calls the type of a value."""
    return _TOML_TYPES.get(type(value), type(value).__name__)
