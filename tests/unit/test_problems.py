"""Findings become problems with a place, a line and a way out, in the order of reading."""

import enum
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct
from support.layer_files import failure, lines, load, write

from hotsettings import BaseSettings, InvalidSettings, LayerError, Origin, Problem, Secret
from hotsettings._loading.diagnose import Finding
from hotsettings._loading.load import validated
from hotsettings._loading.prepare import Prepared
from hotsettings._loading.problems import in_order
from hotsettings._schema.schema import schema_of
from hotsettings.errors import MOST_PROBLEMS, NOWHERE, PROGRAM, SHOWN_PROBLEMS


class Pool(Struct, frozen=True, forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=1)] = 10
    wait: float = 0.5


class Db(Struct, frozen=True, forbid_unknown_fields=True):
    host: str
    password: Secret[str]
    port: int = 5432
    pool: Pool = Pool()


class Rule(Struct, frozen=True):
    low: int = 1
    high: int = 2

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


class Settings(BaseSettings):
    NAME: str = "app"
    PORT: int = 1
    TOKEN: Secret[Annotated[str, Meta(min_length=32)]] = "t" * 32
    HOSTS: tuple[str, ...] = ()
    LIMITS: Mapping[str, int] = {}
    db: Db | None = None
    rule: Rule = Rule()
    pools: tuple[Pool, ...] = ()


class Kafka(BaseSettings):
    """The keys of the example."""

    SECRET_KEY: Secret[Annotated[str, Meta(min_length=32)]]
    K8S_POD_EXECUTION_TIMEOUT: int = 300
    KAFKA_CONSUMER_GROUP_ID: str = "g"


def told(error: Exception) -> str:
    return str(error)


def test_the_example(tmp_path: Path) -> None:
    config = "# one of many\n" * 20 + 'K8S_POD_EXECUTION_TIMEOUT = "5s"\n'
    override = "# coordinator\nKAFKA_CONSUMER_GRUOP_ID = 'x'\n"
    error = failure(Kafka, tmp_path, config, secrets='SECRET_KEY = "short"', override=override)
    assert isinstance(error, InvalidSettings)
    assert told(error) == textwrap.dedent(
        """\
        Invalid settings: 3 problems
          config.toml:21:29  K8S_POD_EXECUTION_TIMEOUT: expected int, got str
              21 | K8S_POD_EXECUTION_TIMEOUT = "5s"
                 |                             ^^^^
          override.toml:2:1  KAFKA_CONSUMER_GRUOP_ID: unknown key; did you mean KAFKA_CONSUMER_GROUP_ID?
          secrets.toml:1:14  SECRET_KEY: expected str of length >= 32 (value hidden)"""
    )


def test_problems_hold_their_evidence(tmp_path: Path) -> None:
    (problem,) = failure(Settings, tmp_path, "PORT = '5'").problems
    assert problem == Problem(
        *(
            "PORT",
            "expected int, got str",
            Origin("base", "config.toml", 1, 8),
            "write it without quotes",
            "wrong-type",
        ),
        excerpt=("     1 | PORT = '5'", "       |        ^^^"),
    )


def test_the_file_whose_value_won_is_blamed(tmp_path: Path) -> None:
    assert lines(Settings, tmp_path, "PORT = 'x'", override="PORT = 'y'\n") == [
        "override.toml:1:8  PORT: expected int, got str"
    ]
    assert load(Settings, tmp_path, "PORT = 'x'", override="PORT = 5\n").PORT == 5
    assert lines(Settings, tmp_path, "[LIMITS]\na = 'x'\nb = 1", override="[LIMITS]\nb = 'y'\nc = 1") == [
        "config.toml:2:5  LIMITS.a: expected int, got str",
        "override.toml:2:5  LIMITS.b: expected int, got str",
    ]


def test_files_are_read_in_order_and_each_from_top_to_bottom(tmp_path: Path) -> None:
    config = "[rule]\nhigh = 'x'\n[db]\nhsot = 1\nport = 'x'\n[pools]\n"
    override = "HOSTS = [1, 'a', 2]\nUNKNOWN = 1"
    assert lines(Settings, tmp_path, config, override=override, secrets="db.password = 5\nNEW = 1") == [
        "config.toml:2:8  rule.high: expected int, got str",
        "config.toml:3:2  db.host: required, but missing from this table",
        "config.toml:4:1  db.hsot: unknown key; did you mean db.host?",
        "config.toml:5:8  db.port: expected int, got str",
        "config.toml:6:2  pools: expected array, got table; write [[table]] as its header, or put it in square brackets",
        "override.toml:1:10  HOSTS[0]: expected str, got int; put it in quotes",
        "override.toml:1:18  HOSTS[2]: expected str, got int; put it in quotes",
        "override.toml:2:1  UNKNOWN: unknown key",
        "secrets.toml:1:15  db.password: expected str, got int (value hidden)",
        "secrets.toml:2:1  NEW: unknown key",
    ]


