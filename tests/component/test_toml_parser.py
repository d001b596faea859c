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
from support.steps import steps
from support.traced import untraced

from hotsettings import BaseSettings, LayerError, use_parser
from hotsettings._layers.file import FileLayer
from hotsettings._layers.layer import Document, parse
from hotsettings._layers.toml.parser import ParserError, loads
from hotsettings._loading.load import documents_or_error
from hotsettings._schema.schema import schema_of


@pytest.fixture(autouse=True)
def as_before(pytestconfig: pytest.Config) -> Iterator[None]:
    yield
    use_parser(pytestconfig.getoption("--toml-parser"))


def read_as(data: bytes) -> Document:
    [document] = documents_or_error(schema_of(Nothing), [parse(LAYER, data)])
    return document


LAYER: Final = FileLayer("config.toml", name="base")


class Nothing(BaseSettings):
    pass


WORST: Final = {"nesting at the limit", "unknown inline tables", "arrays of unknown keys", "32 dotted parts"}


@untraced
@pytest.mark.slow
@pytest.mark.parametrize("name", first(1, sorted(hostile.CASES, key=lambda name: name not in WORST)))
def test_tomllib_is_slow_but_not_too_slow(name: str) -> None:
    """A layer by itself. docs/layers.md names what takes longer."""
    use_parser("tomllib")
    for data in {data for data in hostile.CASES[name]() if data is not None}:
        for _ in range(3):  # somebody else may need the processor for a moment
            start = time.thread_time()
            with contextlib.suppress(LayerError):
                read_as(data)
            if quick := time.thread_time() - start < 1.5 * slowness():
                break
        assert quick


def dotted(start: str, key: str) -> str:
    """As many such keys as fit into a layer."""
    return start + "".join(f"{key.replace('%d', str(number))} = 1\n" for number in range(hostile.LARGEST // len(key)))


@pytest.mark.parametrize(
    "layer",
    first(
        1,
        [
            ("[a.b.c.d.e.f.g]\n", "x%d.b.c.d.e.f.g"),
            ("", "x%d" + ".a" * 31),
            ("", "x%d" + " . a" * 31),
            ("", '"=".x%d' + ".a" * 30),
            ("[x" + ".a" * 30 + "]\n", "x%d.a"),
            ("  [ x" + ".a" * 15 + " ]\n", "x%d" + ".a" * 15),
            ("[[x" + ".a" * 30 + "]]\n", "x%d.a"),
        ],
    ),
)
def test_tomllib_is_not_given_more_dotted_keys_than_it_can_read_in_time(layer: tuple[str, str]) -> None:
    start, key = layer
    text = dotted(start, key)
    use_parser("tomllib")
    faults: list[ParserError] = []

    def refused() -> None:
        with pytest.raises(ParserError, match="more dotted keys than tomllib can read in time") as caught:
            loads(text)
        faults.append(caught.value)

    assert steps(refused) < 20 * hostile.LARGEST
    [fault] = faults
    assert fault.offset is not None
    assert text.startswith(f"{key[:4].partition('%')[0]}", fault.offset)
    assert text[fault.offset - 1] == "\n"
    few = text[: text.rindex("\n", 0, fault.offset // 2)]
    assert len(loads(few)) > 0
    use_parser("toml_rs")
    assert len(loads(text)) > 0


@pytest.mark.parametrize(
    "layer",
    first(
        1,
        [
            ("", "x%d = '" + "a." * 30 + "' #"),
            ("", "services_number_%d.database.connection.pool.size"),
            ("[services.database]\n", "replica%d.connection.pool"),
            ("", "x%d = { " + "a." * 30 + "a = 1 } #"),
        ],
    ),
)
def test_a_whole_layer_of_ordinary_keys_is_read_by_tomllib(layer: tuple[str, str]) -> None:
    use_parser("tomllib")
    assert len(loads(dotted(*layer))) > 0
