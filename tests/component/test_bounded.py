"""Twice the input takes at most about twice the work, whatever is wrong with it.

Work is counted, not timed: bytecode instructions, and characters where a text is searched.
"""

import enum
import functools
import gc
import operator
import pickle
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Struct
from support.steps import steps

from hotsettings import BaseSettings, InvalidSettings, LayerError, Rejected, Secret
from hotsettings._layers.file import FileLayer
from hotsettings._layers.layer import Document, Layer
from hotsettings._layers.toml import limits
from hotsettings._layers.toml.spelling import Budget, Vocabulary
from hotsettings._live import snapshot
from hotsettings._live.snapshot import same
from hotsettings._loading import problems
from hotsettings._loading.explain import effective, explain
from hotsettings._loading.load import assemble, load
from hotsettings._loading.prepare import prepare
from hotsettings._loading.problems import warnings_in
from hotsettings._redaction import Redactor, redactor
from hotsettings._redaction.secrets import secrets_of
from hotsettings._schema import frozen
from hotsettings._schema.marks import SECRET
from hotsettings._schema.schema import schema_of

MOST = 2.3
"""Times the work that twice the input may take: twice, and a little for what is ordered or indexed."""


def settings(fields: Mapping[str, Any], *, tolerant: bool = False) -> Any:
    """A settings class with these fields, each with its annotation, and with its default where that is a pair."""
    body: dict[str, Any] = {
        "__annotations__": {key: field[0] if isinstance(field, tuple) else field for key, field in fields.items()},
        "__module__": __name__,
        **{key: field[1] for key, field in fields.items() if isinstance(field, tuple)},
    }
    options = {"forbid_unknown_fields": False} if tolerant else {}
    return types.new_class("S", (BaseSettings,), options, lambda namespace: namespace.update(body))


def refused(folder: Path, cls: Any, text: str) -> InvalidSettings:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidSettings) as caught:
        cls(path, secrets_path=None)
    return caught.value


def name(number: int, length: int = 0) -> str:
    return f"KAFKA_{number:04}_{'TIMEOUT_OF_A_GROUP_' * (length // 19 + 1)}"[: length or 30]


def near_misses(size: int) -> tuple[Any, str]:
    names = [name(number, 40 * size) for number in range(10)]
    return settings(dict.fromkeys(names, (int, 0))), "".join(f"{key[:-1]}X{key[-1]} = 1\n" for key in names)


def wrong_values_among_secrets(size: int) -> tuple[Any, str]:
    secrets = {name(number): (Secret[str], "") for number in range(60 * size)}
    wrong = {f"p{number}": (int, 0) for number in range(60 * size)}
    return settings(secrets | wrong), "".join(f"{key} = 'x'\n" for key in wrong)


def unknown_keys(size: int) -> tuple[Any, str]:
    known = {name(number): (int, 0) for number in range(500 * size)}
    return settings(known), "".join(f"{'x' * 100}{number} = 1\n" for number in range(60 * size))


def tagged_unions(size: int) -> tuple[Any, str]:
    members = [
        msgspec.defstruct(f"U{number}", [("f", int)], frozen=True, tag=f"k{number}", tag_field="kind")
        for number in range(60 * size)
    ]
    rows = "".join(f"[[rows]]\nkind = 'k{number}'\nf = 'x'\n" for number in range(60 * size))
    return settings({"rows": tuple[functools.reduce(operator.or_, members), ...]}), rows  # type: ignore[misc]


class Row(Struct, frozen=True, forbid_unknown_fields=True):
    host: str
    port: int = 1


def tables_in_tables(size: int) -> tuple[Any, str]:
    tables = {
        f"t{number}": msgspec.defstruct("T", [(f"f{at}", int, 0) for at in range(20)], frozen=True)
        for number in range(5 * size)
    }
    return settings(tables), "".join(f"[{key}]\n" + "".join(f"f{at} = 'x'\n" for at in range(20)) for key in tables)


