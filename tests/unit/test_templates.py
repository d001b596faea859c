"""Whatever is generated for any class is valid: templates, what show prints, and the JSON Schema, which agrees with loading."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
from datetime import date, time
from typing import Any

import jsonschema
import pytest
import toml_rs
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields
from support.examples import examples
from support.fuzz.classes import settings_class

from hotsettings import InvalidSettings, Problem
from hotsettings._layers.file import FileLayer
from hotsettings._layers.layer import Document, parse
from hotsettings._loading.explain import effective
from hotsettings._loading.load import Loaded, assemble
from hotsettings._loading.merge import merge
from hotsettings._schema.schema import Schema, schema_of
from hotsettings.cli.commands.schema import json_schema
from hotsettings.cli.commands.show import as_toml
from hotsettings.cli.commands.template import config, secrets_example
from hotsettings.cli.secret_warnings import not_secret_in, secrets_in
from hotsettings.errors import NO_PROBLEMS

BASE = FileLayer("c", name="base", label="config.toml")
SECRETS = FileLayer("s", name="secrets", label="secrets.toml", secret=True)
SEEDS = st.integers(min_value=0, max_value=2**32)

pytestmark = pytest.mark.toml_rs


def checked(schema: Schema, config: str, secrets: str) -> Loaded | None:
    """Load both texts. Problems and warnings of check fail, except where a rule of the class refuses values that it must."""
    base, hidden = parse(BASE, config.encode()), parse(SECRETS, secrets.encode())
    assert isinstance(base, Document), base.problem
    assert isinstance(hidden, Document), hidden.problem
    assert secrets_in(schema, base, [hidden]) == NO_PROBLEMS
    assert not_secret_in(schema, hidden) == NO_PROBLEMS
    problems: list[Problem] = []
    try:
        return assemble(schema, [base, hidden])
    except InvalidSettings as error:
        problems += error.problems
    assert [problem for problem in problems if problem.code != "rule"] == []
    return None


def uncommented(template: str) -> str:
    return re.sub(r"(?m)^#(?=[^ :])", "", template)


def generated(seed: int) -> tuple[Schema, str, str]:
    schema = schema_of(settings_class(random.Random(seed)))
    return schema, config(schema), secrets_example(schema)


@examples(150)
@given(SEEDS)
def test_both_templates_together_are_valid(seed: int) -> None:
    checked(*generated(seed))


@examples(150)
@given(SEEDS)
def test_and_stay_so_with_every_key_set(seed: int) -> None:
    schema, config, secrets = generated(seed)
    checked(schema, uncommented(config), uncommented(secrets))


@examples(150)
@given(SEEDS, st.booleans())
def test_what_show_prints_is_valid_beside_the_secrets(seed: int, everything: bool) -> None:
    schema, config, secrets = generated(seed)
    texts = (uncommented(config), uncommented(secrets)) if everything else (config, secrets)
    loaded = checked(schema, *texts)
    if loaded is not None:
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            as_toml(effective(loaded))
        checked(schema, shown.getvalue(), texts[1])


def as_json(value: Any) -> Any:
    """A value of TOML as editors see it that read a JSON Schema."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return list(map(as_json, value))
    return value.isoformat() if isinstance(value, date | time) else value


def refusals(schema: Schema, text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(json.loads(json_schema(schema)))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(as_json(toml_rs.loads(text)))]


@examples(150)
@given(SEEDS)
def test_the_json_schema_takes_what_is_generated(seed: int) -> None:
    schema, config, secrets = generated(seed)
    jsonschema.Draft202012Validator.check_schema(json.loads(json_schema(schema)))
    for text in (config, secrets, uncommented(config), uncommented(secrets)):
        assert refusals(schema, text) == []


def entries(node: Any) -> Any:
    """Every part of a JSON Schema."""
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from entries(inner)


@examples(150)
@given(SEEDS)
def test_defaults_in_the_json_schema_are_valid(seed: int) -> None:
    whole = json.loads(json_schema(generated(seed)[0]))
    for entry in entries(whole):
        if "default" in entry and entry is not whole.get("properties"):
            of_it = jsonschema.Draft202012Validator({"$defs": whole.get("$defs", {}), **entry})
            assert [error.message for error in of_it.iter_errors(entry["default"])] == []


WRONG: list[Any] = [True, 4711, 1.5, -1, "no such thing", [], [[]], {}, {"no such key": 1}]
"""Values of which most do not fit a place."""
EXPRESSIBLE = {"wrong-type", "unknown-key", "out-of-range", "wrong-length", "not-an-option", "no-match"}
"""Codes of problems that a JSON Schema sees too, but for these: it takes a string for a date, says nothing of what Before
converts, and describes a Struct once, although it may be tolerant in one place and strict in another."""


def positions(value: Any, path: tuple[str | int, ...] = ()) -> Any:
    """The paths of everything in a document."""
    yield path
    for part, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from positions(inner, (*path, part))


def changed(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """A copy of a document with another value at a path."""
    if not path:
        return new
    items = dict(value) if isinstance(value, dict) else dict(enumerate(value))
    items[path[0]] = changed(items[path[0]], path[1:], new)
    return items if isinstance(value, dict) else list(items.values())


def codes(schema: Schema, values: dict[str, Any]) -> set[str]:
    try:
        assemble(schema, [Document(BASE, "", values)])
    except InvalidSettings as error:
        return {problem.code for problem in error.problems}
    return set()


@examples(100)
@given(SEEDS)
def test_the_json_schema_and_loading_refuse_the_same(seed: int) -> None:
    schema, config, secrets = generated(seed)
    validator = jsonschema.Draft202012Validator(json.loads(json_schema(schema)))
    whole = merge([toml_rs.loads(uncommented(config)), toml_rs.loads(uncommented(secrets))])
    at = random.Random(seed).choice(list(positions(whole)))
    kind = "".join(str(field.type) for field in fields(schema.cls) if field.encode_name in at[:1])
    for wrong in WRONG if at else [{**whole, "no such key": 1}]:
        values = changed(whole, at, wrong)
        found, refused = codes(schema, values), not validator.is_valid(as_json(values))
        assert not refused or found, f"{at}: {wrong!r} is refused by the schema alone"
        if "Before" in kind or isinstance(wrong, str):
            continue
        seen = EXPRESSIBLE - ({"unknown-key"} if "TOLERANT" in str(schema.cls.__annotations__) else set())
        assert refused or not found & seen, f"{at}: {wrong!r} is taken by the schema alone: {found}"
