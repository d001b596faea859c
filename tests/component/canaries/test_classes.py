"""Generated classes with secrets of many kinds and shapes are loaded, broken, shown and checked: no secret shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from support.canaries.classes import KINDS, Made, generated, text
from support.canaries.files import importable, loaded, put
from support.canaries.forms import FORMS
from support.canaries.leaks import assert_none
from support.canaries.outputs import Log, Output, command, of_error, of_settings
from support.canaries.shapes import SHAPES
from support.examples import examples

from hotsettings import SettingsError


def commands(made: Made, folder: Path, random: Random, *, every: bool = False) -> Iterator[Output]:
    """What the command says of these files; one of the formats, or every one."""
    files = ["--config", str(folder / "config.toml"), "--secrets", str(folder / "secrets.toml")]
    with importable(made) as name:
        (folder / "other.toml").write_text(made.config_text("PORT"))
        other = ["--to-config", str(folder / "other.toml"), "--to-secrets", ""]
        chosen = [["check", name, *files, "--format", report] for report in ("text", "json", "github")]
        for more in ([], ["--json"]):
            chosen += [["show", name, *files, *more], ["diff", name, *files, *other, *more]]
            chosen += [["explain", name, field.name, *files, *more] for field in made.fields]
        for arguments in chosen if every else random.sample(chosen, 1):
            yield command(*arguments)


def outcome(made: Made, folder: Path, random: Random, config: str, secrets: str, fails: bool | None) -> list[Output]:
    """All that comes of these files."""
    put(folder, config, secrets)
    with Log() as log:
        result = loaded(made.cls, folder)
        outputs = list(
            of_error(result, rich=random.random() < 0.1) if isinstance(result, Exception) else of_settings(result)
        )
        outputs += commands(made, folder, random)
    if fails is not None:
        assert isinstance(result, SettingsError) is fails, result
    return outputs + list(log.outputs())


# What can be wrong. Each takes the class and returns the two files, and whether loading them must fail.
Files = tuple[str, str, bool | None]


def good(made: Made, random: Random) -> Files:
    return made.config_text(), made.secrets_text(), False


def wrong_type(made: Made, random: Random) -> Files:
    field = random.choice(made.fields)
    return made.config_text(), made.secrets_text(**{field.name: field.wrong}), True


def all_wrong(made: Made, random: Random) -> Files:
    return made.config_text(), made.secrets_text(**{field.name: field.wrong for field in made.fields}), True


def in_config(made: Made, random: Random) -> Files:
    """The secrets stand in the wrong file, and something beside them is wrong."""
    return made.secrets_text() + made.config_text("PORT") + "PORT = 'x'\n", "", True


def wrong_in_config(made: Made, random: Random) -> Files:
    field = random.choice(made.fields)
    return made.secrets_text(**{field.name: field.wrong}) + made.config_text(), "", True


def misspelt(made: Made, random: Random) -> Files:
    """A secret key with two letters exchanged, in either file."""
    field = random.choice(made.fields)
    name = field.name
    wrong = name[0] + name[2] + name[1] + name[3:] if len(name) > 2 and name[1] != name[2] else name + "x"
    line = f"{wrong} = {field.toml}\n"
    if random.random() < 0.5:
        return made.config_text() + line, made.secrets_text(), True
    return made.config_text(), made.secrets_text() + line, True


def undeclared(made: Made, random: Random) -> Files:
    """A key of the secrets file that the class does not know."""
    field = random.choice(made.fields)
    return made.config_text(), made.secrets_text() + f"LEGACY = {field.toml}\n[legacy]\nmore = {field.toml}\n", True


def plain_is_wrong(made: Made, random: Random) -> Files:
    """A plain field of config.toml says the secret's own value, and does not take it."""
    secret = random.choice(made.secrets).text
    value = random.choice(
        [text(secret), f"[{text(secret)}]", text(f"see {secret} there"), text("x") + f" # {json.dumps(secret)}"]
    )
    return made.config_text("PORT") + f"PORT = {value}\n", made.secrets_text(), True


def plain_in_secrets(made: Made, random: Random) -> Files:
    """A plain field gets its wrong value from the secrets file."""
    secret = random.choice(made.secrets).text
    return (
        made.config_text("PORT", "MODE"),
        f"PORT = {text(secret)}\nMODE = {text(secret)}\n" + made.secrets_text(),
        True,
    )


def base_quotes(made: Made, random: Random) -> Files:
    """config.toml is no TOML, and the line to blame quotes what secrets.toml holds."""
    secret = json.dumps(random.choice(made.secrets).text, ensure_ascii=False)
    broken = random.choice(
        [f"NAME = {secret[:-1]}", f"NAME = {secret} {secret}", f"NAME = 'x' # {secret}\x00", f"NAME = x{secret}", f"NAME: {secret}",
         f"{secret}", f"NAME = [{secret}", f"NAME = 'x'\nNAME = {secret}", f"LABELS = {{ a = {secret}, a = 1 }}"]
    )  # fmt: skip
    return made.config_text("NAME", "LABELS") + broken + "\n", made.secrets_text(), True


def cut_off(made: Made, random: Random) -> Files:
    """The secrets file ends in the middle."""
    whole = made.secrets_text()
    return made.config_text(), whole[: random.randrange(1, len(whole))] + random.choice(["", "\x00", '"', "\\q"]), None


def damaged(made: Made, random: Random) -> Files:
    whole = made.secrets_text() + made.config_text()
    at = random.randrange(len(whole))
    piece = random.choice(["\n", "'", '"', "[", "]", "=", "\\", "#", "\x00", "'''", "{", "}"])
    return whole[:at] + piece + whole[at + random.randrange(3) :], random.choice(["", made.secrets_text()]), None


SITUATIONS: list[Callable[[Made, Random], Files]] = [
    good, wrong_type, all_wrong, in_config, wrong_in_config, misspelt, undeclared, plain_is_wrong, plain_in_secrets, base_quotes,
    cut_off, damaged,
]  # fmt: skip

many = examples(
    200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
kinds = st.lists(st.tuples(st.sampled_from(list(KINDS)), st.sampled_from(list(SHAPES))), min_size=1, max_size=3)
seeds = st.integers(0, 2**32)


@many
@given(kinds, seeds, st.sampled_from(SITUATIONS))
def test_whatever_the_files_say(
    tmp_path: Path, kinds: list[tuple[str, str]], seed: int, situation: Callable[[Made, Random], Files]
) -> None:
    random = Random(seed)
    strict = random.random() < 0.8
    made = generated(kinds, random, forbid_unknown_fields=strict)
    config, secrets, fails = situation(made, random)
    if not strict and situation in (misspelt, undeclared):
        fails = False
    assert_none(outcome(made, tmp_path, random, config, secrets, fails), made.secrets)


@many
@given(kinds, seeds, st.sampled_from(FORMS))
def test_a_rule_that_quotes(
    tmp_path: Path, kinds: list[tuple[str, str]], seed: int, form: Callable[[str], str]
) -> None:
    random = Random(seed)

    def rule(_: Any) -> None:
        raise ValueError("no: " + " and ".join(form(secret.text) for secret in made.secrets))

    made = generated(kinds, random, rule)
    assert_none(outcome(made, tmp_path, random, made.config_text(), made.secrets_text(), True), made.secrets)


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_in_every_format(tmp_path: Path, kind: str) -> None:
    random = Random(kind)
    made = generated([(kind, "url"), (kind, "quoted")], random)
    put(tmp_path, made.config_text(), made.secrets_text())
    assert_none(commands(made, tmp_path, random, every=True), made.secrets)