def test_in_order() -> None:
    origins = [
        *(
            Origin("base", "c", 1, 2),
            Origin("base", "c", 1, 10),
            Origin("base", "c", 2, 1),
            Origin("override", "o", 1, 1),
        ),
        *(Origin("secrets", "s"), Origin("secrets", "s", 1, 1), PROGRAM, NOWHERE),
    ]
    problems = [Problem("k", "m", origin) for origin in origins]
    assert in_order(problems[4:] + problems[:4][::-1]) == problems


class TestMissing:
    def test_names_the_layers_that_were_looked_in(self, tmp_path: Path) -> None:
        (tmp_path / "o").mkdir()
        assert lines(Kafka, tmp_path, "") == [
            "SECRET_KEY: required, but not set in config.toml, secrets.toml (no such file); set it in secrets.toml"
        ]
        assert lines(Kafka, tmp_path, "", secrets="", override="") == [
            "SECRET_KEY: required, but not set in config.toml, secrets.toml, override.toml; set it in secrets.toml"
        ]

    def test_a_key_that_is_no_secret_belongs_in_the_base(self, tmp_path: Path) -> None:
        class S(BaseSettings):
            NAME: str
            PORT: int = 1

        assert lines(S, tmp_path, "PORT = 'x'", secrets="") == [
            "config.toml:1:8  PORT: expected int, got str",
            "NAME: required, but not set in config.toml, secrets.toml; set it in config.toml",
        ]

    @pytest.mark.parametrize(
        ("config", "place"),
        [
            ("[db]\nhost = 'h'", "1:2"),
            ("db = { host = 'h' }", "1:1"),
            ("\ndb.host = 'h'", "2:1"),
            ("NAME = 'n'\n[db.pool]\n[db]\nhost = 'h'", "2:2"),
        ],
    )
    def test_points_at_the_table(self, tmp_path: Path, config: str, place: str) -> None:
        assert lines(Settings, tmp_path, config) == [
            f"config.toml:{place}  db.password: required, but missing from this table"
        ]

    def test_the_uppermost_file_with_that_table_is_pointed_at(self, tmp_path: Path) -> None:
        assert lines(Settings, tmp_path, "[db]\nhost = 'h'", override="NAME = 'n'\n[db]\nport = 1\n") == [
            "override.toml:2:2  db.password: required, but missing from this table"
        ]

    def test_a_file_is_pointed_at_in_which_the_key_belongs(self, tmp_path: Path) -> None:
        (tmp_path / "config.toml").write_text("[db]\nport = 1")
        assert lines(Settings, tmp_path, "[db]\nport = 1", secrets="db.pool.size = 1") == [
            "config.toml:1:2  db.host: required, but missing from this table",
            "secrets.toml:1:1  db.password: required, but missing from this table",
        ]

    def test_in_the_elements_of_an_array(self, tmp_path: Path) -> None:
        class Item(Struct, frozen=True):
            name: str

        class S(BaseSettings):
            items: tuple[Item, ...]

        assert lines(S, tmp_path, "[[items]]\nname = 'a'\n[[items]]\n") == [
            "config.toml:3:3  items[1].name: required, but missing from this table"
        ]


