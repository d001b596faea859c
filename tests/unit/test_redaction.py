"""Secrets are masked in every text, and names are not."""

import base64
import datetime
import decimal
import enum
import html
import json
import re
import reprlib
import textwrap
import threading
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct
from support.redacting import CANARY, Plain, document, knowing, redact

from hotsettings import BaseSettings, Origin, Problem, Secret
from hotsettings._redaction import Redactor, credentials, redactor
from hotsettings._redaction.credentials import credentials_in
from hotsettings._redaction.matching import Matcher, spans
from hotsettings._redaction.readings import plain, reading
from hotsettings._schema.marks import SECRET
from hotsettings._schema.masking import MASK
from hotsettings._schema.schema import schema_of

T = TypeVar("T")


class TestWholeValues:
    @pytest.mark.parametrize(
        ("secret", "text", "shown"),
        [
            ("eight888", "an eight888!", f"an {MASK}!"),
            ("eight888", "xeight888x, EIGHT888", f"x{MASK}x, {MASK}"),
            ("prod", "the prod of production, prod.", f"the {MASK} of production, {MASK}."),
            ("prod", "PROD reproduces", "PROD reproduces"),
            ("p.d!", "a p.d!b (p.d!)", f"a {MASK}b ({MASK})"),
            ("seven77", "seven77_ seven77", f"seven77_ {MASK}"),
            ("5", "value = 5, 5 others", f"value = {MASK}, 5 others"),
            ("abc", "VALUE: 'abc' abc", f"VALUE: '{MASK}' abc"),
            ("abc", "value=abcd value abc.", f"value=abcd value {MASK}."),
            ("abc", "values = abc, my_value = abc", "values = abc, my_value = abc"),
            ("abc", "value is not abc", "value is not abc"),
            ("longest-canary", "longest-canary longest-canarylongest-", f"{MASK} {MASK}{MASK}"),
            ("İstanbul-canary", "İSTANBUL: İstanbul-canary", f"{MASK}: {MASK}"),
            ("Zq7Quagga9", "İ: Zq7Quagga9 ZQ7QUAGGA9", f"İ: {MASK} {MASK}"),
            ("Zq7QUAGGAΣ", "Zq7QUAGGAΣx", f"{MASK}x"),
            ("straße-Zq7", "STRASSE-ZQ7", MASK),
            ("Zq7Qua", r"'first\nZq7Qua\x1b[0m' pw%3DZq7Qua%26 \u0027Zq7Qua &#39;Zq7Qua", None),
            ("Zq7Qua", "\x1b[31mZq7Qua\x1b[0m", f"\x1b[31m{MASK}\x1b[0m"),
            ("abc", r"'value\tabc'", rf"'value\t{MASK}'"),
            (MASK, f"<{MASK}>", f"<{MASK}>"),
        ],
    )
    def test_by_length(self, secret: str, text: str, shown: str | None) -> None:
        shown = text.replace(secret, MASK) if shown is None else shown
        assert redact(text, secret) == shown
        assert knowing(secret).finds(text) is (shown != text or MASK in text)

    def test_a_short_one_whose_key_is_empty_stands_beside_nothing(self) -> None:
        known = Redactor(schema_of(Plain), [document({"": "abc"})])
        assert known.redact("value = abc, '' = abc") == "value = abc, '' = abc"

    def test_several_at_once(self) -> None:
        secrets = ["canary", "canary-long", "canary-of-mine-5", "canary-of-many-others", "long-and-more"]
        assert redact("<canary-long>", *secrets) == f"<{MASK}>"
        assert redact("<canary-of-mine-5> <canary-of-many-others>", *secrets) == f"<{MASK}> <{MASK}>"
        assert redact("<canary-long-and-more>", *secrets) == f"<{MASK}>"

    @pytest.mark.parametrize("nothing", [True, False, [], {}, "", " ", "\n"])
    def test_what_tells_nothing(self, nothing: Any) -> None:
        text = "value = True False () {} nothing\n"
        assert redact(text, nothing) == text

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (12345, "12345"),
            (918273645, "918_273_645 or 918,273,645"),
            (1.5e300, "1.5e+300"),
            (datetime.date(2024, 2, 29), "datetime.date(2024, 2, 29)"),
            (datetime.datetime(2024, 2, 29, 12), "2024-02-29T12:00:00"),  # noqa: DTZ001
            (datetime.datetime(2024, 2, 29, 12), "2024-02-29 12:00:00"),  # noqa: DTZ001
            (datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC), "2024-02-29T12:00:00Z"),
        ],
    )
    def test_what_is_no_text(self, value: Any, text: str) -> None:
        assert set(redact(f"[{text}]", value)) <= set(f"[{MASK} or]")

    @given(st.text(min_size=8, max_size=40), st.text(max_size=40), st.text(max_size=40))
    @example("\u0130" * 8, "", "")
    def test_a_whole_value_never_stays(self, secret: str, before: str, after: str) -> None:
        if secret.strip() and secret not in MASK:
            assert secret not in redact(before + secret + after, secret)

    @given(st.text("ab", min_size=1, max_size=60), st.lists(st.text("ab", min_size=8, max_size=12), max_size=4))
    def test_against_a_plain_search(self, text: str, secrets: list[str]) -> None:
        matcher = Matcher()
        for secret in secrets:
            matcher.add_whole(secret, "")
        hidden = {at for one in secrets for at in range(len(text)) if text.startswith(one, at)}
        found = {place for start, end in spans(text, [matcher]) for place in range(start, end)}
        assert found == {
            at + more for at in hidden for one in secrets if text.startswith(one, at) for more in range(len(one))
        }

    @given(st.text("ab", min_size=1, max_size=60), st.lists(st.text("ab", min_size=8, max_size=20), max_size=4))
    def test_beginnings_and_ends_against_a_plain_search(self, text: str, parts: list[str]) -> None:
        matcher = Matcher()
        for part in parts:
            matcher.add_part(part)
        cuts = {cut for part in parts for size in range(8, len(part) + 1) for cut in (part[:size], part[-size:])}
        hidden = {
            place
            for at in range(len(text))
            for cut in cuts
            if text.startswith(cut, at)
            for place in range(at, at + len(cut))
        }
        assert {place for start, end in spans(text, [matcher]) for place in range(start, end)} == hidden