def secrets_in_tagged_unions(size: int) -> tuple[Any, str]:
    members = [
        msgspec.defstruct(f"U{number}", [("f", Secret[str])], frozen=True, tag=f"k{number}", tag_field="kind")
        for number in range(60 * size)
    ]
    rows = "".join(f"[[rows]]\nkind = 'k{number}'\nf = 'secret {number}'\n" for number in range(60 * size))
    return settings({"rows": tuple[functools.reduce(operator.or_, members), ...], "x": (int, 0)}), f"x = 'y'\n{rows}"  # type: ignore[misc]


CASES = [
    near_misses,
    wrong_values_among_secrets,
    unknown_keys,
    tagged_unions,
    tables_in_tables,
    secrets_in_tagged_unions,
]


@pytest.mark.parametrize("case", CASES)
def test_twice_the_mistakes_take_twice_the_work(tmp_path: Path, case: Callable[[int], tuple[Any, str]]) -> None:
    taken = []
    for size in (1, 1, 2):  # once before it counts: what is looked up for the first time is kept
        cls, text = case(size)
        taken.append(steps(lambda cls=cls, text=text: refused(tmp_path, cls, text)))  # type: ignore[misc]
    assert taken[2] <= MOST * taken[1]


def test_the_search_for_what_was_meant_ends(tmp_path: Path) -> None:
    cls = settings({name(number): (int, 0) for number in range(4000)})
    error = refused(tmp_path, cls, "".join(f"{name(at)[:-1]}X = 1\n" for at in range(800)))
    assert error.problems[0].hint == f"did you mean {name(0)}?"
    assert error.problems[-1].hint == ""


def test_no_more_effort_is_made_than_is_left() -> None:
    names = [name(number) for number in range(200)]
    taken = []
    for number in (100, 100, 200):
        sought = Vocabulary(names, Budget(30_000))
        taken.append(steps(lambda sought=sought, number=number: [sought.closest(key[:-1]) for key in names[:number]]))  # type: ignore[misc]
    assert sought.exhausted
    assert taken[2] < 1.2 * taken[1]


def test_a_choice_of_very_many_is_not_listed_again_and_again(tmp_path: Path) -> None:
    sizes = []
    for number in (400, 800):
        choice: Any = enum.Enum("E", {f"M{at}": f"member {at}" for at in range(number)})  # type: ignore[misc]
        cls = settings({"x": tuple[choice, ...]})
        error = refused(tmp_path, cls, f"x = [{', '.join(chr(34) + f'mebmer {at}' + chr(34) for at in range(100))}]")
        sizes.append(len(str(error)))
    assert sizes[1] <= 1.1 * sizes[0]
    assert error.problems[0].message.startswith("expected one of member 0, member 1, ")
    assert error.problems[0].message.endswith(", member 49 and 750 more")
    assert error.problems[0].hint == "did you mean member 0?"


def test_no_more_secrets_are_met_than_make_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redactor, "_MOST_MET", 200)
    row = msgspec.defstruct("Row", [("f", Secret[str])], frozen=True)
    schema = schema_of(settings({"rows": tuple[row, ...]}))  # type: ignore[valid-type]
    taken = []
    for number in (1000, 2000):
        documents = [Document(Layer(name="base"), "", {"rows": [{"f": "the same secret"}] * number})]
        knowing = Redactor(schema)
        taken.append(steps(lambda knowing=knowing, documents=documents: knowing.learn(documents)))  # type: ignore[misc]
        assert knowing.finds("harmless")  # it cannot tell, so nothing is shown
    assert taken[1] <= 1.1 * taken[0]
    knowing.learn([Document(Layer(name="base"), "", {"rows": [{"f": "the same secret"}]})])
    assert not knowing.finds("harmless")
    assert knowing.finds("the same secret")