class TestSecrets:
    def test_below_a_secret_key_only_that_key_is_named(self, tmp_path: Path) -> None:
        class Account(Struct, frozen=True):
            user: str

        class S(BaseSettings):
            ACCOUNTS: Secret[Mapping[str, Account]] = {}  # noqa: RUF012

        assert lines(S, tmp_path, "[ACCOUNTS.hunter2]\n[ACCOUNTS.hunter3]\nuser = 5") == [
            "config.toml:1:11  ACCOUNTS: user is required, but missing from a table in it",
            "config.toml:3:8  ACCOUNTS: expected str, got int (value hidden)",
        ]

    def test_of_an_unknown_key_only_its_own_name_may_be_a_secret(self, tmp_path: Path) -> None:
        class S(BaseSettings):
            TOKEN: Secret[str] = ""
            dbs: Mapping[str, Pool] = {}

        found = lines(
            S, tmp_path, "[dbs.hunter2-one]\nsiez = 1\nhunter2-two = 1", secrets="TOKEN = 'hunter2-one hunter2-two'"
        )
        assert found == [
            "config.toml:2:1  dbs.hunter2-one.siez: unknown key; did you mean dbs.hunter2-one.size?",
            "config.toml:3:1  dbs.hunter2-one.********: unknown key",
        ]

    def test_a_suggestion_is_made_for_a_key_and_not_for_a_value(self, tmp_path: Path) -> None:
        assert lines(Settings, tmp_path, "", secrets="TOKNE = 'x'\nPORT = '5'\nTOKEN = 5\ndb.passwrod = 1") == [
            "secrets.toml:1:1  TOKNE: unknown key; did you mean TOKEN?",
            "secrets.toml:2:8  PORT: expected int, got str (value hidden)",
            "secrets.toml:3:9  TOKEN: expected str, got int (value hidden)",
            "secrets.toml:4:1  db.host: required, but missing from this table",
            "secrets.toml:4:1  db.password: required, but missing from this table",
            "secrets.toml:4:4  db.passwrod: unknown key; did you mean db.password?",
        ]

    @pytest.mark.parametrize(
        ("config", "shown"),
        [
            ("PORT = 'x'", True),
            ("PORT = 'x' # a comment", True),
            ("PORT = 'x'\nTOKEN = 'hunter2'", True),
            ("db = { host = 'h', port = 'x' }", True),
            ("db = { host = 'h', password = 'hunter2', port = 'x' }", False),
            ("db = { host = 'h',\npassword = 'hunter2', port = 'x' }", False),
            ("db = { host = 'h', port = 'x', passwrod = 'hunter2' }", False),
            ("db = { host = 'h', port = 'x', whatever = 'hunter2' }", False),
            ("LIMITS = { passwrod = 'hunter2' }", False),
            ("db = 'postgres://u:hunter2@host'", False),
            ("LIMITS = { TOKEN = 'hunter2' }", False),
            ("TOKEN = 'hunter2 and more and more and more'\nPORT = 'hunter2 and more and more and more'", False),
        ],
    )
    def test_a_line_is_shown_only_where_no_secret_can_stand_in_it(
        self, tmp_path: Path, config: str, shown: bool
    ) -> None:
        error = failure(Settings, tmp_path, config)
        assert any(problem.excerpt for problem in error.problems) is shown
        assert "hunter2" not in str(error)

    def test_the_values_that_a_secret_may_have_are_not_listed(self, tmp_path: Path) -> None:
        class Choice(enum.Enum):
            RED = "red-canary"
            BLUE = "blue-canary"

        class S(BaseSettings):
            SHOWN: Choice = Choice.RED
            HIDDEN: Secret[Choice] = Choice.RED
            LITERAL: Secret[Literal["red-canary"]] = "red-canary"

        text = "SHOWN = 'green'\nHIDDEN = 'green'\nLITERAL = 'green'"
        assert lines(S, tmp_path, text) == [
            "config.toml:1:9  SHOWN: expected one of red-canary, blue-canary",
            "config.toml:2:10  HIDDEN: not one of the allowed values (value hidden)",
            "config.toml:3:11  LITERAL: not one of the allowed values (value hidden)",
        ]

    def test_foreign_words_are_redacted_of_values_but_not_of_names(self, tmp_path: Path) -> None:
        class S(BaseSettings):
            LOGINS: Mapping[str, str] = {}
            db: Db = Db("h", "p")

            def __post_init__(self) -> None:
                raise ValueError(f"password and port of {list(self.LOGINS)} at {self.db.host}")

        (line,) = lines(
            S, tmp_path, "", secrets="LOGINS.someone = 'x'\n[db]\npassword = 'y'\nhost = 'somewhere'\nport = 1"
        )
        assert line == "password and port of ['someone'] at ********"

    def test_what_the_file_says_may_look_different_when_decoded(self, tmp_path: Path) -> None:
        class S(BaseSettings):
            KEY: Secret[bytes]

            def __post_init__(self) -> None:
                raise ValueError(f"no: {self.KEY!r}")

        assert lines(S, tmp_path, "", secrets="KEY = 'aHVudGVyMg=='") == ["no: b'********'"]


