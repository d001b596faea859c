"""Six applications' settings, as their teams write them: what the library and its commands make of their files."""

from __future__ import annotations

import datetime
import json
import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from support.applications import (
    Application,
    Place,
    load,
    mistaken,
    put,
    replaced,
    toml,
    toml_files,
    value_at,
)
from support.canaries.leaks import assert_none
from support.canaries.outputs import of_settings
from support.command import Result, Run
from support.faults.volumes import Volume

from hotsettings import enc_hook

pytestmark = pytest.mark.usefixtures("folder")

HIDDEN = "********"


@pytest.fixture
def command(run: Run, application: Application) -> Callable[..., Result]:
    """Run a command on the application; nothing that it prints has a secret."""

    def command(name: str, *args: str, layers: Sequence[str] | None = None) -> Result:
        result = run(name, application.command_class, *args, *(application.options if layers is None else layers))
        assert_none([(name, result.out), (name, result.err)], application.planted)
        return result

    return command


def test_it_loads(application: Application) -> None:
    settings = load(application)
    assert {steps: value_at(settings, steps) for steps in application.loaded} == application.loaded
    for steps, secret in application.secrets.items():
        assert secret in str(value_at(settings, steps))
    assert_none(of_settings(settings), application.planted)


def test_explain(application: Application, command: Callable[..., Result]) -> None:
    for key, entries in application.explained.items():
        result = command("explain", key, "--json")
        assert (result.code, result.json()["key"]) == (0, key)
        found = [(each["value"], written(each), each["live"]) for each in result.json()["entries"]]
        assert found == [(entry.value, resolved(entry.at), entry.live) for entry in entries], key
        lines = command("explain", key).out.splitlines()
        assert lines[0] == key
        for line, entry in zip(lines[1:], entries, strict=True):
            assert line.startswith("  → " if entry.live else "    ")
            assert line.rpartition("  ")[2].startswith(resolved(entry.at))


def test_check_finds_nothing(application: Application, command: Callable[..., Result]) -> None:
    result = command("check")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0] == application.summary
    as_json = command("check", "--json").json()
    assert (as_json["problems"], as_json["total"]) == ([], 0)
    found = [(each["code"], each["key"], written(each)) for each in as_json["warnings"]]
    assert sorted(found) == sorted((code, key, resolved(at)) for code, key, at in application.warnings)
    for _, key, at in application.warnings:
        assert f"  {resolved(at)}  {key}: " in result.out


def test_check_finds_a_mistake_in_each_nested_kind(
    application: Application, command: Callable[..., Result], volume: Volume
) -> None:
    for mistake in application.mistakes:
        with mistaken(mistake, volume if application.mounted else None) as place:
            result, as_json = command("check"), command("check", "--json")
        assert (result.code, as_json.code) == (1, 1), mistake
        assert result.out.splitlines()[:2] == ["Invalid settings: 1 problem", f"  {mistake.said(place)}"]
        [problem] = as_json.json()["problems"]
        assert (problem["code"], problem["key"]) == (mistake.code, mistake.key)
        assert written(problem) == place
        assert "; ".join(filter(None, (problem["message"], problem["hint"]))) == mistake.message
    assert command("check").code == 0


def test_show_is_toml_of_the_same_settings(application: Application, command: Callable[..., Result]) -> None:
    result = command("show")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    for line in application.shown:
        assert line in lines
    values = tomllib.loads(result.out)
    for steps, value in application.masked.items():
        put(values, steps, value)
    assert same(application.settings.from_values(**values), from_files(application))


def test_show_as_json(application: Application, command: Callable[..., Result]) -> None:
    found = command("show", "--json").json()
    lines = command("show").out.splitlines()
    for line in application.shown:
        key, _, rest = line.removeprefix("# ").partition(" = ")
        if "[{" in rest:
            continue  # an array of tables is one line of TOML, and here each of its leaves is a key
        value, _, origin = rest.rpartition("  # ")
        assert (found[key]["line"] is None) == (":" not in origin), line
        if value == HIDDEN:
            assert found[key]["value"] == HIDDEN
        elif value == "not set":
            assert found[key]["value"] is None
        elif not isinstance(said := tomllib.loads(f"x = {value}")["x"], datetime.date | datetime.time | float):
            assert found[key]["value"] == said
        if found[key]["line"] is not None:
            assert written(found[key]) == origin
    assigned = [line.removeprefix("# ").partition(" = ")[::2] for line in lines if " = " in line]
    assert {key for key, value in assigned if not value.startswith("[{")} <= {*found}


