"""Templates of any class pass a check as they are, without a warning."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.fuzz.classes import settings_class

from hotsettings import InvalidSettings, Problem
from hotsettings._layers.file import FileLayer
from hotsettings._layers.layer import Document, parse
from hotsettings._loading.load import assemble
from hotsettings._schema.schema import schema_of
from hotsettings.cli.commands.template import config, secrets_example
from hotsettings.cli.secret_warnings import not_secret_in, secrets_in
from hotsettings.errors import NO_PROBLEMS

BASE = FileLayer("c", name="base", label="config.toml")
SECRETS = FileLayer("s", name="secrets", label="secrets.toml", secret=True)


@pytest.mark.toml_rs
@examples(150)
@given(st.integers(min_value=0, max_value=2**32))
def test_both_templates_together_are_valid(seed: int) -> None:
    schema = schema_of(settings_class(random.Random(seed)))
    base, secrets = parse(BASE, config(schema).encode()), parse(SECRETS, secrets_example(schema).encode())
    assert isinstance(base, Document)
    assert isinstance(secrets, Document)
    problems: list[Problem] = []
    try:
        assemble(schema, [base, secrets])
    except InvalidSettings as error:
        problems += error.problems
    assert [problem for problem in problems if problem.code != "rule"] == []  # some of the classes refuse everything
    assert secrets_in(schema, base, [secrets]) == not_secret_in(schema, secrets) == NO_PROBLEMS