class TestPlaces:
    @pytest.mark.parametrize(
        ("config", "excerpt"),
        [
            ('PORT\t=\t"x"\n', ['     1 | PORT = "x"', "       |        ^^^"]),
            ("NAME = 'n'\r\nPORT = 'x'\r\n", ["     2 | PORT = 'x'", "       |        ^^^"]),
            ("PORT = '日本'", ["     1 | PORT = '日本'", "       |        ^^^^^^"]),
            ("LIMITS = { '日本' = 'x' }", ["     1 | LIMITS = { '日本' = 'x' }", "       |                     ^^^"]),
            ("PORT = '''\none\ntwo'''", ["     1 | PORT = '''", "       |        ^^^"]),
            ("PORT = [\n  1,\n]", ["     1 | PORT = [", "       |        ^"]),
            ("\ufeffPORT = 'x'", ["     1 | PORT = 'x'", "       |        ^^^"]),
            ("HOSTS = ['a', 'b', 5] # why", ["     1 | HOSTS = ['a', 'b', 5] # why", "       |                    ^"]),
            ("PORT = 'x' # \u202e", ["     1 | PORT = 'x' # �", "       |        ^^^"]),
            ("PORT = '\u0085'", ["     1 | PORT = '�'", "       |        ^^^"]),
        ],
    )
    def test_carets(self, tmp_path: Path, config: str, excerpt: list[str]) -> None:
        (problem,) = failure(Settings, tmp_path, config).problems
        assert list(problem.excerpt) == excerpt

    def test_a_very_long_line(self, tmp_path: Path) -> None:
        many = "'host', " * 5000
        config = f"HOSTS = [{many}5, {many}]"
        (problem,) = failure(Settings, tmp_path, config).problems
        line, carets = problem.excerpt
        assert str(problem.origin) == "config.toml:1:40010"
        assert len(line) < 150
        assert line[carets.index("^")] == "5"

    def test_a_key_below_a_table_by_accident(self, tmp_path: Path) -> None:
        assert lines(
            Settings, tmp_path, "[db]\nhost = 'h'\npassword = 'p'\nNAME = 'n'\n[rule]\nTOKEN = 'x'\nlow = 1\n"
        )[0] == (
            "config.toml:4:1  db.NAME: unknown key; did you mean NAME? "
            "Move it above the first [table]: keys below a header belong to that table"
        )

    def test_a_rule_of_a_table_points_at_the_table(self, tmp_path: Path) -> None:
        error = failure(Settings, tmp_path, "[rule]\nlow = 5")
        assert str(error).splitlines()[1:] == [
            "  config.toml:1:2  rule: low is above high",
            "       1 | [rule]",
            "         |  ^^^^",
        ]


def test_more_problems_than_anybody_reads(tmp_path: Path) -> None:
    config = f"HOSTS = [{', '.join(['5'] * 100_000)}]"
    error = failure(Settings, tmp_path, config)
    assert len(error.problems) == MOST_PROBLEMS
    assert str(error).startswith("Invalid settings: 100000 problems; the first 100 are shown\n")
    assert str(error).endswith("\n  … and 99900 more")
    exactly = failure(Settings, tmp_path, f"HOSTS = [{', '.join(['5'] * SHOWN_PROBLEMS)}]")
    assert (len(exactly.problems), exactly.total) == (SHOWN_PROBLEMS, SHOWN_PROBLEMS)
    assert "more" not in str(exactly)


@pytest.mark.parametrize("before", [0, 1000, 1990, 1996, 2000, 3990, 3996, 4000, 10_000])
def test_a_rule_that_says_very_much(tmp_path: Path, before: int) -> None:
    class S(BaseSettings):
        TOKEN: Secret[str]

        def __post_init__(self) -> None:
            raise ValueError("no: " + "x" * before + self.TOKEN + "y" * 10_000)

    (line,) = lines(S, tmp_path, "TOKEN = 'hunter2-canary'")
    assert line.startswith("no: ")
    assert line.endswith("…")
    assert len(line) <= 2001
    assert "hunt" not in line


def test_several_files_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path, None, secrets="TOKEN = '", override="a = = 1")
    with pytest.raises(LayerError) as caught:
        Settings(
            tmp_path / "config.toml", override_path=tmp_path / "override.toml", secrets_path=tmp_path / "secrets.toml"
        )
    error = caught.value
    assert [Path(problem.origin.file or "").name for problem in error.problems] == [
        "config.toml",
        "override.toml",
        "secrets.toml",
    ]
    assert error.origin.layer == "base"
    assert str(error).startswith("Unreadable settings: 3 problems\n")
    assert "(line hidden)" in error.problems[2].message


def test_a_value_that_no_file_says_has_no_place() -> None:
    """As when a key that waits for a restart keeps a value that does not fit to the rest any more."""
    with pytest.raises(InvalidSettings) as caught:
        validated(schema_of(Settings), [], Prepared({"PORT": "5", "TOKEN": 5, "rule": {"low": 5}}))
    assert caught.value.problems == (
        Problem("PORT", "expected int, got str", NOWHERE, "write it without quotes", "wrong-type"),
        Problem("TOKEN", "expected str, got int (value hidden)", NOWHERE, code="wrong-type"),
        Problem("rule", "low is above high", NOWHERE, code="rule"),
    )


def test_findings_do_not_depend_on_how_the_values_came_to_be() -> None:
    given: dict[str, Any] = {"NAME": 5, "LIMITS": {"a": "x"}}
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_values(**given)
    assert [(p.key, p.origin) for p in caught.value.problems] == [
        ("NAME", PROGRAM),
        ("LIMITS.a", PROGRAM),
    ]
    assert Finding(("a",), "m", "rule").at == "value"
