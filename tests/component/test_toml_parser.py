"""Hostile layers read with tomllib: slower than with toml_rs, and within a limit all the same."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Final

import pytest
from support import hostile
from support.examples import first
from support.loading_worker import slowness

from hotsettings import BaseSettings, LayerError, use_parser
from hotsettings._layers.layer import Document, FileLayer, parse
from hotsettings._loading.load import readable
from hotsettings.settings import schema_of


@pytest.fixture(autouse=True)
def as_before(pytestconfig: pytest.Config) -> Iterator[None]:
    yield
    use_parser(pytestconfig.getoption("--toml-parser"))


def read_as(data: bytes) -> Document:
    [document] = readable(schema_of(Nothing), [parse(LAYER, data)])
    return document


LAYER: Final = FileLayer("config.toml", name="base")


class Nothing(BaseSettings):
    pass


WORST: Final = {"nesting at the limit", "unknown inline tables", "arrays of unknown keys", "32 dotted parts"}
SLOW: Final = {"32 dotted parts", "32 dotted parts in a mapping"}


@pytest.mark.slow
@pytest.mark.parametrize("name", first(2, sorted(hostile.CASES, key=lambda name: name not in WORST)))
def test_tomllib_is_slow_but_not_too_slow(name: str) -> None:
    """A layer by itself. docs/layers.md names what takes longer."""
    use_parser("tomllib")
    for data in {data for data in hostile.CASES[name]() if data is not None}:
        for _ in range(3):  # somebody else may need the processor for a moment
            start = time.thread_time()
            with contextlib.suppress(LayerError):
                read_as(data)
            if quick := time.thread_time() - start < (4.0 if name in SLOW else 1.5) * slowness():
                break
        assert quick