AWKWARD = "p'ä\"ss \\w/ö+rd&<\n\tcanary>"


class TestQuoting:
    @pytest.mark.parametrize(
        "quote",
        [
            str,
            repr,
            ascii,
            json.dumps,
            lambda text: json.dumps(text, ensure_ascii=False),
            lambda text: msgspec.json.encode(text).decode(),
            lambda text: repr({"password": text}),
            lambda text: f"{text.encode()!r}",
            urllib.parse.quote,
            urllib.parse.quote_plus,
            lambda text: urllib.parse.quote(text, safe=""),
            lambda text: urllib.parse.urlencode({"password": text}),
            html.escape,
            str.upper,
            str.lower,
            lambda text: f"it is {text.strip()}!",
            lambda text: textwrap.indent(text, "    "),
            reprlib.repr,
            lambda text: text[:8],
            lambda text: text[:-1],
            lambda text: text[1:],
            lambda text: text[-8:],
            lambda text: f"{text[:9]}...{text[-9:]}",
            lambda text: f"{text}{text}",
        ],
    )
    @pytest.mark.parametrize("secret", [CANARY, AWKWARD, "x" * 20 + CANARY, CANARY.upper(), "123456789"])
    def test_a_secret_is_found_however_it_is_quoted(self, secret: str, quote: Callable[[str], str]) -> None:
        text = redact(f"bad value: {quote(secret)}, no good", secret)
        assert MASK in text
        for part in (secret[:8], secret[-8:]):
            assert part.casefold() not in text.casefold()
        assert text.startswith("bad value: ")
        assert text.endswith(", no good")


def _by_a_browser(text: str) -> str:
    return urllib.parse.quote(text, safe="!$&'()*+,;=")


QUOTES: list[Callable[[str], str]] = [
    repr,
    ascii,
    lambda text: repr(text.encode()),
    json.dumps,
    html.escape,
    urllib.parse.quote,
    _by_a_browser,
    "\u200b".join,
    lambda text: f"\x1b[1m{text[:5]}\x1b[0m{text[5:]}",
]


