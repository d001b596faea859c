"""Examples to run: ``example("worker")`` is a copy of examples/worker, whose process ends with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.example_process import SECRET, Example

Started = Callable[[str], Example]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "example" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Started]:
    made: list[Example] = []

    def make(name: str) -> Example:
        made.append(Example(name, tmp_path))
        return made[-1]

    yield make
    for each in made:
        each.kill()
    for each in made:
        if each.process is not None:
            assert SECRET not in each.out + each.err
            assert "Traceback" not in each.out
