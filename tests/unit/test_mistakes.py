"""A text that is not TOML is told what is probably wrong with it, and how to write it, whatever the parser."""

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from support.examples import examples
from support.layer_files import failure
from support.steps import steps
from support.toml_texts import documents, soups

from hotsettings import BaseSettings, Secret, use_parser
from hotsettings._layers.file import FileLayer
from hotsettings._layers.layer import Unreadable, parse
from hotsettings._layers.toml.keys import quoted
from hotsettings._layers.toml.limits import hazard
from hotsettings._layers.toml.mistakes import recognise, repeated
from hotsettings._layers.toml.parser import ParserError, loads

LAYER = FileLayer("config.toml", name="base")


class Settings(BaseSettings):
    mode: int = 0
    PASSWORD: Secret[str] = ""


@pytest.fixture(params=["toml_rs", "tomllib"], autouse=True)
def parser(request: Any, pytestconfig: pytest.Config) -> Iterator[None]:
    use_parser(request.param)
    yield
    use_parser(pytestconfig.getoption("--toml-parser"))


def unreadable(text: str) -> Unreadable:
    read = parse(LAYER, text.encode())
    assert isinstance(read, Unreadable), "it is TOML"
    return read


NUMBERS = [
    ("a = 0644", "a number that begins with 0", "write 644, or 0o644 if it is octal"),
    ("a = 08080", "a number that begins with 0", "write 8080"),
    ("a = [1, -007.5]", "a number that begins with 0", "write -7.5"),
    ("a = 1,5", "a number with a comma", "write decimals like 1.5, and thousands like 1_000"),
    ("a = 1 000", "a number with a gap", "write thousands like 1_000"),
    ("a = 1_000_", "a number with a misplaced _", "write _ only between digits, like 1_000"),
    ("a = 0XFF", "a number with a capital X, O or B", "write 0x, 0o or 0b"),
    ("a = -0xFF", "a sign before a number with 0x, 0o or 0b", "write it in decimal"),
    (
        "a = 0o9",
        "a digit that does not fit its prefix",
        "after 0x come 0 to 9 and a to f, after 0o 0 to 7, after 0b 0 and 1",
    ),
    ("a = .5", "a number without a digit before the point", "write 0.5"),
    ("a = 5.", "a number without a digit after the point", "write 5.0"),
    ("a = 1e", "an exponent without digits", "write it like 1e3"),
    ("a = 5s # of waiting", "a number with a unit", "write the number alone, or put all of it in quotes"),
    ("a = 10 MB", "a number with a unit", "write the number alone, or put all of it in quotes"),
    ("a = 1.2.3", "a string without quotes", "put it in quotes"),
]
TIMES = [
    (
        "a = 2026-01-01T00:00:00 Europe/Zurich",
        "a time that TOML does not have",
        "write it like 2026-01-31T12:00:00Z, with an offset like +02:00 in place of Z",
    ),
    ("a = 31.1.2026", "a date that TOML does not have", "write it like 2026-01-31"),
    ("a = 2026-1-1", "a date that TOML does not have", "write it like 2026-01-31"),
    ("a = 12:30pm", "a time that TOML does not have", "write it like 12:00:00"),
    ("a = P1W", "a string without quotes", "put it in quotes"),
]
WORDS = [
    ("a = None", "TOML has no null", "leave the key out"),
    ("a = [null]", "TOML has no null", "leave the key out"),
    ("a = True", "a word that TOML does not have", "write true or false"),
    ("a = {b = no}", "a word that TOML does not have", "write true or false"),
    ("a = NaN", "a word that TOML does not have", "write nan or inf"),
    ("a = /var/run", "a string without quotes", "put it in quotes"),
    ("a = [1, high]", "a string without quotes", "put it in quotes"),
    ("a = (1, 2)", "parentheses", "write an array in square brackets"),
]
STRINGS = [
    (
        'a = "C:\\Users\\x"',
        "a backslash that begins no escape",
        "put the string in single quotes, or write each backslash twice",
    ),
    ('a = "C:\\"', "a string that is not closed", "after a backslash a quote closes nothing: use single quotes"),
    ('a = "no end', "a string that is not closed", 'close it with " on the same line'),
    ("a = 'no end", "a string that is not closed", "close it with"),
    ('a = """\nno end', "the string that begins on line 1 is not closed", 'close it with """'),
    ("a = “x”", "quotes that TOML does not have", "write straight quotes: \" or '"),
    ("a = 'it's'", "a quote inside a string", "put the string in double quotes"),
    ('a = "say "hi""', "a quote inside a string", 'write it as \\", or put the string in single quotes'),
    ('a = r"\\d"', "letters before a string", "leave them out; single quotes keep backslashes as they are"),
    ('a = "\a"', "a control character in a string", "write it as an escape, such as \\u0007, in double quotes"),
]
STATEMENTS = [
    ("a =\nb = 1", "a key without a value", 'write the value after the =; "" is an empty string'),
    ("a: 1", "no single = after a key", "write key = value"),
    ("a == 1", "no single = after a key", "write key = value"),
    ("a = {b: 1}", "no single = after a key", "write key = value"),
    ("a = = 1", "no single = after a key", "write key = value"),
    ("PORT 8080", "a line without =", "write key = value, or # before a comment"),
    ("of waiting, in seconds", "a line without =", "write key = value, or # before a comment"),
    ("PORT", "a key without =", "write key = value"),
    ('a ["x"]', "a key without =", "write key = value"),
    ("= 1", "a value without a key", "write key = value"),
    ("a.b. = 1", "a key with an empty part", "leave out the dot"),
    ("a b = 1", "a key with other characters than letters, digits, _ and -", "correct it, or put it in quotes"),
    ("ä = 1", "a key with other characters than letters, digits, _ and -", "correct it, or put it in quotes"),
    ("// of waiting\na = 1", "a comment that does not begin with #", "begin comments with #"),
    ("a = 1 ; of waiting", "a comment that does not begin with #", "begin comments with #"),
    ("a = 1;", "a semicolon after a value", "leave it out"),
    ('a = "x",', "a comma after a value", "leave it out"),
    ("a = 1, b = 2", "two keys on one line", "write each key on its own line"),
    ('a = "x" "y"', "something after a value", "put a string in quotes as a whole"),
    ("a =\xa01", "a character that may stand in strings only", "replace the character U+00A0"),
]
BRACKETS = [
    ("x = 1\na = [1,\n2\nb = 3", "the [ on line 2 is not closed", "close it with ]"),
    ("a = {b = 1", "the { on line 1 is not closed", "close it with }"),
    ("[a\nb = 1", "a header that is not closed", "close it with ]"),
    ("[[a]\nb = 1", "a header that is not closed", "close it with ]]"),
    ("[1, 2]", "a header that names no table", "write [table]; an array needs a key"),
    ("a = [1\n2]", "a missing comma", "put one between the values"),
    ("a = [1 2]", "a missing comma", "put one between the values"),
    ("a = [1]]", "a bracket that closes nothing", "leave it out"),
    ("a = }", "a bracket that closes nothing", "leave it out"),
    ("a = [1,, 2]", "a comma too many", "leave it out"),
]