class TestQuotedAgain:
    """Secrets here are all middle: what is quoted of them has no piece of 8 characters at either end."""

    @given(
        st.lists(st.sampled_from(QUOTES), min_size=1, max_size=3),
        st.lists(
            st.sampled_from(["ab", "^", '"', "\\", "\n", "ä", "%", "%41", "&", "&lt;", "é", "'", "€", "\U0001f511"])
        ),
    )
    @example([_by_a_browser], ["ab", "^"])
    @example([json.dumps, json.dumps, repr], ['"', "ab"])
    def test_a_text_in_a_text(self, quotes: list[Callable[[str], str]], around: list[str]) -> None:
        secret = "".join([*around, "Zq7!Quagga$9", *around])
        text = secret
        for quote in quotes:
            text = quote(text)
        assert "quagga" not in plain(redact(f"<{text}>", secret)).lower()

    @pytest.mark.parametrize("text", ["\\", "%", "&", "%E4%41", r"\ud83d", r"\U99999999", "&#9999999;", "\x1b["])
    def test_what_looks_like_quoting(self, text: str) -> None:
        assert redact(f"{text} Zq7Quagga9 {text}", "Zq7Quagga9") == f"{text} {MASK} {text}"

    def test_quoted_without_end(self) -> None:
        assert plain("%" + "25" * 10_000 + "41") == "%" + "25" * 9_996 + "41"
        assert len(redact("%" + "25" * 10_000 + "41", "%" + "25" * 10_000 + "41")) == len(MASK)

    @given(st.text('\\"n%4x1&lt;u0e9\x1b[m', max_size=60))
    def test_the_places_are_those_of_the_original(self, text: str) -> None:
        found = reading(text)
        assert plain(text) == (text if found is None else found.text)
        if found is not None:
            assert len(found.text) == len(found.starts) == len(found.ends)
            assert all(start < end for start, end in zip(found.starts, found.ends, strict=True))
            assert found.starts == sorted(found.starts)


