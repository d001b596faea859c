"""What a value of the wrong kind is told: what was expected in the terms of TOML, and how to write what was probably meant."""

import datetime
import decimal
from pathlib import Path
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct
from support.layer_files import failure, lines

from hotsettings import BaseSettings, Secret


class Db(Struct, frozen=True):
    port: int = 0


class Settings(BaseSettings):
    number: int = 0
    rate: float = 0
    word: str = ""
    when: datetime.datetime | None = None
    zoned: Annotated[datetime.datetime, Meta(tz=True)] | None = None
    local: Annotated[datetime.datetime, Meta(tz=False)] | None = None
    day: datetime.date | None = None
    hour: datetime.time | None = None
    keep: datetime.timedelta = datetime.timedelta()
    price: decimal.Decimal = decimal.Decimal(1)
    auto: int | Literal["auto"] = 1
    db: Db = Db()
    dbs: tuple[Db, ...] = ()
    PIN: Secret[int] = 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('number = "0644"', "expected int, got str; write 644, or 0o644 if it is octal, without quotes"),
        ('number = "08080"', "expected int, got str; write 8080, without quotes"),
        ('number = "0xFF"', "expected int, got str; write it without quotes"),
        ('number = " 1_000 "', "expected int, got str; write it without quotes"),
        ('number = "1_000_"', "expected int, got str; write _ only between digits, like 1_000, without quotes"),
        ('number = "1e3"', "expected int, got str; write 1000, without quotes"),
        ("number = 1e3", "expected int, got float; write 1000"),
        ("number = 1.5", "expected int, got float; write a whole number"),
        ('number = "1\\ny = 2"', "expected int, got str"),
        ('number = "1 # x"', "expected int, got str"),
        (f'number = "{"0" * 200}"', "expected int, got str"),
        ('rate = "1,5"', "expected float, got str; write decimals like 1.5, and thousands like 1_000, without quotes"),
        ('rate = ".5"', "expected float, got str; write 0.5, without quotes"),
        ('rate = "1"', "expected float, got str; write it without quotes"),
        ("word = 2026-01-01", "expected str, got date; put it in quotes"),
        ('when = "2026-01-01T00:00:00"', "expected datetime, got str; write it without quotes"),
        (
            'when = "2026-01-01T00:00:00 Europe/Zurich"',
            "expected datetime, got str; write it like 2026-01-31T12:00:00Z, without quotes",
        ),
        ("when = 2026-01-01", "expected datetime, got date; write it like 2026-01-31T12:00:00Z"),
        ('day = "1.1.2026"', "expected date, got str; write it like 2026-01-31, without quotes"),
        ("hour = 5", "expected time, got int; write it like 12:00:00"),
        (
            "zoned = 2026-01-01T00:00:00",
            "expected datetime with a timezone component; end it with Z, or with an offset such as +02:00",
        ),
        ("local = 2026-01-01T00:00:00Z", "expected datetime with no timezone component; leave out Z and the offset"),
        (
            'keep = "P1W"',
            'expected a duration in days, hours, minutes and seconds; write it like "P7D" or "PT1H30M"',
        ),
        ('price = "1,5"', 'invalid decimal string; write it like "1.50"'),
        ('auto = "Auto"', "expected int or one of auto; did you mean auto?"),
        ("auto = 1.5", "expected int or one of auto"),
        ("db = 5", "expected table, got int; write { key = value }, or a [table]"),
        ("[[db]]", "expected table, got array; write [table] as its header, or { key = value }"),
        ("[dbs]", "expected array, got table; write [[table]] as its header, or put it in square brackets"),
    ],
)
def test_a_value_of_the_wrong_kind(tmp_path: Path, line: str, says: str) -> None:
    [problem] = lines(Settings, tmp_path, line)
    assert problem.split(": ", 1)[1] == says


@pytest.mark.parametrize("key", ["db_port", "db-port", "DB_PORT"])
def test_a_key_of_a_table_that_is_written_without_it(tmp_path: Path, key: str) -> None:
    [problem] = lines(Settings, tmp_path, f"{key} = 5")
    assert problem.endswith(f"{key}: unknown key; did you mean db.port?")


def test_no_hint_quotes_a_value_whose_line_is_not_shown(tmp_path: Path) -> None:
    for config, secrets, hint in [
        ('PIN = "0644"', "", ""),
        ("", 'number = "0644"', ""),
        (
            'number = "0644" # 1234567890',
            "PIN = 1234567890",
            "leave the 0 out, or write 0o if it is octal, without quotes",
        ),
        ('number = "0644"', "", "write 644, or 0o644 if it is octal, without quotes"),
    ]:
        [problem] = failure(Settings, tmp_path, config, secrets=secrets).problems
        assert problem.hint == hint
        assert bool(problem.excerpt) is problem.hint.startswith("write 644")