@pytest.mark.parametrize(
    ("text", "message", "hint"), [*NUMBERS, *TIMES, *WORDS, *STRINGS, *STATEMENTS, *BRACKETS], ids=repr
)
def test_a_mistake_is_recognised(text: str, message: str, hint: str) -> None:
    found = unreadable(f"# before\xa0it\n{text}\n")
    said = found.problem.message.replace("on line 2", "on line 1").replace("on line 3", "on line 2")
    assert said.removesuffix(" (tomllib reads TOML 1.0 only)") == f"not valid TOML: {message}"
    assert (found.rewrite or found.problem.hint).startswith(hint)


@pytest.mark.parametrize("text", ["[a] b\n", "a = {b = 1,\n]}\n", "a = 1" + " " * 2000 + "!"])
def test_what_is_not_recognised_has_the_words_of_the_parser(text: str) -> None:
    found = unreadable(text)
    assert found.problem.message.startswith("not valid TOML: ")
    assert (found.problem.hint, found.rewrite) == ("", "")


FOREIGN = [
    ('{"mode": 1}\n', "JSON"),
    ('\n[ { "mode" : 1 } ]', "JSON"),
    ("{}", "JSON"),
    ("// of waiting\n{\n  mode: 1\n}\n", "JSON"),
    ("{'mode': 1}\n", "JSON"),
    ('<?xml version="1.0"?>\n<settings/>\n', "XML"),
    ("# of waiting\nmode: 1\nhosts:\n  - a\n  - b\n", "YAML"),
    ("---\nmode: 1\n", "YAML"),
    ("[server]\nhost = localhost\nuser = me\n", "an INI file"),
    ("; of waiting\n[server]\nhost = localhost\n", "an INI file"),
    ("HOST=localhost\nUSER_NAME=me\nMODE=1\n", "a .env file"),
    ("export HOST=localhost\n", "a .env file"),
]