JAAS = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="app" password="{}";'
PEM = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"
GOOGLE = '{{"type": "service_account", "client_id": "12", "private_key": "{}", "nested": [{{"more": null}}, true]}}'


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ("redis://app:{}@cache.internal:6379/0", ["cache.internal", "6379", "app"]),
        ("redis://:{}@cache.internal", ["cache.internal"]),
        (
            "mongodb://app:{}@mongo-1:27017,mongo-2:27017/integr8scode?authSource=admin",
            ["integr8scode", "mongo-1:27017"],
        ),
        (
            "postgresql://integr8scode:{}@database.internal/integr8scode?sslmode=verify-full",
            ["integr8scode", "verify-full"],
        ),
        ("amqp://host-of-queues/?password={}&heartbeat=1234567", ["heartbeat", "1234567", "host-of-queues"]),
        ("https://{}@sentry.internal/42", ["sentry.internal"]),
        ("https://{}:@api.internal/v1", ["api.internal"]),
        ("https://{}:x-oauth@github.internal/org", ["github.internal"]),
        ("https://hooks.internal/services/{}", ["hooks.internal"]),
        ("redis://a:pw@one.internal,redis://a:{}@two.internal", ["one.internal", "two.internal"]),
        ("app:{}@database.internal:5432/orders", ["database.internal"]),
        ("host=database.internal user=application password={} port=5432", ["database.internal", "application"]),
        ("Server=database.internal;Uid=application;Pwd={};", ["database.internal", "application"]),
        ("Server=db;Uid=application;Pwd={};Application Name=integr8scode", ["Application Name", "integr8scode"]),
        ("AccountName=someaccount;AccountKey={};EndpointSuffix=core.internal", ["someaccount", "core.internal"]),
        (JAAS, ["ScramLoginModule", "required", "username", "password"]),
        (PEM, ["-----BEGIN PRIVATE KEY-----", "PRIVATE KEY"]),
        (GOOGLE, ["private_key", "client_id"]),
        ('["{}", "second-value-of-the-list"]', []),
        ("{},another-token-of-a-list", []),
        ("first line of it\n{}\nthe last line", []),
        ("machine example.internal\nlogin me\npassword\n{}", ["password"]),
        ("eyJhbGciOiJI.{}.c2lnbmF0dXJl", []),
        ("{}", []),
        (
            "jdbc:postgresql://db.internal/ordersdb?user=application&password={}",
            ["db.internal", "ordersdb", "application"],
        ),
        ("jdbc:sqlserver://db.internal:1433;databaseName=ordersdb;password={};", ["db.internal", "ordersdb"]),
        ("jdbc:postgresql://db.internal/ordersdb?password={}&user=me@corporation", []),
        ("mssql+pyodbc:///?odbc_connect=Driver%3DODBC%3BPWD%3D{}", ["mssql+pyodbc"]),
        ("cache.internal:6380,password={},ssl=True,abortConnect=False", ["cache.internal", "abortConnect"]),
        (
            "mongodb://app:{}@mongo/?authSource=integr8scode&tlsCAFile=/etc/authority",
            ["integr8scode", "/etc/authority"],
        ),
        ("https://app.internal#access_token={}", ["app.internal", "access_token"]),
        ("https://git@app.internal/hooks/{}", ["app.internal"]),
        ("Authorization: Bearer {}", ["Authorization"]),
        ("Authorization: Basic {}==", ["Authorization"]),
        ("Authorization: Bearer {} https://me:another-one@app.internal", ["Authorization"]),
        ("Cookie: session={}; csrftoken=another-token-of-mine", ["csrftoken"]),
        ("Cookie: csrftoken=another-token-of-mine; theme=integr8scode; session={}", ["integr8scode"]),
        ("database:\n  host: db.internal\n  password: {}\n", ["database", "db.internal"]),
        ("host: db.internal\ntokens:\n  - {}\n  - another-token\n", ["db.internal"]),
        ("password: |\n  {}\nhost: db.internal\n", ["db.internal"]),
        ("tokens:\n- {}=\n- another-token=\nhost: db.internal\n", ["db.internal"]),
        ("password: correct horse {}\nhost: db.internal", ["db.internal"]),
        ("[main]\npassword = correct horse={}\nhost = db.internal", ["db.internal"]),
        ("host = db.internal password = {} dbname = ordersdb", ["db.internal"]),
        ("users:\n- name: administrator\n  user:\n    client-key-data: {}\n    token: another-one", ["administrator"]),
        ("API_KEY=another-key\nDATABASE_URL=postgres://app:{}@db.internal/ordersdb\n", ["db.internal", "ordersdb"]),
        ("API_KEY=another-key\nDATABASE=app:{}@tcp(db.internal)/ordersdb\n", ["db.internal", "ordersdb"]),
        ("API_KEY=another-key\nSTRIPE={}\nHOST=db.internal", ["db.internal", "STRIPE"]),
        ("API_KEY=another-key\nSTRIPE={} https://app.internal/", ["app.internal"]),
        ('host = "db.internal"\n[auth]\ntokens = ["abcdefgh", "{}"]', ["db.internal"]),
        ('main = {{host = "db.internal", password = "{}"}}', ["db.internal"]),
        ("{{'password': '{}', 'host': 'db.internal'}}", ["db.internal"]),
        ("mysql --user=application --password={} --host=db.internal", ["application", "db.internal"]),
        ("-----BEGIN PRIVATE KEY-----\\n{}\\nMIIEvQIBADANBg\\n-----END PRIVATE KEY-----\\n", ["PRIVATE KEY"]),
    ],
)
@pytest.mark.parametrize("secret", ["Zq7Quagga9Xylem4", "a1b2c3d4e5f6a7b8"])
def test_a_credential_is_found_and_names_are_shown(shape: str, names: list[str], secret: str) -> None:
    value = shape.replace("{}", secret).replace("{{", "{").replace("}}", "}")
    known = knowing(value)
    for quoted in (secret, secret[:10], secret[-10:], secret.upper(), f"'{secret}'"):
        shown = known.redact(f"cannot use <{quoted}> here")
        assert MASK in shown
        assert re.sub(r"[* '<>]", "", shown) == "cannotusehere"
    for name in names:
        assert known.redact(f"failed at {name}: no") == f"failed at {name}: no"
    assert value not in known.redact(f"cannot use {value} here")