def test_a_rule_that_says_very_much_is_not_asked_for_ever(tmp_path: Path) -> None:
    said = "x" * 50_000
    calls = 0

    class Strict(Struct, frozen=True):
        a: int

        def __post_init__(self) -> None:
            nonlocal calls
            calls += 1
            raise ValueError(said)

    asked = []
    for number in (1500, 3000):
        calls = 0
        error = refused(tmp_path, settings({"x": tuple[Strict, ...]}), "[[x]]\na = 1\n" * number)
        assert (len(error.problems), error.total) == (1000, 1001)
        assert max(len(problem.message) for problem in error.problems) < 2500
        asked.append(calls)
    assert asked[1] <= 1.1 * asked[0]


def test_a_text_that_may_name_very_many_phrases_is_not_searched_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A field may be named by several words, which a text is searched for only where it has them all."""

    class Searched(str):
        searches = 0

        def __contains__(self, part: object) -> bool:
            Searched.searches += 1
            return super().__contains__(str(part))

    class Unquoting:
        def sub(self, _: str, text: str) -> Searched:
            return Searched(text)

    monkeypatch.setattr(problems, "_QUOTES", Unquoting())
    shown = {}
    for number, text in [(3000, "red = 1"), (3000, "of = 1\nno = 2"), (20, "of = 1\nno = 2")]:
        phrases = [(f"f{at}", Secret[str], "") for at in range(number)]
        rename = {f"f{at}": f"of{' ' * at} no" for at in range(number)}
        struct: Any = msgspec.defstruct("Phrases", phrases, frozen=True, rename=rename)
        (tmp_path / "config.toml").write_text(f"{text}\nx = 'y\n")
        with pytest.raises(LayerError) as caught:
            settings({"phrases": (struct | None, None)})(tmp_path / "config.toml", secrets_path=None)
        shown[number, text] = bool(caught.value.problems[0].excerpt)
    assert list(shown.values()) == [True, False, True]
    assert Searched.searches < 100


class Counting(str):
    """A text that counts the characters that are looked at to find lines."""

    looked_at = 0

    def count(self, sub: str, start: Any = 0, end: Any = None) -> int:
        self.looked_at += min(len(self), len(self) if end is None else end) - start
        return super().count(sub, start, end)

    def rfind(self, sub: str, start: Any = 0, end: Any = None) -> int:
        found = super().rfind(sub, start, end)
        self.looked_at += (len(self) if end is None else end) - max(found, start)
        return found


def documented(text: str, values: dict[str, Any]) -> tuple[Counting, Document]:
    counting = Counting(text)
    return counting, Document(Layer(name="base", label="config.toml"), counting, values)


def keys(number: int) -> tuple[str, dict[str, Any]]:
    return "".join(f"k{at} = 1  # {'x' * 200}\n" for at in range(number)), {f"k{at}": 1 for at in range(number)}


def test_the_lines_of_unknown_keys_are_counted_once() -> None:
    schema = schema_of(settings({}, tolerant=True))
    looked_at = []
    for number in (400, 800):
        text, document = documented(*keys(number))
        warnings_in(schema, [document], prepare(schema, [document]))
        looked_at.append(text.looked_at)
    assert looked_at[1] <= MOST * looked_at[0]


def test_the_lines_of_origins_are_counted_once() -> None:
    looked_at = []
    for number in (400, 800):
        text, document = documented(*keys(number))
        schema = schema_of(settings({f"k{at}": (int, 0) for at in range(number)}))
        effective(assemble(schema, [document]))
        looked_at.append(text.looked_at)
    assert looked_at[1] <= MOST * looked_at[0]


def test_what_is_explained_is_all_that_is_looked_at() -> None:
    schema = schema_of(settings({"x": (Mapping[str, Any], {}), "y": (int, 0)}))
    taken = []
    for number in (200, 400):
        values = [{"y": 1, "x": {f"k{at}": {"a": {"b": at}} for at in range(number)}} for _ in range(2)]
        documents = tuple(Document(Layer(name="base"), "y = 1\n", each) for each in values)
        loaded = assemble(schema, documents)
        taken.append(steps(lambda loaded=loaded: explain(loaded, "y")))  # type: ignore[misc]
    assert taken[1] <= 1.1 * taken[0]


def test_a_good_load_builds_no_index(tmp_path: Path) -> None:
    cls = settings({name(number): (int, 0) for number in range(50)})
    path = tmp_path / "config.toml"
    path.write_text("".join(f"{name(number)} = 1\n" for number in range(50)), encoding="utf-8")
    cls(path, secrets_path=None)
    assert not {"names", "_by_name", "_tables"} & vars(schema_of(cls)).keys()


def test_the_collector_is_paused_for_large_layers_only(tmp_path: Path) -> None:
    paused = []

    class S(BaseSettings):
        x: str

        def __post_init__(self) -> None:
            paused.append(not gc.isenabled())

    path = tmp_path / "config.toml"
    for text in ("y", "x" * 200_000):
        path.write_text(f"x = '{text}'\n", encoding="utf-8")
        S(path, secrets_path=None)
        assert gc.isenabled()
    path.write_text(f"x = '{'x' * 200_000}'\ny = 1\n", encoding="utf-8")
    with pytest.raises(InvalidSettings):
        S(path, secrets_path=None)
    assert gc.isenabled()
    gc.disable()
    try:
        with pytest.raises(InvalidSettings):
            S(path, secrets_path=None)
        assert not gc.isenabled()  # it was off before
    finally:
        gc.enable()
    assert paused == [False, True]


def test_no_collection_falls_between_large_layers(tmp_path: Path) -> None:
    paths = []
    for letter in "abc":
        path = tmp_path / f"{letter}.toml"
        path.write_text("[x]\n" + "".join(f"{letter}{at}.y = [1]\n" for at in range(15_000)), encoding="utf-8")
        paths.append(path)
    cls = settings({"x": Mapping[str, Any]})
    collections = []

    def collected(phase: str, _: object) -> None:
        collections.append(phase)

    gc.callbacks.append(collected)
    try:
        load(schema_of(cls), [FileLayer(path) for path in paths])
        assert not collections[2:]  # one may begin as soon as it is let
    finally:
        gc.callbacks.remove(collected)
    assert gc.isenabled()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="there the old generation is collected in increments")
def test_large_layers_are_old_at_once(tmp_path: Path) -> None:
    """Else each of the next collections would look at all of their values, and find no garbage."""
    cls = settings({"x": Mapping[str, Any]})
    path = tmp_path / "config.toml"
    path.write_text("[x]\n" + "".join(f"k{at}.y = [1]\n" for at in range(15_000)), encoding="utf-8")
    gc.collect()
    loaded = cls(path, secrets_path=None)
    young = [each for generation in (0, 1) for each in gc.get_objects(generation=generation)]
    assert not any(each is loaded.x for each in young)
    del young
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        cls(path, secrets_path=None)
        assert gc.get_freeze_count() >= frozen - 100  # a few may have gone
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(
    ("fields", "text", "total"),
    [
        ({"x": tuple[int, ...]}, f"x = [{', '.join(['true'] * 3000)}]", 3000),
        ({"x": tuple[tuple[int, ...], ...]}, f"x = [{', '.join(['[1, true, true]'] * 3000)}]", 6000),
        ({"x": Mapping[str, int]}, "[x]\n" + "".join(f"k{at} = true\n" for at in range(3000)), 3000),
        ({"x": Mapping[int, int]}, "[x]\n" + "".join(f"k{at} = true\n" for at in range(3000)), 6000),
        ({"x": tuple[Row, ...]}, "[[x]]\nhots = 1\nport = 'x'\n" * 3000, 9000),
        ({f"k{at}": int for at in range(3000)}, "", 3000),
        ({"k": (int, 0)}, "".join(f"x{at} = true\n" for at in range(3000)), 3000),
    ],
)
def test_all_problems_are_counted_and_the_first_are_told(
    tmp_path: Path, fields: dict[str, Any], text: str, total: int
) -> None:
    error = refused(tmp_path, settings(fields), text)
    assert (len(error.problems), error.total) == (1000, total)
    shown = str(error).splitlines()
    assert shown[0] == f"Invalid settings: {total} problems; the first 100 are shown"
    assert shown[-1] == f"  … and {total - 100} more"
    assert sum(line.startswith("  ") and not line.startswith("   ") for line in shown) == 101
    assert {bool(problem.excerpt) for problem in error.problems[100:]} == {False}
    assert len(repr(error)) < 1.2 * len(str(error)) + 100
    for again in (pickle.loads(pickle.dumps(error)), pickle.loads(pickle.dumps(Rejected(error)))):
        assert (again.total, again.problems) == (total, error.problems)


def test_of_very_many_problems_a_table_counts_as_one(tmp_path: Path) -> None:
    text = "".join(f"x.k{number}.a = {{ b = '', c = '' }}\n" for number in range(30_000))
    error = refused(tmp_path, settings({"x": Mapping[str, Mapping[str, Mapping[str, int]]]}), text)
    assert len(error.problems) == 1000
    assert 30_000 < error.total < 60_000


@pytest.mark.parametrize(
    "kind", [str, Annotated[str, msgspec.Meta(min_length=1)], Annotated[bool, msgspec.Meta(title="x")]]
)
def test_numbers_in_the_place_of_others_are_judged_by_their_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    """There may be half a million in a file, and to ask msgspec takes most of the time."""
    asked: list[object] = []
    convert = msgspec.convert

    def counted(*args: Any, **options: Any) -> Any:
        asked.append(args)
        return convert(*args, **options)

    monkeypatch.setattr(msgspec, "convert", counted)
    error = refused(tmp_path, settings({"x": tuple[kind, ...]}), f"x = [{'1, 0.5, ' * 2000}]")
    assert error.total == 4000
    assert [each.message for each in error.problems[:2]] == [
        f"expected {'bool' if 'bool' in str(kind) else 'str'}, got {got}" for got in ("int", "float")
    ]
    assert len(asked) < 1000


def test_limits_hold_beside_wrong_types(tmp_path: Path) -> None:
    kind = Annotated[str, msgspec.Meta(min_length=2)]
    error = refused(tmp_path, settings({"x": tuple[kind, ...]}), "x = [1, '', 'ab', 'a', 2]")
    assert [(each.key, each.code) for each in error.problems] == [
        ("x[0]", "wrong-type"),
        ("x[1]", "wrong-length"),
        ("x[3]", "wrong-length"),
        ("x[4]", "wrong-type"),
    ]


def test_small_tables_nested_deep_are_frozen_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at all types at once costs more than the values of a small table, of which there may be a million."""
    looks: list[object] = []
    monkeypatch.setattr(frozen, "_immutable", looks.append)
    table = {"a": {"b": {"c": [1, [2], [[]]]}}}
    assert frozen.freeze({f"k{number}": table for number in range(5)})["k0"] == {"a": {"b": {"c": (1, (2,), ((),))}}}
    assert not looks