def test_diff(application: Application, command: Callable[..., Result]) -> None:
    changed = application.differing
    to = [word if word != "--layer" else "--to-layer" for word in application.options]
    for name, texts in changed.files.items():
        Path("other", name).parent.mkdir(parents=True, exist_ok=True)
        Path("other", name).write_text(replaced(Path(name), texts), encoding="utf-8")
        to = [word if word.partition(",")[0] != name else f"other/{word}" for word in to]
    result = command("diff", *to, "--json")
    assert result.code == 0, result
    found = {key: (each["old"]["value"], each["new"]["value"]) for key, each in result.json().items()}
    assert found == changed.inside
    text = command("diff", *to).out.splitlines()
    assert [line for line in text if not line.startswith("  ")] == [
        f"{key}  needs a restart" if key in changed.restart else key for key in changed.inside
    ]
    assert all(line == line.rstrip() for line in text)


def test_the_templates_pass_a_check_together(application: Application, command: Callable[..., Result]) -> None:
    # What a user would do with their output.
    Path("template.toml").write_text(command("template", layers=()).out, encoding="utf-8")
    Path("template.secrets.toml").write_text(command("template", "--secrets", layers=()).out, encoding="utf-8")
    Path("template.secrets.toml").chmod(0o600)
    result = command("check", layers=("--config", "template.toml", "--secrets", "template.secrets.toml"))
    assert (result.code, [line for line in result.out.splitlines() if "Warnings" in line]) == (0, []), result.out


def test_the_reference_has_a_row_for_each_leaf(application: Application, command: Callable[..., Result]) -> None:
    rows = [line for line in command("reference", layers=()).out.splitlines() if line.startswith("|")]
    for row in application.rows:
        # `typing` takes Meta(gt=0) and Meta(gt=0.0) for the same, and keeps whichever a test has made first.
        assert row in rows or row.replace("than 0.0", "than 0") in rows
    derived = [row for row in rows if len(re.findall(r"(?<!\\)\|", row)) == 4]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 7 for row in rows if row not in derived)
    keys = [row.split("|")[1] for row in rows if row.startswith("| `")]
    assert len(keys) == len(set(keys))


def test_the_schema_takes_the_layers_and_marks_the_mistakes(
    application: Application, command: Callable[..., Result]
) -> None:
    schema = json.loads(command("schema", layers=()).out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)

    def marks(path: Path) -> list[str]:
        return [each.message for each in validator.iter_errors(as_json(toml(path)))]

    for path in toml_files():
        assert marks(path) == [], path
    for mistake in application.mistakes:
        if mistake.file.endswith(".toml"):
            with mistaken(mistake):
                assert bool(marks(Path(mistake.file))) == mistake.in_schema, mistake


def from_files(application: Application) -> Any:
    """What the commands see: the settings without the values that the program has."""
    named = [layer for layer in application.layers() if hasattr(layer, "path")]
    return application.settings(layers=named)


def same(one: Any, other: Any) -> bool:
    """Whether settings are equal; NaN equals itself here."""
    return one == other or repr(plain(one)) == repr(plain(other))


def plain(settings: Any) -> Any:
    return msgspec.to_builtins(settings, enc_hook=enc_hook, order="sorted")


def resolved(at: Place | str) -> str:
    return at if isinstance(at, str) else at.resolve()


def written(origin: dict[str, Any]) -> str:
    if origin["line"] is None:
        return str(origin["file"] or origin["layer"])
    return f"{origin['file']}:{origin['line']}:{origin['column']}"


def as_json(value: Any) -> Any:
    """TOML as the schemas of editors see it: dates and times are strings."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value