class TestCredentials:
    @pytest.mark.parametrize(
        "sign", ["#", "/", "?", "@", ":", "%", " ", ",", "&", "=", ";", "|", '"', "'", "\\", "^", "$", "!"]
    )
    @pytest.mark.parametrize(
        "shape",
        [
            "redis://app:{}@cache:6379/0",
            "postgres://app:{}@db/x?sslmode=require",
            JAAS,
            "{}",
            "host=db password={} port=5432",
            "Server=db;Pwd={};Encrypt=True",
            "cache:6379,password={},ssl=True",
            "password: {}\nhost: db",
            "X-Api-Key: {}",
        ],
    )
    def test_pieces_that_parsers_cut_out(self, sign: str, shape: str) -> None:
        """As in: Port could not be cast to integer value as '...'."""
        first, last = "Zq7Quagga9", "Xylem4Okapi"
        password = f"{first}{sign}{last}"
        known = knowing(shape.replace("{}", password.replace('"', '\\"') if "required" in shape else password))
        for piece in (first, last, password, urllib.parse.quote(password), repr(password)):
            shown = known.redact(f"bad: {piece}.")
            assert first not in shown, shown
            assert last not in shown, shown

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            ("postgres://app:Zq7Quagga9%20Xylem4@db/name", "Zq7Quagga9 Xylem4"),
            ("postgres://app:Zq7Quagga9@[not-an-address/name", "Zq7Quagga9"),
            (r"host=db password='Zq7Quagga9\'Xylem4Okapi'", "Xylem4Okapi"),
            (r"host=db password='Zq7Qu\agga9Okapi'", "Zq7Quagga9Okapi"),
            ("host=db password='Okapi\tZq7Qua{gga9:Okapi'", "Zq7Qua{gga9"),
            ("Driver=x;Pwd={Okapi1234567;Zq7Quagga9};", "Zq7Quagga9"),
            ("smtp://app:Zq7Quagga9@mail/?from=me@here", "Zq7Quagga9"),
            ("Zq7Quagga9keyXylem4=", "Zq7Quagga9"),
            (b"Zq7Quagga9\xff", "b'Zq7Quagga9\\xff'"),
            (b"Zq7Quagga9\xff", "5a713751756167676139ff"),
        ],
    )
    def test_as_it_is_meant(self, value: Any, shown: str) -> None:
        class Bytes(BaseSettings):
            key: Secret[bytes] = b""

        if isinstance(value, bytes):
            values = {"key": base64.b64encode(value).decode()}
            text = Redactor(schema_of(Bytes), [document(values, secret=False)]).redact(shown)
        else:
            text = redact(shown, value)
        for part in ("Quagga", "756167", "Okapi", "gga9"):
            assert part not in text

    @pytest.mark.parametrize("text", ['{"password": "Zq7Quagga9:Xylem4@Okapi1234"}', "Zq7Quagga9:Xylem4@Okapi1234"])
    def test_what_looks_like_a_login_is_none_where_its_name_says_so(self, text: str) -> None:
        known = Redactor(schema_of(Plain), [document({"PASSWORD": text})])
        assert known.redact("<Zq7Quagga9> <Okapi1234>") == f"<{MASK}> <{MASK}>"
        assert redact("<Zq7Quagga9> <Okapi1234>", "Zq7Quagga9:Xylem4@Okapi1234") != f"<{MASK}> <{MASK}>"

    def test_the_names_of_the_product_are_none(self) -> None:
        trace = 'File "site-packages/hotsettings/load.py": hotsettings.Rejected'
        assert redact(trace, "hotsettings-Zq7Quagga9") == trace

    def test_names_are_none(self) -> None:
        class Settings(BaseSettings):
            kafka_bootstrap_servers: str = ""
            password: Secret[str] = "kafka_bootstrap_servers-Zq7Quagga9"

        known = Redactor(schema_of(Settings))
        text = f"kafka_bootstrap_servers: {__name__}.Settings says no"
        assert known.redact(text) == text
        assert known.redact("kafka_bootstrap_servers-Zq7") == MASK

    @given(st.text())
    @example("{" * 10_000)
    @example("a=" * 100)
    @example("x://" * 20)
    @example('{"a": "{\\"a\\": \\"{}\\"}"}')
    @example('["[\\"[\\\\\\"[\\\\\\\\\\\\\\"[1]\\\\\\\\\\\\\\"]\\\\\\"]\\"]"]')
    def test_any_text(self, text: str) -> None:
        assert all(len(part) >= 8 for part in credentials_in(text))

    def test_text_in_text_in_text(self) -> None:
        text = "Zq7Quagga9"
        for _ in range(credentials._DEEPEST + 3):
            text = json.dumps([text])
        assert any("Zq7Quagga9" in part for part in credentials_in(text))


class Inner(Struct, frozen=True):
    host: str = ""
    password: Secret[str] = ""


class Row(Struct, frozen=True, array_like=True):
    host: str = ""
    password: Secret[str] = ""


