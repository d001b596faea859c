"""All examples: what is listed is there, and their own tests pass."""

from __future__ import annotations

import re
from collections.abc import Callable

from support.example_process import EXAMPLES, Example

Make = Callable[[str], Example]


def test_the_list_is_whole() -> None:
    listed = re.findall(r"^\| \[(\w+)\]\(([\w/.]+)\) \|", (EXAMPLES / "README.md").read_text("utf-8"), re.MULTILINE)
    there = sorted(path.parent.name for path in EXAMPLES.glob("*/*.py") if not path.parent.name.startswith("demo"))
    assert sorted(name for name, _ in listed) == sorted(set(there))
    assert all((EXAMPLES / path).is_file() for _, path in listed)


def test_testing(example: Make) -> None:
    tests = example("testing")
    done = tests.run("-q", "-p", "no:cacheprovider", module="pytest")
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


def test_testing_notices_what_is_broken(example: Make) -> None:
    tests = example("testing")
    code = (tests.folder / "limiter.py").read_text(encoding="utf-8")
    for broken in (
        code.replace("live.prepare(self._keep_somebody", "(self._keep_somebody"),
        code.replace("self._made.clear()", "pass"),
        code.replace(">= settings.CALLS", "> settings.CALLS"),
        code.replace("client in settings.BLOCKED or", ""),
        code.replace("min_length=8", "min_length=2"),
    ):
        assert broken != code
        tests.write("limiter.py", broken)
        done = tests.run("-q", "-p", "no:cacheprovider", module="pytest")
        assert done.returncode == 1, done.stdout