@pytest.mark.parametrize(("text", "name"), FOREIGN)
def test_another_format_is_recognised(tmp_path: Path, text: str, name: str) -> None:
    [problem] = failure(Settings, tmp_path, text).problems
    assert problem.message.startswith(f"not valid TOML: this looks like {name}")
    assert problem.hint == "write key = value, and [table] before the keys of a table"
    [hidden] = failure(Settings, tmp_path, "", secrets=text).problems
    assert hidden.message.startswith(f"not valid TOML: this looks like {name}")
    assert hidden.excerpt == ()


@pytest.mark.parametrize(
    "text",
    ["mode: 1\n", "mode = x\n", "[server]\nhost = localhost\nuser = 'me'\n", "HOST=localhost\n", "a = 1\nb: 2\nc: 3\n"],
)
def test_one_slip_makes_no_other_format(text: str) -> None:
    assert "this looks like" not in unreadable(text).problem.message


@pytest.mark.parametrize("mode", ["mode = 1", "mode = 'x'\n[[a.b]]"])
def test_merge_markers_are_recognised(mode: str) -> None:
    found = unreadable(f"{mode}\n<<<<<<< HEAD\nb = 1\n=======\nb = 2\n>>>>>>> other\n").problem
    assert found.message.startswith("not valid TOML: a merge conflict marker")
    assert (found.hint, found.origin.line) == ("resolve the merge first", mode.count("\n") + 2)


def test_a_text_of_wide_characters_is_recognised() -> None:
    found = unreadable("mode = 1\n".encode("utf-16-le").decode()).problem
    assert (found.message.split(" (")[0], found.hint) == ("not valid TOML: a NUL character", "save the file as UTF-8")


@examples(300)
@given(documents(), st.integers(), st.sampled_from(["", "\n", "=", ":", '"', "'", "[", "{", "-", "x", ";", "#"]))
def test_broken_toml_is_taken_for_no_other_format(text: str, seed: int, inserted: str) -> None:
    """Of what a slip of a finger makes of TOML, nothing looks like another format."""
    if text.count("\n") < 2:
        return
    at = random.Random(seed).randrange(len(text))
    broken = text[:at] + inserted + text[at + 1 :]
    read = None if hazard(broken) else parse(LAYER, broken.encode())
    if isinstance(read, Unreadable) and not broken.lstrip("\ufeff \t\r\n").startswith("{"):
        assert "this looks like" not in read.problem.message


DUPLICATES = [
    ("a = 1\na = 2", "a", 1, "2:1"),
    ("[t]\n[t]", "t", 1, "2:2"),
    ("x = [1]\na = {b = 1,\tb = 2}", "a.b", 2, "2:13"),
    ("a = {b.c = 1, d = 2, b = 3}", "a.b", 1, "1:22"),
    ("a = {}\n[a.b]\nc = 1", "a", 1, "2:2"),
    ("a = 1\n[a.'b c']\n", "a", 1, "2:2"),
    ("[[a]]\n[a]\nb = 1", "a", 1, "2:2"),
    ("a = [1]\n[[a]]", "a", 1, "2:3"),
    ("[a]\nb.c = 1\n[a.b]\nd = 1", "a.b", 2, "3:4"),
    ("[a.b]\nx = 1\n[a]\nb.c = 1\n", "a.b", 1, "4:1"),
    ("a = {b = 1}\na.c = 2", "a", 1, "2:1"),
    ("[[x]]\na = 1\n[[x]]\na = [1]\n'a' = [2]", "x[1].a", 4, "5:1"),
]


class Anything(BaseSettings):
    a: Any = 0
    t: Any = 0
    x: Any = 0


@pytest.mark.parametrize(("text", "key", "first", "place"), DUPLICATES, ids=repr)
def test_a_duplicate_key_is_named_with_the_line_where_it_stood_first(
    tmp_path: Path, text: str, key: str, first: int, place: str
) -> None:
    [problem] = failure(Anything, tmp_path, text).problems
    assert problem.code == "duplicate-key"
    said = f"{key}: not valid TOML: duplicate key, first on line {first}; keep it in one place"
    assert str(problem) == f"config.toml:{place}  {said}"