class TaggedRow(Struct, frozen=True, array_like=True, tag="row"):
    host: str
    password: Secret[str]


class One(Struct, frozen=True, tag="one"):
    password: Secret[str] = ""


class Two(Struct, frozen=True, tag="two"):
    label: str = ""


class Box(Struct, Generic[T], frozen=True):
    content: T


class Colour(enum.Enum):
    CRIMSON = "red-canary"


class Nested(BaseSettings):
    inner: Inner = Inner()
    inners: tuple[Inner, ...] = ()
    pair: tuple[str, Secret[str]] = ("", "")
    by_name: Mapping[str, Inner] = {}
    by_token: Mapping[Secret[str], str] = {}
    whole: Secret[Mapping[str, Inner]] = {}  # noqa: RUF012
    row: Row = Row()
    tagged_row: TaggedRow | None = None
    union: One | Two | None = None
    boxed: Box[Secret[str]] | None = None
    either: int | Annotated[str, SECRET] = 0
    colour: Secret[Colour] | None = None
    number: Secret[decimal.Decimal] | None = None
    pause: Secret[datetime.timedelta] | None = None
    name: Secret[uuid.UUID] | None = None
    preset: Secret[str] = "preset-canary"
    plain: str = ""


class TestWhichValuesAreSecret:
    @pytest.mark.parametrize(
        ("values", "shown", "hidden"),
        [
            ({"inner": {"host": "db-internal", "password": CANARY}}, ["db-internal"], [CANARY]),
            ({"inners": [{"host": "db-internal", "password": CANARY}]}, ["db-internal"], [CANARY]),
            ({"pair": ["db-internal", CANARY]}, ["db-internal"], [CANARY]),
            (
                {"by_name": {"main-name": {"host": "db-internal", "password": CANARY}}},
                ["db-internal", "main-name"],
                [CANARY],
            ),
            ({"by_token": {CANARY: "db-internal"}}, ["db-internal"], [CANARY]),
            ({"whole": {"canary-key": {"host": CANARY}}}, [], [CANARY, "canary-key"]),
            ({"row": ["db-internal", CANARY]}, ["db-internal"], [CANARY]),
            ({"tagged_row": ["row", "db-internal", CANARY]}, ["db-internal"], [CANARY]),
            # Where a table is meant and none is written, or no array, nobody knows what is where.
            ({"inner": f"db://:{CANARY}@db-internal"}, [], [CANARY]),
            ({"inner": ["db-internal", CANARY]}, [], [CANARY, "db-internal"]),
            ({"inners": {"host": CANARY}}, [], [CANARY]),
            ({"by_name": [CANARY]}, [], [CANARY]),
            ({"row": {"host": CANARY}}, [], [CANARY]),
            ({"tagged_row": ["db-internal", CANARY]}, [], [CANARY, "db-internal"]),
            ({"union": {"type": "one", "password": CANARY}}, [], [CANARY]),
            ({"union": {"type": "two", "label": "db-internal"}}, ["db-internal"], []),
            ({"boxed": {"content": CANARY}}, [], [CANARY]),
            ({"either": CANARY}, [], [CANARY]),
            ({"colour": "red-canary"}, [], ["red-canary", "<Colour.CRIMSON: 'red-canary'>"]),
            ({"number": "1.50"}, [], ["Decimal('1.50')"]),
            ({"pause": "PT5M"}, [], ["0:05:00", "datetime.timedelta(seconds=300)"]),
            ({"name": "00000000-0000-0000-0000-000000000005"}, [], ["UUID('00000000-0000-0000-0000-000000000005')"]),
            ({}, [], ["preset-canary"]),
            ({"plain": "db-internal"}, ["db-internal"], []),
        ],
    )
    def test_in_a_layer_that_is_not_secret(self, values: dict[str, Any], shown: list[str], hidden: list[str]) -> None:
        known = Redactor(schema_of(Nested), [document(values, secret=False)])
        for text in shown:
            assert known.redact(f"no {text}") == f"no {text}"
        for text in hidden:
            assert known.redact(f"no {text}") != f"no {text}", text
            assert not {"canary", "CRIMSON", "1.50", "05:00", "300", "000005"} & set(
                known.redact(f"no {text}").split("'")
            )

    def test_of_a_secret_layer_everything(self) -> None:
        known = Redactor(schema_of(Nested), [document({"plain": CANARY, "unknown": {"a": [{"b": "other-canary"}]}})])
        assert known.redact(f"{CANARY} other-canary plain unknown") == f"{MASK} {MASK} plain unknown"

    def test_but_not_what_another_layer_says_of_the_same_key(self) -> None:
        layers = [document({"plain": "public-value"}, secret=False), document({"plain": "public-value", "x": CANARY})]
        assert Redactor(schema_of(Nested), layers).redact(f"public-value {CANARY}") == f"public-value {MASK}"

    def test_those_that_settings_hold(self) -> None:
        known = Redactor(schema_of(Nested))
        assert known.redact(CANARY) == CANARY
        settings: Any = Nested.from_values(inner={"password": CANARY})
        known.learn([], settings)
        assert known.redact(CANARY) == MASK


