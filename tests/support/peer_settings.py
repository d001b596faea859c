"""The same small settings in each library that docs/comparison.md compares, set up as its documentation says."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import confz as confz_library
import dynaconf as dynaconf_library
import dynamic_config as dynamic_library
import msgspec
import omegaconf as omegaconf_library
import pydantic
import pydantic_settings as pydantic_settings_library
import typed_settings as typed_library

from hotsettings import BaseSettings, Secret

SECRET = "hunter2"
"""Too short for a token."""
LONG = "a" * 40


class Settings(BaseSettings):
    TIMEOUT: int = 1
    WORKERS: int = 4
    TOKEN: Secret[Annotated[str, msgspec.Meta(min_length=32)]] = LONG
    HOSTS: tuple[str, ...] = ()
    LIMITS: Mapping[str, int] = {}


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    TIMEOUT: int = 1
    WORKERS: int = 4
    TOKEN: Annotated[str, msgspec.Meta(min_length=32, extra={"secret": True})] = LONG
    HOSTS: tuple[str, ...] = ()
    LIMITS: Mapping[str, int] = msgspec.field(default_factory=dict)


LONG_TOKEN = typed_library.SecretStr(LONG)


@dataclasses.dataclass(frozen=True)
class Dataclass:
    TIMEOUT: int = 1
    WORKERS: int = 4
    TOKEN: typed_library.SecretStr = LONG_TOKEN
    HOSTS: tuple[str, ...] = ()
    LIMITS: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Structured:
    TIMEOUT: int = 1
    WORKERS: int = 4
    TOKEN: str = LONG
    HOSTS: list[str] = dataclasses.field(default_factory=list)
    LIMITS: dict[str, int] = dataclasses.field(default_factory=dict)


def model(base: type[pydantic.BaseModel] = pydantic.BaseModel, **more: Any) -> type[Any]:
    """A strict, frozen model."""
    config: Any = {**base.model_config, "strict": True, "extra": "forbid", "frozen": True, **more}

    class Model(base):  # type: ignore[misc, valid-type]  # a base that only the caller knows
        model_config = config
        TIMEOUT: int = 1
        WORKERS: int = 4
        TOKEN: Annotated[pydantic.SecretStr, pydantic.Field(min_length=32)] = pydantic.SecretStr(LONG)
        HOSTS: Annotated[tuple[str, ...], pydantic.Field(strict=False)] = ()
        LIMITS: Mapping[str, int] = {}

    return Model


def hotsettings(*files: Path) -> Any:
    override = files[1] if files[1:] else None
    return Settings(files[0], secrets_path=None, override_path=override)


def dynamic_source(*files: Path, schema: Any = Struct) -> Any:
    source: Any = dynamic_library.DynamicConfig(schema, key="").whole_document()
    for file in files:
        source = source.file(str(file))
    return source


def dynamic(*files: Path) -> Any:
    return dynamic_source(*files).init_and_current()


def dynamic_with_pydantic(*files: Path) -> Any:
    return dynamic_source(*files, schema=model()).init_and_current()


def pydantic_settings(*files: Path) -> Any:
    library = pydantic_settings_library

    class FromToml(library.BaseSettings):
        @classmethod
        def settings_customise_sources(cls, settings_cls: Any, *sources: Any, **more: Any) -> Any:
            return (library.TomlConfigSettingsSource(settings_cls, deep_merge=True),)

    return model(FromToml, toml_file=list(files))()


def dynaconf(*files: Path) -> Any:
    valid = dynaconf_library.Validator
    settings = dynaconf_library.Dynaconf(
        settings_files=[str(file) for file in files],
        merge_enabled=True,
        envvar_prefix=False,
        loaders=[],
        core_loaders=["TOML"],
        TIMEOUT=1,
        WORKERS=4,
        TOKEN=LONG,
    )
    settings.validators.register(
        valid("TIMEOUT", is_type_of=int), valid("WORKERS", is_type_of=int), valid("TOKEN", len_min=32)
    )
    settings.validators.validate_all()
    return settings


def typed_settings(*files: Path) -> Any:
    loader = typed_library.FileLoader({"*.toml": typed_library.TomlFormat(None)}, list(files))
    return typed_library.load_settings(Dataclass, [loader])


def confz(*files: Path) -> Any:
    return model(confz_library.BaseConfig)(config_sources=[confz_library.FileSource(file) for file in files])


def omegaconf(*files: Path) -> Any:
    """Its own files are YAML: these are parsed for it."""
    create = omegaconf_library.OmegaConf.create
    layers = [create(tomllib.loads(file.read_text(encoding="utf-8"))) for file in files]
    settings = omegaconf_library.OmegaConf.merge(omegaconf_library.OmegaConf.structured(Structured), *layers)
    omegaconf_library.OmegaConf.set_readonly(settings, value=True)
    return settings


def from_environment(peer: str) -> int:
    """The number that APP_TIMEOUT holds."""
    lower: Any = pydantic.create_model("Lower", timeout=(int, 1), __base__=confz_library.BaseConfig)
    prefixed = model(pydantic_settings_library.BaseSettings, strict=False, env_prefix="APP_")
    library = typed_library
    readers: dict[str, Callable[[], Any]] = {
        "dynamic-config-py": lambda: dynamic_source(schema=Lower).env("APP_").init_and_current().timeout,
        "pydantic-settings": lambda: prefixed().TIMEOUT,
        "dynaconf": lambda: dynaconf_library.Dynaconf(envvar_prefix="APP").TIMEOUT,
        "typed-settings": lambda: library.load_settings(Dataclass, [library.EnvLoader("APP_")]).TIMEOUT,
        "confz": lambda: lower(config_sources=confz_library.EnvSource(allow=["timeout"], prefix="APP_")).timeout,
        "omegaconf": lambda: omegaconf_library.OmegaConf.create({"TIMEOUT": "${oc.env:APP_TIMEOUT}"}).TIMEOUT,
    }
    return int(readers[peer]())


class Lower(msgspec.Struct):
    timeout: int = 1


def from_other_format(peer: str, file: Path) -> int:
    """TIMEOUT from a file of YAML or JSON, by its suffix."""
    library = pydantic_settings_library

    class FromFile(library.BaseSettings):
        @classmethod
        def settings_customise_sources(cls, settings_cls: Any, *sources: Any, **more: Any) -> Any:
            if file.suffix == ".json":
                return (library.JsonConfigSettingsSource(settings_cls, json_file=file),)
            return (library.YamlConfigSettingsSource(settings_cls, yaml_file=file),)

    readers: dict[str, Callable[[], Any]] = {
        "hotsettings": lambda: hotsettings(file).TIMEOUT,
        "dynamic-config-py": lambda: dynamic(file).TIMEOUT,
        "pydantic-settings": lambda: model(FromFile)().TIMEOUT,
        "dynaconf": lambda: dynaconf_library.Dynaconf(settings_files=[str(file)]).TIMEOUT,
        "typed-settings": lambda: typed_settings(file).TIMEOUT,
        "confz": lambda: confz(file).TIMEOUT,
        "omegaconf": lambda: omegaconf_library.OmegaConf.load(file).TIMEOUT,
    }
    return int(readers[peer]())


LOADERS: dict[str, Callable[..., Any]] = {
    "hotsettings": hotsettings,
    "dynamic-config-py": dynamic,
    "pydantic-settings": pydantic_settings,
    "dynaconf": dynaconf,
    "typed-settings": typed_settings,
    "confz": confz,
    "omegaconf": omegaconf,
}
