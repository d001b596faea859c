"""BaseSettings: what users derive from."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct, StructMeta, field

from ._boundary import guarded, without_frames
from ._layers.default_layers import CONFIG_FILE, SECRETS_FILE, chosen_layers
from ._layers.file import FileLayer, StrPath
from ._layers.folder import FolderLayer
from ._layers.layer import Layer
from ._layers.values import ValuesLayer
from ._loading.given import made_of
from ._loading.load import load
from ._schema.class_body import Body, in_body, refuse_ignored, too_many_bases
from ._schema.codecs import checked
from ._schema.derived import Derived
from ._schema.frozen import freeze
from ._schema.masking import masked_items, masked_repr
from ._schema.schema import schema_of
from .errors import PROGRAM

if TYPE_CHECKING:
    from typing import Self

    from ._live.watch import Watch
    from ._watching.events import Kind


def _restore(cls: type[Any], values: dict[str, Any]) -> Any:
    return StructMeta.__call__(cls, **values)


_ONCE = (FileLayer, FolderLayer, ValuesLayer)
"""The layers that can be loaded once. A store has to be followed."""


@without_frames
def _loaded(
    cls: type[Any], config: StrPath, secrets: StrPath | None, override: StrPath | None, layers: Sequence[Layer] | None
) -> Any:
    chosen = chosen_layers(f"{cls.__name__}()", config, secrets, override, layers, _ONCE)
    return load(schema_of(cls), chosen).settings


def _from_values(cls: type[Any], base: Any, values: dict[str, Any]) -> Any:
    """Make settings of values, over those of other settings or over none."""
    return guarded([PROGRAM], made_of, schema_of(cls), base, values)


def _refuse_taken_names(cls: Any, namespace: dict[str, Any]) -> None:
    for name, value in namespace.items():
        if isinstance(value, Derived) and hasattr(BaseSettings, name):
            raise TypeError(f"{cls.__name__}.{name}: the name is a method of settings; rename the derived value")
    for name in cls.__struct_fields__:
        if name in vars(BaseSettings):
            raise TypeError(
                f"{cls.__name__}.{name}: the name is a method of settings; "
                f"rename the field and keep the key with `= msgspec.field(name={name!r})`"
            )


if TYPE_CHECKING:
    # Under msgspec's dataclass transform a type checker would take the fields for the constructor's arguments. Seen as a
    # plain class, Settings(config_path=...) and every attribute's type are what they are at run time, with no plugin.

    class BaseSettings:
        """Settings that come from TOML files: subclass it and declare one field for each key."""

        __struct_fields__: ClassVar[tuple[str, ...]]

        def __init__(
            self,
            config_path: StrPath = CONFIG_FILE,
            *,
            override_path: StrPath | None = None,
            secrets_path: StrPath | None = SECRETS_FILE,
            layers: Sequence[Layer] | None = None,
        ) -> None: ...

        def __init_subclass__(cls, *, forbid_unknown_fields: bool = True, **config: Any) -> None: ...

        @classmethod
        def from_values(cls, /, **values: Any) -> Self:
            """Make settings without files, for tests and tools. Tables are dicts. Raises InvalidSettings."""
            ...

        def replace(self, /, **changes: Any) -> Self:
            """Return a copy with other values, validated like a load. Raises InvalidSettings.

            A dict for a nested Struct changes only what it names. A Struct, and a dict for a mapping, replace it whole.
            """
            ...

        @classmethod
        def watch(
            cls,
            config_path: StrPath = CONFIG_FILE,
            *,
            override_path: StrPath | None = None,
            secrets_path: StrPath | None = SECRETS_FILE,
            layers: Sequence[Layer] | None = None,
            settle: float = 0.1,
            rescan_interval: float = 2.0,
            prepare_timeout: float = 10.0,
            reload_signal: int | None = None,
            watcher: Kind = "auto",
            follow_forks: bool = True,
        ) -> Watch[Self]:
            """Load, and follow the files: ``async with Settings.watch() as live: live.current...``. Times in seconds.

            Without an event loop: ``with Settings.watch() as live``, or ``Settings.watch().start()`` for the life of the process.
            """
            ...

else:
    _FIELD = type(field())
    _IMMUTABLE = {list: "tuple", set: "frozenset", bytearray: "bytes"}

    class _SettingsMeta(StructMeta):
        """Makes settings classes immutable and strict, and makes calling one load its files."""

        @classmethod
        def __prepare__(mcls, name, bases, **config):  # noqa: N804 - it is a metaclass
            return Body()

        def __new__(mcls, name, bases, namespace, decoders=None, **config):
            for option, needed in (("frozen", True), ("kw_only", True), ("array_like", False)):
                if config.setdefault(option, needed) is not needed:
                    raise TypeError(f"{name}: settings always have {option}={needed}; leave it out")
            for attribute, value in namespace.items():
                default = value.default if isinstance(value, _FIELD) else value
                if type(default) is dict and not attribute.startswith("__"):
                    default = freeze(default)  # so that a plain dict can be written as a default
                    named = isinstance(value, _FIELD)
                    namespace[attribute] = field(default=default, name=value.name) if named else default
                elif default and (instead := _IMMUTABLE.get(type(default))) and not attribute.startswith("__"):
                    # msgspec refuses it too, but names neither the field nor the remedy, and quotes the default, which may be secret.
                    kind = type(default).__name__
                    raise TypeError(f"{name}.{attribute}: its default is a {kind}, which is mutable; write a {instead}")
            if any(isinstance(value, Derived) for value in namespace.values()):
                config["dict"] = True  # a place for the values
            try:
                cls = super().__new__(mcls, name, bases, namespace, **config)
            except TypeError as error:
                raise too_many_bases(name, bases) or error from None
            _refuse_taken_names(cls, namespace)
            refuse_ignored(cls, namespace)
            inherited = getattr(cls, "__decoders__", {})
            type.__setattr__(cls, "__decoders__", {**inherited, **checked(decoders or {}, name)})
            with contextlib.suppress(NameError):  # of a class that comes later in the module
                schema_of(cls)
            return cls

        def __init__(cls, name, bases, namespace, decoders=None, **config):
            super().__init__(name, bases, namespace)

        def __call__(
            cls, config_path=CONFIG_FILE, *paths, override_path=None, secrets_path=SECRETS_FILE, layers=None, **values
        ):
            if in_body(sys._getframe(1)):
                raise TypeError(f"{cls.__name__}() reads files, and so is no default; use {cls.__name__}.from_values()")
            if paths:
                raise TypeError(
                    f"{cls.__name__}() takes one path by its place, config_path; "
                    "name the others: override_path=..., secrets_path=..."
                )
            if values:
                named = ", ".join(f"{key}=..." for key in values)
                values.clear()  # a traceback may show the locals
                raise TypeError(
                    f"{cls.__name__}() loads files; for values given in code use {cls.__name__}.from_values({named})"
                )
            return _loaded(cls, config_path, secrets_path, override_path, layers)

        @property
        def __signature__(cls):
            from inspect import Parameter, Signature  # slow to import, and needed only by help()

            path = Parameter("config_path", Parameter.POSITIONAL_OR_KEYWORD, default=CONFIG_FILE)
            others = [("override_path", None), ("secrets_path", SECRETS_FILE), ("layers", None)]
            return Signature([path, *(Parameter(n, Parameter.KEYWORD_ONLY, default=d) for n, d in others)])

    class BaseSettings(Struct, metaclass=_SettingsMeta, forbid_unknown_fields=True):
        """Settings that come from TOML files: subclass it and declare one field for each key.

        Calling the class loads: ``config_path`` ("config.toml" by default), then ``secrets_path`` ("secrets.toml" by default),
        then ``override_path`` (if given), each overriding what came before. Only the default secrets file may be missing;
        ``secrets_path=None`` means that there is none. ``layers=[...]`` takes the place of the paths: any number of layers
        in rising precedence. Relative paths are taken from the working directory. Two classes in one folder need a ``secrets_path`` each: a key that only the other one knows is
        an error. Only these files are read; no environment variable is.

        Raises LayerError when a file cannot be read or parsed, InvalidSettings when the values do not fit the class, and
        TypeError when the class is defined with a field that could be mutated.
        """

        __module__ = "hotsettings"

        @classmethod
        @without_frames
        def from_values(cls, /, **values):
            """Make settings without files, for tests and tools. Tables are dicts. Raises InvalidSettings."""
            return _from_values(cls, None, values)

        @without_frames
        def replace(self, /, **changes):
            """Return a copy with other values, validated like a load. Raises InvalidSettings.

            A dict for a nested Struct changes only what it names. A Struct, and a dict for a mapping, replace it whole.
            """
            return _from_values(type(self), self, changes)

        @classmethod
        def watch(
            cls,
            config_path=CONFIG_FILE,
            *,
            override_path=None,
            secrets_path=SECRETS_FILE,
            layers=None,
            settle=0.1,
            rescan_interval=2.0,
            prepare_timeout=10.0,
            reload_signal=None,
            watcher="auto",
            follow_forks=True,
        ):
            """Load, and follow the files: ``async with Settings.watch() as live: live.current...``. Times in seconds.

            Without an event loop: ``with Settings.watch() as live``, or ``live = Settings.watch().start()`` for the life of the
            process, which ``live.stop()`` ends. Both have the same members.

            Iterators (``changes()``, ``events()``) begin where they are called, and end with the block. The block may be
            entered in one task and left in another.

            Args:
                config_path: The base file. The paths are those of a load: a second class in the same folder needs a
                    ``secrets_path`` of its own.
                override_path: A file that overrides both others, if there is one.
                secrets_path: The secrets file. It may be missing only if it is not named here. None: there is none.
                layers: Takes the place of the paths: any number of layers in rising precedence, each a FileLayer, a
                    FolderLayer, a ValuesLayer, or a layer of a store.
                settle: In-place writes are debounced: where the system reports no close events, a file is read after so
                    many seconds without a write.
                rescan_interval: The files are checked at least every so many seconds, whatever events arrive.
                prepare_timeout: Seconds that each hook and each build may take.
                reload_signal: A signal that means ``reload()``, such as ``signal.SIGHUP``.
                watcher: "auto", "inotify" (Linux), "watchfiles" or "poll".
                follow_forks: Whether the form without an event loop goes on in processes that are forked from this one.

            Raises:
                LayerError: A layer cannot be read or parsed when the block is entered.
                InvalidSettings: The values do not fit the class when the block is entered.
                ValueError: ``reload_signal`` is given outside of the main thread, which alone receives signals.
            """
            from ._layers.store import StoreLayer
            from ._live.following import Options  # whoever only loads pays neither for anyio nor for a watcher
            from ._live.watch import Watch

            chosen = chosen_layers("watch()", config_path, secrets_path, override_path, layers, (*_ONCE, StoreLayer))
            options = Options(schema_of(cls), chosen, settle, rescan_interval, prepare_timeout, watcher)
            return Watch(options, reload_signal, follow_forks=follow_forks)

        __replace__ = replace
        __repr__ = masked_repr
        __rich_repr__ = masked_items

        def __copy__(self):
            return self

        def __deepcopy__(self, memo):
            return self

        def __reduce__(self):
            # The default would call the class, which loads files.
            return _restore, (type(self), {name: getattr(self, name) for name in self.__struct_fields__})