class TestRemembering:
    def test_former_ones(self, caplog: pytest.LogCaptureFixture) -> None:
        known = Redactor(schema_of(Plain))
        many = [f"Zq{number:05}Quagga{number:05}" for number in range(300)]
        for secret in many:
            known.learn([document({"name": secret})])
        for secret in many:
            assert known.redact(f"<{secret}>") == f"<{MASK}>"
        assert caplog.text == ""

    @pytest.mark.parametrize("limit", ["_MOST", "_MUCH"])
    def test_the_oldest_are_forgotten_and_that_is_logged_once(
        self, limit: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(redactor, limit, {"_MOST": 50, "_MUCH": 50 * 20}[limit])
        known = Redactor(schema_of(Plain))
        many = [f"Zq{number:05}Quagga{number:07}" for number in range(200)]
        for secret in many:
            known.learn([document({"name": secret})])
            assert known.redact(secret) == MASK
        assert known.redact(many[0]) == many[0]
        assert all(known.redact(secret) == MASK for secret in many[-40:])
        assert caplog.text.count("the oldest are no longer masked") == 1

    def test_what_is_live_is_never_forgotten(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(redactor, "_MOST", 10)
        many = [f"Zq{number:05}Quagga{number:07}" for number in range(50)]
        known = knowing(*many)
        assert all(known.redact(secret) == MASK for secret in many)
        assert caplog.text == ""

    def test_defaults_are_never_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(redactor, "_MOST", 10)
        known = Redactor(schema_of(Nested))
        for number in range(50):
            known.learn([document({"plain": f"Zq{number:05}Quagga"})])
        assert known.redact("preset-canary") == MASK

    def test_forgetting_some_does_not_mean_to_learn_all_others_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(redactor, "_MOST", 50)
        looked: list[str] = []

        def credentials_in(text: str, key: str) -> Iterator[str]:
            looked.append(text)
            yield text

        monkeypatch.setattr(redactor, "credentials_in", credentials_in)
        known = Redactor(schema_of(Plain))
        for number in range(500):
            known.learn([document({"name": f"Zq{number:05}Quagga"})])
            known.redact("")
        assert len(looked) < 600

    def test_from_several_threads(self) -> None:
        known = Redactor(schema_of(Plain))
        wrong: list[str] = []

        def rotate(name: str) -> None:
            for number in range(100):
                secret = f"Zq{name}{number:05}Quagga"
                known.learn([document({"name": secret})])
                if (shown := known.redact(f"<{secret}>")) != f"<{MASK}>":
                    wrong.append(shown)

        threads = [threading.Thread(target=rotate, args=[name]) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


def test_the_name_of_a_type_is_redacted_too() -> None:
    error = type(f"No {CANARY}", (Exception,), {})("nothing")
    assert repr(knowing(CANARY).redacted(error)) == f"Redacted('nothing', 'No {MASK}')"


def test_an_interrupt_in_the_text_of_an_exception_is_not_swallowed() -> None:
    class Interrupted(Exception):
        def __str__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        knowing(CANARY).redacted(Interrupted())


def test_lines_that_hold_a_secret_are_not_shown() -> None:
    known = knowing(CANARY)
    quiet, loud = ('A = "harmless"', "    ^"), (f'A = "{CANARY}"', "    ^")
    for excerpt, shown in ((quiet, quiet), (loud, ())):
        problem = known.problem(Problem("A", "expected int", Origin("base"), excerpt=excerpt))
        assert problem.excerpt == shown
