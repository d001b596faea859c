"""The same three files, loaded in every way that a program could choose instead."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pydantic
import toml_rs

from hotsettings._schema.schema import as_values
from integr8scode.settings import Settings

from . import models

ROOT = Path(__file__).parent.parent


class Files(NamedTuple):
    """The paths of three layers, in rising precedence."""

    config: str
    secrets: str
    override: str

    @classmethod
    def shipped(cls) -> Files:
        """Those that the application ships with."""
        return cls(*(str(ROOT / name) for name in ("config.toml", "secrets.example.toml", "config.coordinator.toml")))

    @classmethod
    def copied(cls, folder: Path) -> Files:
        """A copy of these that can be edited."""
        names = ("config.toml", "secrets.toml", "config.coordinator.toml")
        for shipped, name in zip(cls.shipped(), names, strict=True):
            (folder / name).write_bytes(Path(shipped).read_bytes())
        return cls(*(str(folder / name) for name in names))


Load = Callable[[], Any]

HOTSETTINGS = "hotsettings"
FLOOR = "the floor: read, toml_rs, msgspec"
PYDANTIC = "tomllib + pydantic, by hand"
DYNAMIC = "dynamic-config-py"


def hotsettings(files: Files) -> Load:
    return lambda: Settings(files.config, secrets_path=files.secrets, override_path=files.override)


def floor(files: Files) -> Load:
    """The shortest loop that gives the same settings; it guards against nothing and explains nothing."""

    def load() -> Settings:
        merged: dict[str, Any] = {}
        for path in files:
            with open(path, "rb") as file:
                merged = merge(merged, toml_rs.loads(file.read().decode()))
        return msgspec.convert(merged, Settings)

    return load


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = merge(below[key], above[key])
    return merged


def by_hand(files: Files) -> Load:
    """What the application did before: the standard library's parser, and a pydantic model."""
    model = models.pydantic_model()

    def load() -> Any:
        merged: dict[str, Any] = {}
        for path in files:
            with open(path, "rb") as file:
                merged = merge(merged, tomllib.load(file))
        return model.model_validate(merged)

    return load


def pydantic_settings(files: Files) -> Load:
    import pydantic_settings as ps

    class FromToml(ps.BaseSettings):
        @classmethod
        def settings_customise_sources(cls, settings_cls: Any, *sources: Any, **more: Any) -> Any:
            return (ps.TomlConfigSettingsSource(settings_cls, deep_merge=True),)

    return models.pydantic_model(FromToml, toml_file=list(files))


def dynaconf(files: Files) -> Load:
    import dynaconf as library

    values = models.defaults()
    # As an argument, this name would be taken for one of the library's own options.
    environment = library.Validator("ENVIRONMENT", default=values.pop("ENVIRONMENT"))
    values |= {"settings_files": list(files), "merge_enabled": True, "validators": [environment]}
    values |= {"envvar_prefix": False, "loaders": [], "core_loaders": ["TOML"]}

    def load() -> Any:
        settings: Any = library.Dynaconf(**values)
        assert settings.LOG_LEVEL  # it is lazy, and loads when first asked
        return settings

    return load


def typed_settings(files: Files) -> Load:
    import typed_settings as library

    model: Any = models.dataclass_model()
    loader = library.FileLoader({"*.toml": library.TomlFormat(None)}, list(files))
    return lambda: library.load_settings(model, [loader])


def confz(files: Files) -> Load:
    import confz as library

    model: Any = models.pydantic_model(library.BaseConfig)
    sources = [library.FileSource(path) for path in files]
    return lambda: model(config_sources=sources)


def omegaconf(files: Files) -> Load:
    from omegaconf import OmegaConf

    values = OmegaConf.create(models.defaults())

    def load() -> Any:
        layers: list[Any] = []
        for path in files:
            with open(path, "rb") as file:
                layers.append(OmegaConf.create(tomllib.load(file)))
        return OmegaConf.merge(values, *layers)

    return load


def dynamic_config(files: Files) -> Load:
    return lambda: dynamic_source(files).load()


def dynamic_source(files: Files) -> Any:
    """A configuration that validates with the very same class."""
    import dynamic_config as library

    source: Any = library.DynamicConfig(Settings, key="").whole_document()
    for path in files:
        source = source.file(path)
    return source


LOADERS: Mapping[str, Callable[[Files], Load]] = {
    FLOOR: floor,
    HOTSETTINGS: hotsettings,
    PYDANTIC: by_hand,
    "pydantic-settings": pydantic_settings,
    "confz": confz,
    DYNAMIC: dynamic_config,
    "omegaconf": omegaconf,
    "typed-settings": typed_settings,
    "dynaconf": dynaconf,
}
VALIDATES = {
    FLOOR: "everything",
    HOTSETTINGS: "everything",
    PYDANTIC: "everything",
    "pydantic-settings": "everything",
    "confz": "everything",
    DYNAMIC: "everything",
    "omegaconf": "nothing",
    "typed-settings": "types",
    "dynaconf": "nothing",
}


def values_of(settings: Any) -> dict[str, Any]:
    """What any of the loaders gave, as TOML would have it."""
    return {name: plain(getattr(settings, name)) for name in Settings.__struct_fields__}


def plain(value: Any) -> Any:
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump()
    if isinstance(value, Mapping) or type(value).__name__ == "DictConfig":
        return {key: plain(item) for key, item in value.items()}
    if type(value).__name__ == "ListConfig" or isinstance(value, list):
        return [plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return as_values(value)


def loaders(files: Files) -> dict[str, Load]:
    """All of them. Raises AssertionError unless they give equal settings."""
    made = {name: make(files) for name, make in LOADERS.items()}
    expected = values_of(made[HOTSETTINGS]())
    for name, load in made.items():
        found = values_of(load())
        differing = [key for key in expected if expected[key] != found[key]]
        assert not differing, f"{name} gives other values for {', '.join(differing)}"
    return made