@pytest.mark.parametrize(
    ("text", "key", "in_secrets"),
    [
        ("PASSWORD = 'hunter2'\nPASSWORD = 'hunter3'", "PASSWORD", "PASSWORD"),
        ("PASSWORD = { hunter2 = 1, hunter2 = 2 }", "PASSWORD", "PASSWORD"),
        ("PASWORD = { hunter2 = 1, hunter2 = 2 }", "PASWORD", ""),
        ("[db]\nuser = 1\nuser = 'hunter2'", "db.user", "db.user"),
        ("[db]\npassword.hunter2 = 1\npassword.hunter2 = 1", "db.password", "db.password"),
        ("[db]\nnew.hunter2 = 1\nnew.hunter2 = 1", "db.new", "db"),
        ("[db]\n[db]\nuser = 'hunter2'", "db", "db"),
        ("[labels]\nname = 'hunter2'\nname = 'hunter2'", "labels.name", "labels"),
    ],
)
def test_a_duplicate_key_is_named_as_far_as_it_is_no_part_of_a_secret(
    tmp_path: Path, text: str, key: str, in_secrets: str
) -> None:
    class Db(Struct, frozen=True):
        user: str = ""
        password: Secret[Any] = ""

    class S(BaseSettings):
        PASSWORD: Secret[str] = ""
        labels: Mapping[str, str] = {}
        db: Db = Db()

    for folder, files in (("a", {"config": "", "secrets": text}), ("b", {"config": text})):
        (tmp_path / folder).mkdir()
        error = failure(S, tmp_path / folder, **files)
        if folder == "a" or "PAS" in text or "password" in text:
            assert error.problems[0].key == (in_secrets if folder == "a" else key)
            assert "hunter" not in str(error)


@examples(200)
@given(documents(), st.integers(min_value=0))
def test_any_key_that_is_set_twice_is_named(text: str, number: int) -> None:
    try:
        keys = list(loads(text))
    except ParserError:
        return  # TOML 1.1, for tomllib
    if keys:
        key = keys[number % len(keys)]
        found = unreadable(f"{quoted(key)} = 5\n{text}")
        assert (found.problem.code, found.path) == ("duplicate-key", (key,))
        assert "duplicate key, first on line 1" in found.problem.message


@pytest.mark.parametrize(
    ("written", "better", "hint"),
    [
        ("0644", "write 644, or 0o644 if it is octal", "leave the 0 out, or write 0o if it is octal"),
        (".25", "write 0.25", "write it like 0.5"),
    ],
)
def test_a_hint_that_quotes_the_value_is_shown_only_with_the_line(
    tmp_path: Path, written: str, better: str, hint: str
) -> None:
    [problem] = failure(Settings, tmp_path, f"mode = {written}").problems
    assert (problem.hint, bool(problem.excerpt)) == (better, True)
    for files in ({"config": f"PASSWORD = {written}"}, {"config": "", "secrets": f"mode = {written}"}):
        [problem] = failure(Settings, tmp_path, **files).problems
        assert (problem.hint, problem.excerpt) == (hint, ())


@pytest.mark.parametrize(
    "text", ["", "a = 1\nb = 2", "a.b = 1\na.c = {b = [1, 1]}\n[x.a]\n[[y]]\n[[y]]\na = 1", "a = "]
)
def test_nothing_is_set_twice_in_other_texts(text: str) -> None:
    assert repeated(text, len(text)) is None


@examples(300)
@given(soups)
def test_no_text_is_quoted(text: str) -> None:
    if hazard(text) is None and isinstance(read := parse(LAYER, text.encode()), Unreadable):
        assert read.problem.message.isprintable()
        assert len(read.problem.message + read.problem.hint) < 300


@pytest.mark.parametrize(
    "text",
    [
        "a = [\n" + "'x',\n" * 1000,
        'a = """' + "x\\n" * 1000,
        "".join(f"k{number} = 1\n" for number in range(1000)) + "k0 = 1\n",
        "a = " + "1_" * 1000,
        "a" + ".a" * 1000,
        "[[" * 16 + "'\n" * 1000,
        "// " * 300,
        "a = " + "1 000 " * 100 + "!",
    ],
    ids=lambda text: text[:9],
)
def test_the_work_is_bounded(text: str) -> None:
    def work(times: int) -> int:
        longer = text * times
        return steps(lambda: (recognise(longer, len(longer) - 1), repeated(longer, len(longer) - 1)))

    work(1)
    assert work(4) < 2.3 * work(2)
