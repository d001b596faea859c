"""What loading costs, against the same job done by hand and done with tomllib and pydantic.

Run it with `make bench`. The ratios are what counts: they are taken within each round, so that a machine that is busy,
slow or throttled changes both sides alike. See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

import msgspec
import pydantic
import toml_rs

from hotsettings import shape
from hotsettings.schema import Schema, as_values
from hotsettings.settings import schema_of
from integr8scode.settings import Runtime, Settings

ROOT = Path(__file__).parent.parent
CONFIG = str(ROOT / "config.toml")
SECRETS = str(ROOT / "secrets.example.toml")
OVERRIDE = str(ROOT / "config.coordinator.toml")
FILES = (CONFIG, SECRETS, OVERRIDE)

LOADS = 20
"""Loads of each kind that one round measures in a row."""

IMPORT = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


class Bound(NamedTuple):
    """`subject` may cost at most `most` times what `reference` costs."""

    subject: str
    reference: str
    most: float


BY_HOTSETTINGS = "Settings()"
BY_HAND = "toml_rs and msgspec, by hand"
BY_PYDANTIC = "tomllib and pydantic"
IMPORT_ALL = "import hotsettings"
IMPORT_PARTS = "import msgspec, toml_rs"

LOADING = (Bound(BY_HOTSETTINGS, BY_HAND, 1.5), Bound(BY_HOTSETTINGS, BY_PYDANTIC, 0.25))
IMPORTING = (Bound(IMPORT_ALL, IMPORT_PARTS, 1.5),)


def by_hotsettings() -> Settings:
    return Settings(CONFIG, secrets_path=SECRETS, override_path=OVERRIDE)


def by_hand() -> Settings:
    """The shortest loop that gives the same settings; it guards against nothing and explains nothing."""
    merged: dict[str, Any] = {}
    for path in FILES:
        with open(path, "rb") as file:
            merged = merge(merged, toml_rs.loads(file.read().decode()))
    return msgspec.convert(merged, Settings)


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = merge(below[key], above[key])
    return merged


def by_pydantic(model: type[pydantic.BaseModel]) -> Callable[[], pydantic.BaseModel]:
    def load() -> pydantic.BaseModel:
        merged: dict[str, Any] = {}
        for path in FILES:
            with open(path, "rb") as file:
                merged = merge(merged, tomllib.load(file))
        return model.model_validate(merged)

    return load


def pydantic_model(schema: Schema) -> type[pydantic.BaseModel]:
    """A model with the same fields, limits and rules, as strict and as frozen."""
    config = pydantic.ConfigDict(strict=True, extra="forbid", frozen=True)

    class Rules(pydantic.BaseModel):
        model_config = config

        @pydantic.model_validator(mode="after")
        def rules(self) -> Any:
            Settings.__post_init__(self)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
            return self

    runtime = pydantic.create_model("Runtime", __config__=config, **fields_of(Runtime, {}))
    return pydantic.create_model("Settings", __base__=Rules, **fields_of(schema.cls, {Runtime: runtime}))


def fields_of(struct: type[msgspec.Struct], models: dict[Any, Any]) -> Any:
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        bare, notes = shape.unwrap(field.type)
        annotation = translated(bare, models)
        if may_be_none(msgspec.inspect.type_info(field.type)):
            annotation = annotation | None
        limits = [note for note in notes if isinstance(note, msgspec.Meta)]
        given = {
            name: value
            for name in ("ge", "gt", "le", "lt", "pattern", "min_length", "max_length")
            for value in (getattr(limit, name) for limit in limits)
            if value is not None
        }
        default = ... if field.required else as_values(field.default)
        fields[field.name] = (annotation, pydantic.Field(default, **given))
    return fields


def may_be_none(info: msgspec.inspect.Type) -> bool:
    while isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    return isinstance(info, msgspec.inspect.UnionType) and info.includes_none


def translated(bare: Any, models: dict[Any, Any]) -> Any:
    """The type as pydantic takes it: in strict mode it wants a list where TOML has an array."""
    origin, arguments = get_origin(bare), get_args(bare)
    if origin is tuple:
        return list[arguments[0]]  # type: ignore[valid-type]
    if origin is Mapping:
        return dict[arguments[0], models.get(arguments[1], arguments[1])]  # type: ignore[misc,valid-type]
    return bare


def timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(LOADS):
        function()
    return (time.perf_counter() - start) / LOADS


def import_time(modules: str) -> float:
    command = [sys.executable, "-I", "-c", IMPORT.format(modules)]
    return float(subprocess.run(command, capture_output=True, check=True).stdout)


def rounds(what: str, count: int, measures: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Measure each kind once a round, in turns, so that a disturbance meets them all."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(count):
        if sys.stderr.isatty():
            print(f"\r{what}: round {number + 1} of {count} ", end="", file=sys.stderr, flush=True)
        for name, measure in measures.items():
            taken[name].append(measure())
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return taken


def ratio(bound: Bound, taken: dict[str, list[float]]) -> float:
    pairs = zip(taken[bound.subject], taken[bound.reference], strict=True)
    return statistics.median(subject / reference for subject, reference in pairs)


def environment() -> str:
    versions = (f"{name} {metadata.version(name)}" for name in ("hotsettings", "msgspec", "toml-rs", "pydantic"))
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {', '.join(versions)}\n{processor()}, {platform.system()} {platform.release()}"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} x {models[0]}" if models else platform.processor() or platform.machine()


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what loading costs, against the usual ways to do it.")
    parser.add_argument("--rounds", type=int, default=100, help="rounds of loading (default: %(default)s)")
    parser.add_argument("--imports", type=int, default=25, help="rounds of importing (default: %(default)s)")
    parser.add_argument(
        "--check",
        nargs="?",
        type=float,
        const=1.0,
        metavar="MARGIN",
        help="exit with 1 if a ratio is above its bound; with MARGIN, above that many times the bound",
    )
    args = parser.parse_args()

    model = pydantic_model(schema_of(Settings))
    assert len(model.model_fields) == len(Settings.__struct_fields__)
    loaders: dict[str, Callable[[], Any]] = {
        BY_HOTSETTINGS: by_hotsettings,
        BY_HAND: by_hand,
        BY_PYDANTIC: by_pydantic(model),
    }
    expected = by_hotsettings()
    for load in loaders.values():  # they agree, and are warm
        settings = load()
        assert all(
            as_values(getattr(expected, name)) == as_values_of(getattr(settings, name))
            for name in Settings.__struct_fields__
        )

    gc.disable()
    loading = rounds("loading", args.rounds, {name: partial(timed, load) for name, load in loaders.items()})
    imports = {name: partial(import_time, name.removeprefix("import ")) for name in (IMPORT_ALL, IMPORT_PARTS)}
    importing = rounds("importing", args.imports, imports)

    margin = 1.0 if args.check is None else args.check
    within = True
    for bounds, taken in ((LOADING, loading), (IMPORTING, importing)):
        for bound in bounds:
            found = ratio(bound, taken)
            good = found <= bound.most * margin
            within = within and good
            verdict = "" if good else "  TOO MUCH"
            print(f"{found:5.2f}  {bound.subject} / {bound.reference}  (at most {bound.most * margin:.4g}){verdict}")
    print(f"\nMedians of {args.rounds} rounds with {LOADS} loads of three files, and of {args.imports} imports:")
    for name, times in (*loading.items(), *importing.items()):
        middle = statistics.median(times)
        print(f"{middle * 1e6:9.1f} us  {name}" if middle < 1e-3 else f"{middle * 1e3:9.1f} ms  {name}")
    print(f"\n{environment()}")
    return 0 if within or args.check is None else 1


def as_values_of(value: Any) -> Any:
    """A value of the model as TOML would have it."""
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump()
    if isinstance(value, dict):
        return {key: as_values_of(item) for key, item in value.items()}
    return as_values(value)


if __name__ == "__main__":
    sys.exit(main())
