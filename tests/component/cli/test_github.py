"""What `check --format github` writes, read back by the rules of the runner that shows it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.command import CLASS, Run

from hotsettings import Origin, Problem
from hotsettings.cli.output import github


@pytest.fixture(scope="module", autouse=True)
def not_in_a_workflow() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GITHUB_WORKSPACE", raising=False)
        yield


def command(line: str) -> tuple[str, dict[str, str], str]:
    """Take a workflow command apart: its name, its properties and what it says.

    The runner splits first and unescapes then: ``%25`` is a percent sign, ``%0D`` and ``%0A`` are line ends, and in a
    property ``%3A`` is a colon and ``%2C`` a comma.
    """
    assert line.startswith("::")
    head, mark, data = line[2:].partition("::")
    assert mark
    name, _, rest = head.partition(" ")
    pairs = [part.partition("=") for part in rest.split(",") if part]
    return name, {key: unescaped(value, "%3A", "%2C") for key, _, value in pairs}, unescaped(data)


def unescaped(text: str, *more: str) -> str:
    for code in ("%0D", "%0A", *more, "%25"):
        text = text.replace(code, chr(int(code[1:], 16)))
    return text


texts = st.text(min_size=1) | st.text("%:,=0123ACD\r\n ", min_size=1)


@given(key=texts, message=texts, hint=st.just("") | texts, file=texts)
@example("%0A:,", "100%\r\n::error::x", "%25", "a,b:c%2C.toml")
def test_any_text_comes_through(key: str, message: str, hint: str, file: str) -> None:
    line = github(Problem(key, message, Origin("base", file, 3, 7), hint), "error")
    assert not {"\r", "\n"} & set(line)
    said = f"{key}: {message}" + (f"; {hint}" if hint else "")
    assert command(line) == ("error", {"file": file, "line": "3", "col": "7", "title": key}, said)


def test_where_there_is_no_place() -> None:
    assert command(github(Problem("", "more problems", Origin("")), "warning")) == ("warning", {}, "more problems")


def test_a_file_name_makes_no_command_of_its_own(run: Run, folder: Path) -> None:
    name = "a\n::error::b.toml"
    try:
        (folder / "config.toml").rename(folder / name)
    except OSError:
        pytest.skip("no such names here")
    result = run("check", CLASS, "--config", name, "--format", "github")
    assert result.code == 0
    assert len(result.out.splitlines()) == 1