def test_arrays_in_arrays_are_not_searched_for_flat_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search cannot settle how deep they nest, and takes most of the time."""
    monkeypatch.setattr(limits, "_FLAT", None)
    assert limits.hazard(f"x = [{'[[1], [2]], ' * 200}]") is None
    assert limits.hazard(f"x = [{'[[1], [2]], ' * 200}{'[' * 40}") is not None


def test_a_mapping_is_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = schema_of(settings({"x": (Mapping[str, Any], {}), "y": (int, 0)}))
    tables = {f"k{at}": {"a": at} for at in range(50)}
    one, other = (
        assemble(schema, [Document(Layer(name="base"), "", {"x": {**tables, "z": last}})]).settings for last in (1, 2)
    )
    compared = 0

    def counted(first: Any, second: Any) -> bool:
        nonlocal compared
        compared += 1
        return same(first, second)

    monkeypatch.setattr(snapshot, "same", counted)
    assert snapshot.changed_keys(schema, one, other) == {"x"}
    assert compared == 1 + 50 * 2 + 1 + 1


def test_a_secret_at_any_depth_is_met_once_for_each_place() -> None:
    inner = msgspec.defstruct("Inner", [("token", str), ("sizes", tuple[int, ...], ())], frozen=True)
    kinds: list[tuple[Any, Any]] = [
        (Secret[Mapping[str, Mapping[str, Mapping[str, str]]]], {"k": {"l": {"m": "text 1", "n": "text 2"}}}),
        (Secret[Mapping[str, tuple[tuple[str, ...], ...]]], {"k": [["text 1"], ["text 2"]]}),
        (Secret[tuple[Mapping[str, Any], ...]], [{"k": {"l": ["text 1"]}}, {"k": "text 2"}]),
        (Annotated[tuple[str], SECRET], ["text 1", "text 2"]),  # there is one too many
        (Mapping[str, Mapping[str, Secret[str]]], {"k": {"l": "text 1", "m": "text 2"}}),
    ]
    for annotation, value in kinds:
        document = Document(Layer(name="base"), "", {"x": value})
        met = [text for _, text, _ in secrets_of(schema_of(settings({"x": annotation})), [document])]
        assert sorted(text for text in met if text.startswith("text")) == ["text 1", "text 2"]
    document = Document(Layer(name="base"), "", {"x": {"k": {"token": "text 1", "sizes": [7]}}})
    met = [text for _, text, _ in secrets_of(schema_of(settings({"x": Secret[Mapping[str, inner]]})), [document])]  # type: ignore[valid-type]
    assert set(met) == {"k", "text 1", "7"}
    assert met.count("text 1") == 2  # a rule of a Struct may make something else of it, so that is met as well


def test_what_only_a_secret_layer_says_is_found_without_a_detour() -> None:
    """For each value no more work than for the tables around it."""
    schema = schema_of(settings({"x": Mapping[str, Any]}))
    taken = []
    for depth in (15, 15, 30):
        value: Any = "text"
        for _ in range(depth):
            value = {"a": value}
        values = {"x": {f"k{number}": value for number in range(100)}}
        documents = [
            Document(Layer(name="base"), "", {"x": {}}),
            Document(Layer(name="secrets", secret=True), "", values),
        ]
        taken.append(steps(lambda documents=documents: list(secrets_of(schema, documents))))  # type: ignore[misc]
    assert taken[2] <= 2 * taken[1]


def test_texts_at_the_bottom_of_arrays_are_met_without_a_detour() -> None:
    schema = schema_of(settings({"x": Secret[Mapping[str, Any]]}))
    taken = []
    for depth in (15, 15, 30):
        value: Any = [f"text {number}" for number in range(500)]
        for _ in range(depth):
            value = [value]
        document = Document(Layer(name="base"), "", {"x": {"a": value}})
        taken.append(steps(lambda document=document: list(secrets_of(schema, [document]))))  # type: ignore[misc]
    assert taken[2] <= 1.1 * taken[1]


def test_elements_behind_those_that_are_wanted_are_passed_over() -> None:
    wanted = [("x", at) for at in range(100)]
    taken = []
    for number in (1000, 1000, 2000):
        text = f"x = [{'{ a = 1 }, ' * number}]\ny = 2\n"
        document = Document(Layer(name="base", label="config.toml"), text, {})
        taken.append(steps(lambda document=document: document.locate(wanted)))  # type: ignore[misc]
        assert set(document.locate(wanted)) == set(wanted)
    assert document.locate([("y",), ("x", 3, "a")])["y",].value == (text.rindex("2"), text.rindex("2") + 1)
    assert taken[2] <= 1.1 * taken[1]
