"""What happens to values before they are decoded: default tables, tags, conversions, checks, strictness."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from support.examples import examples

from hotsettings import (
    BaseSettings,
    Before,
    Check,
    Deprecated,
    FolderLayer,
    InvalidSettings,
    Renamed,
    Secret,
    Tolerant,
)
from hotsettings._layers.layer import in_memory
from hotsettings._layers.toml.keys import follow
from hotsettings._loading.explain import explain
from hotsettings._loading.load import assemble
from hotsettings._loading.merge import merge, trace
from hotsettings._schema.schema import as_values, schema_of


class Pool(Struct, frozen=True):
    size: int = 1
    wait: float = 1.0


class Db(Struct, frozen=True):
    host: str = "own"
    pool: Pool = Pool(size=2)
    replica: Pool | None = None


class Disk(Struct, frozen=True, tag="disk"):
    path: str = "/"
    quota: int = 1
    pool: Pool = Pool(size=4)


class Bucket(Struct, frozen=True, tag="bucket"):
    name: str = "b"
    quota: int = 2


class Settings(BaseSettings):
    db: Db = Db(host="default", pool=Pool(size=9, wait=3.0))
    made: Db = msgspec.field(default_factory=lambda: Db(host="made"))
    spare: Db | None = None
    dbs: Mapping[str, Db] = {"main": Db(host="mapped")}
    row: tuple[Db, ...] = (Db(host="first"),)
    store: Disk | Bucket = Disk(path="/data", quota=5)
    stores: Mapping[str, Disk | Bucket | int] = {}


def of(*layers: dict[str, Any], cls: type[Any] = Settings) -> Any:
    return assemble(schema_of(cls), [in_memory(values) for values in layers]).settings


def problems(cls: type[Any], *layers: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidSettings) as caught:
        of(*layers, cls=cls)
    return [(problem.key, problem.message) for problem in caught.value.problems]


class TestDefaultTables:
    def test_a_table_keeps_the_rest_of_its_default(self) -> None:
        assert of({"db": {"host": "h"}}).db == Db(host="h", pool=Pool(size=9, wait=3.0))

    def test_at_any_depth(self) -> None:
        assert of({"db": {"pool": {"wait": 5}}}).db == Db(host="default", pool=Pool(size=9, wait=5.0))
        assert of({"dbs": {"x": {"pool": {"wait": 5}}}}).dbs == {"x": Db(pool=Pool(size=2, wait=5.0))}
        assert of({"row": [{"pool": {"wait": 5}}]}).row == (Db(pool=Pool(size=2, wait=5.0)),)
        assert of({"store": {"pool": {"wait": 5}}}).store == Disk("/data", 5, Pool(4, 5.0))
        assert of({"stores": {"x": {"type": "disk", "pool": {}}}}).stores == {"x": Disk()}

    def test_a_table_in_the_default_that_its_class_does_not_have(self) -> None:
        class Inner(Struct, frozen=True, forbid_unknown_fields=True):
            x: int
            y: int

        class Outer(Struct, frozen=True, forbid_unknown_fields=True):
            inner: Inner

        class S(BaseSettings):
            outer: Outer = Outer(Inner(1, 2))

        assert S.from_values(outer={"inner": {"y": 5}}).outer == Outer(Inner(1, 5))

    def test_a_default_that_is_made(self) -> None:
        assert of({"made": {"pool": {}}}).made == Db(host="made")

    def test_an_optional_table_has_the_defaults_of_its_fields(self) -> None:
        assert of().spare is None
        assert of({"spare": {"pool": {"wait": 5}}}).spare == Db(pool=Pool(size=2, wait=5.0))

    def test_a_mapping_or_an_array_is_replaced_whole(self) -> None:
        assert of({"dbs": {"main": {}}}).dbs == {"main": Db()}
        assert of({"row": [{}]}).row == (Db(),)

    def test_a_table_may_name_its_tag_or_leave_it_out(self) -> None:
        assert of({"store": {"quota": 7}}).store == Disk("/data", 7)
        assert of({"store": {"quota": 7, "type": "disk"}}).store == Disk("/data", 7)

    def test_another_tag_replaces_the_default(self) -> None:
        assert of({"store": {"type": "bucket"}}).store == Bucket()

    def test_all_layers_lie_over_it(self) -> None:
        assert of({"db": {"host": "h"}}, {"db": {"pool": {"size": 3}}}).db == Db("h", Pool(3, 3.0))

    def test_no_layer_changes(self) -> None:
        document = in_memory({"db": {"pool": {"wait": 5}}})
        assemble(schema_of(Settings), [document])
        assert document.values == {"db": {"pool": {"wait": 5}}}

    def test_the_default_that_is_told_is_the_one_that_counts(self) -> None:
        for leaf in Settings.__schema__.leaves:  # type: ignore[attr-defined]
            if leaf.path[0] in ("db", "made"):
                assert leaf.value_in(of()) == leaf.default
                for depth in range(1, len(leaf.path)):
                    table: dict[str, Any] = {}
                    inner = table
                    for part in leaf.path[:depth]:
                        inner = inner.setdefault(part, {})
                    assert leaf.value_in(of(table)) == leaf.defaults[depth]


# Tables of some of the keys that a table of Settings may have. A disk's and a bucket's are mixed, as layers may.
pools = st.fixed_dictionaries({}, optional={"size": st.integers(0, 9), "wait": st.floats(0, 9)})
dbs = st.fixed_dictionaries({}, optional={"host": st.sampled_from("abc"), "pool": pools, "replica": pools})
stores = st.one_of(
    st.fixed_dictionaries({"type": st.just("disk")}, optional={"path": st.just("p"), "quota": st.integers(0, 9)}),
    st.fixed_dictionaries({"type": st.just("bucket")}, optional={"name": st.just("n"), "quota": st.integers(0, 9)}),
    st.fixed_dictionaries({}, optional={"quota": st.integers(0, 9)}),
)
tables = st.fixed_dictionaries(
    {},
    optional={
        "db": dbs,
        "made": dbs,
        "store": stores,
        "stores": st.dictionaries(st.sampled_from("xy"), stores | st.integers(0, 3), max_size=2),
    },
)
stacks = st.lists(tables, min_size=1, max_size=4)


@examples(200)
@given(stacks)
def test_default_tables_are_a_layer_below_all_others(stack: list[dict[str, Any]]) -> None:
    """Only mappings differ, which are replaced whole."""
    below = {key: value for key, value in as_values(of()).items() if key in ("db", "made", "store")}
    below["db"]["replica"] = below["made"]["replica"] = {}  # TOML has no null
    if any(
        "type" not in store for layer in stack for store in layer.get("stores", {}).values() if store not in range(4)
    ):
        stack = [{key: value for key, value in layer.items() if key != "stores"} for layer in stack]
    written = of(below, *stack)
    silent = of(*stack)
    assert silent.store == written.store
    for name in ("db", "made"):
        one, other = getattr(silent, name), getattr(written, name)
        assert msgspec.structs.replace(one, replica=None) == msgspec.structs.replace(other, replica=None)


def test_a_layer_without_a_tag_means_that_of_the_default() -> None:
    """Even if a higher layer names another tag, and so replaces it."""
    assert of({"store": {"quota": 0}}, {"store": {"type": "bucket"}}).store == Bucket()


def test_the_default_of_a_table_in_a_default_is_the_one_that_is_there() -> None:
    """Not that of its class, which may have another tag."""

    class Site(Struct, frozen=True):
        store: Disk | Bucket = Bucket()

    class Sites(BaseSettings):
        site: Site = Site(store=Disk(path="/data"))

    layers = {"site": {"store": {"quota": 7}}}, {"site": {"store": {"type": "disk", "path": "/other"}}}
    assert of(*layers, cls=Sites).site.store == Disk(path="/other", quota=7)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else ()
    return [path, *(deeper for key, item in items for deeper in places(item, (*path, key)))]


@examples(300)
@given(stacks)
def test_the_winner_of_a_trace_is_what_the_merged_value_holds(stack: list[dict[str, Any]]) -> None:
    shape = schema_of(Settings).merging
    merged = merge(stack, shape)
    for path in {each for layer in stack for each in places(layer)}:
        counting = [said for _, said, counts in trace(stack, path, shape) if counts]
        value = follow(merged, path)
        assert bool(counting) == (path in places(merged))
        if counting and not isinstance(value, dict):
            assert counting == [value]
        elif counting:
            assert merge(list(reversed(counting)), shape and shape.at(path)) == value
            assert counting[0].items() <= value.items() or any(isinstance(item, dict) for item in value.values())


def test_a_layer_that_names_another_tag_replaces_the_table() -> None:
    disk = {"store": {"type": "disk", "path": "p", "quota": 3}}
    assert of(disk, {"store": {"type": "bucket"}}).store == Bucket()
    assert of(disk, {"store": {"quota": 4}}, {"store": {"type": "bucket"}}).store == Bucket()
    assert of(disk, {"store": {"type": "bucket"}}, {"store": {"quota": 4}}).store == Bucket(quota=4)
    assert of(disk, {"store": {"type": "disk", "quota": 4}}).store == Disk("p", 4)
    assert (
        of({"stores": {"x": {"type": "disk", "path": "p"}}}, {"stores": {"x": {"type": "bucket"}}}).stores["x"]
        == Bucket()
    )


class Loose(Struct, frozen=True, forbid_unknown_fields=False):
    port: int = 1


class Strict(Struct, frozen=True, forbid_unknown_fields=True):
    port: int = 1
    loose: Loose = Loose()


class Rules(BaseSettings):
    strict: Strict = Strict()
    by_name: Mapping[str, Strict | int] = {}
    row: tuple[Loose, ...] = ()
    lenient: Tolerant[Strict] = Strict()
    some: Mapping[str, Tolerant[Strict]] = {}
    either: Tolerant[Disk] | Bucket = Bucket()


class Everything(BaseSettings, forbid_unknown_fields=False):
    strict: Strict = Strict()
    by_name: Mapping[str, Strict] = {}


class TestStrictness:
    @pytest.mark.parametrize(
        ("values", "key"),
        [
            ({"strict": {"x": 1}}, "strict.x"),
            ({"strict": {"loose": {"x": 1}}}, "strict.loose.x"),
            ({"by_name": {"a": 5, "b": {"loose": {"x": 1}}}}, "by_name.b.loose.x"),
            ({"row": [{}, {"x": 1}]}, "row[1].x"),
            ({"row": [{}] * 50 + [{"x": 1}]}, "row[50].x"),
            ({"either": {"x": 1}}, "either.x"),
        ],
    )
    def test_an_unknown_key_is_refused_at_any_depth(self, values: dict[str, Any], key: str) -> None:
        assert problems(Rules, values) == [(key, "unknown key")]

    def test_every_mistake_is_told_at_once(self) -> None:
        values = {"strict": {"loose": {"x": 1, "port": "1"}, "y": 1}, "row": [{"z": 1}], "new": 1}
        assert [key for key, _ in problems(Rules, values)] == [
            *("strict.loose.x", "strict.loose.port", "strict.y", "row[0].z", "new")
        ]

    @pytest.mark.parametrize(
        ("cls", "values", "key"),
        [
            (Rules, {"lenient": {"x": 1}}, "lenient.x"),
            (Rules, {"lenient": {"loose": {"x": 1}}}, "lenient.loose.x"),
            (Rules, {"some": {"a": {"loose": {"x": 1}}}}, "some.a.loose.x"),
            (Rules, {"either": {"type": "disk", "x": 1}}, "either.x"),
            (Everything, {"x": 1}, "x"),
            (Everything, {"strict": {"x": 1}}, "strict.x"),
            (Everything, {"by_name": {"a": {"loose": {"x": 1}}}}, "by_name.a.loose.x"),
        ],
    )
    def test_a_tolerant_table_lets_them_pass_with_a_warning(
        self, cls: type[Any], values: dict[str, Any], key: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        cls.from_values(**values)
        assert caplog.messages == [f"{key}: unknown key, ignored"]

    def test_very_many_unknown_keys_take_no_time_of_their_square(self) -> None:
        values = {f"k{number}": 1 for number in range(50_000)}
        start = time.thread_time()
        with pytest.raises(InvalidSettings) as caught:
            Rules.from_values(strict=values)
        assert time.thread_time() - start < 10
        assert caught.value.total == 50_000

    def test_in_a_struct_that_is_strict_by_itself(self, caplog: pytest.LogCaptureFixture) -> None:
        class Own(Struct, frozen=True, forbid_unknown_fields=True):
            port: int = 1

        class S(BaseSettings):
            one: Tolerant[Mapping[str, Own]] = {}  # noqa: RUF012
            row: Tolerant[tuple[Own, ...]] = ()

        settings = S.from_values(one={"a": {"x": 1, "port": 2}}, row=[{"y": 1}])
        assert (settings.one, settings.row) == ({"a": Own(2)}, (Own(),))
        assert caplog.messages == ["one.a.x: unknown key, ignored", "row[0].y: unknown key, ignored"]

    def test_what_a_tolerant_table_ignores_changes_nothing(self) -> None:
        assert Rules.from_values(lenient={"x": 1, "port": 5}).lenient == Strict(port=5)


def seconds(text: Any) -> Any:
    return int(text.removesuffix("s"))


calls: list[Any] = []


def even(value: int) -> None:
    calls.append(value)
    if value % 2:
        raise ValueError(f"{value} is odd")


def fails(value: Any) -> None:
    del value
    raise KeyError("unexpected")


def leaves(value: Any) -> None:
    del value
    raise SystemExit(3)


Even = Annotated[int, Check(even)]
Seconds = Annotated[int, Before(seconds)]


class Inner(Struct, frozen=True):
    even: Even = 1
    wait: Seconds = 1
    words: Annotated[tuple[Annotated[str, Before(str.strip)], ...], Before(lambda text: text.split(","))] = ()


class Row(Struct, frozen=True, array_like=True):
    wait: Seconds
    even: Even = 0


class TaggedRow(Struct, frozen=True, array_like=True, tag="row"):
    wait: Seconds
    even: Even = 0


def check_inner(inner: Inner) -> None:
    if inner.even > inner.wait:
        raise ValueError("even is more than wait")


class Marked(BaseSettings):
    top: Even = 1
    both: Annotated[int, Before(seconds), Check(even)] | None = None
    inner: Inner = Inner(even=3)
    by_name: Mapping[str, Inner] = {}
    by_number: Mapping[int, Even] = {}
    pairs: tuple[tuple[str, Even], ...] = ()
    whole: Annotated[Inner, Check(check_inner)] = Inner(even=5, wait=1)
    token: Secret[Annotated[str, Check(fails)]] = "default"
    old: Annotated[int, Deprecated("use both")] = 1
    row: Row | None = None
    tagged: TaggedRow | None = None


class TestConversions:
    def test_what_layers_say_is_converted(self) -> None:
        settings = of(
            {"both": "4s", "inner": {"wait": "3s"}, "by_name": {"a": {"words": "a, b"}}},
            cls=Marked,
        )
        assert settings.both == 4
        assert settings.inner == Inner(even=3, wait=3)
        assert settings.by_name == {"a": Inner(words=("a", "b"))}

    def test_in_structs_that_are_arrays(self) -> None:
        settings = of({"row": ["4s", 2], "tagged": ["row", "5s", 6]}, cls=Marked)
        assert settings.row == Row(4, 2)
        assert settings.tagged == TaggedRow(5, 6)
        assert problems(Marked, {"row": ["4s", 1], "tagged": ["row", "xs", 6]}) == [
            ("tagged[1]", "invalid literal for int() with base 10: 'x'"),
            ("row[1]", "1 is odd"),
        ]
        assert problems(Marked, {"tagged": ["row", "5s", 7]}) == [("tagged[2]", "7 is odd")]

    def test_a_refusal_is_a_problem_in_its_place_beside_all_others(self) -> None:
        found = problems(Marked, {"both": "x", "top": "4", "inner": {"wait": "ys", "new": 1}})
        assert found == [
            ("both", "invalid literal for int() with base 10: 'x'"),
            ("top", "expected int, got str"),
            ("inner.wait", "invalid literal for int() with base 10: 'y'"),
            ("inner.new", "unknown key"),
        ]

    def test_any_exception_is_a_problem(self) -> None:
        assert problems(Marked, {"both": 5}) == [
            ("both", "AttributeError: 'int' object has no attribute 'removesuffix'")
        ]

    def test_what_is_in_a_converted_value_is_converted_too(self) -> None:
        class S(BaseSettings):
            words: Annotated[tuple[Annotated[str, Before(str.strip)], ...], Before(lambda text: tuple(text.split(",")))]

        assert S.from_values(words="a, b").words == ("a", "b")

    def test_none_is_not_converted(self) -> None:
        assert Marked.from_values(both=None).both is None

    def test_settings_are_not_converted_again(self) -> None:
        settings = Marked.from_values(both="4s", inner={"words": "a,b"})
        assert settings.replace(top=2).both == 4
        assert settings.replace(top=2).inner.words == ("a", "b")
        assert settings.replace(inner={"wait": "7s"}).inner == Inner(even=3, wait=7, words=("a", "b"))

    def test_an_interrupt_is_not_caught(self) -> None:
        def interrupted(value: Any) -> Any:
            raise KeyboardInterrupt

        class Interrupting(Struct, frozen=True):
            port: int = 1

            def __post_init__(self) -> None:
                raise KeyboardInterrupt

        class S(BaseSettings):
            x: Annotated[int, Before(interrupted)] = 1
            y: Annotated[Interrupting, Check(interrupted)] | None = None
            z: int = 1

        given: list[dict[str, Any]] = [{"x": 2}, {"y": {}}, {"y": {}, "z": "x"}, {"z": "x", "y": {}}]
        for values in given:
            with pytest.raises(KeyboardInterrupt):
                S.from_values(**values)

    def test_what_a_folder_says(self, tmp_path: Path) -> None:
        for name, content in {"both": "4s\n", "inner.wait": "3s", "inner.words": "a, b"}.items():
            (tmp_path / name).write_text(content)
        settings = Marked(layers=[FolderLayer(tmp_path)])
        assert settings.both == 4
        assert settings.inner == Inner(even=3, wait=3, words=("a", "b"))

    def test_a_table_of_which_nobody_knows_what_it_is(self) -> None:
        assert [key for key, _ in problems(Settings, {"stores": {"x": {"quota": 1}}})] == ["stores.x.type"]


class TestChecks:
    def test_each_is_called_once_with_the_decoded_value(self) -> None:
        calls.clear()
        of({"top": 2, "both": "4s"}, {"inner": {"even": 6}, "by_number": {"7": 8}, "pairs": [["a", 10]]}, cls=Marked)
        assert sorted(calls) == [2, 4, 6, 8, 10]

    def test_each_is_called_once_if_the_load_fails(self) -> None:
        calls.clear()
        values = {"top": 2, "both": "4s", "inner": {"even": 6, "new": 1}, "by_number": {"7": "x"}, "pairs": [["a", 10]]}
        assert [key for key, _ in problems(Marked, values)] == ["inner.new", "by_number.7"]
        assert sorted(calls) == [2, 4, 6, 10]

    def test_defaults_are_not_checked(self) -> None:
        calls.clear()
        of({"inner": {"wait": "3s"}}, cls=Marked)
        assert calls == []

    def test_all_refusals_are_told_at_once(self) -> None:
        values = {"top": 3, "inner": {"even": 5}, "by_number": {"7": 9}, "pairs": [["a", 10], ["b", 11]], "new": 1}
        assert problems(Marked, values) == [
            ("new", "unknown key"),
            ("top", "3 is odd"),
            ("inner.even", "5 is odd"),
            ("by_number.7", "9 is odd"),
            ("pairs[1][1]", "11 is odd"),
        ]

    def test_around_a_table(self) -> None:
        assert problems(Marked, {"whole": {"even": 8}}) == [("whole", "even is more than wait")]
        assert problems(Marked, {"whole": {"even": 8, "new": 1}}) == [
            ("whole.new", "unknown key"),
            ("whole", "even is more than wait"),
        ]

    def test_what_cannot_be_converted_is_not_checked(self) -> None:
        assert [key for key, _ in problems(Marked, {"whole": {"even": 8, "wait": "x"}})] == ["whole.wait"]
        assert [key for key, _ in problems(Marked, {"whole": {"even": 8, "wait": 5}})] == ["whole.wait"]

    def test_any_exception_is_a_problem_without_the_secret(self) -> None:
        assert problems(Marked, {"token": "hunter2-hunter2"}) == [("token", "KeyError: 'unexpected' (value hidden)")]

        class Leaving(BaseSettings):
            port: Annotated[int, Check(leaves)] = 1

        assert problems(Leaving, {"port": 2}) == [("port", "SystemExit: 3")]

    def test_entries_of_a_mapping_and_all_beyond_the_first_thousand(self) -> None:
        class Many(BaseSettings):
            table: Mapping[str, Annotated[int, Check(even)]] = {}
            converted: tuple[Annotated[int, Before(seconds)], ...] = ()

        assert [key for key, _ in problems(Many, {"table": {"a": 2, "b": 3}})] == ["table.b"]
        with pytest.raises(InvalidSettings) as caught:
            Many.from_values(converted=["soon"] * 1001)
        assert (len(caught.value.problems), caught.value.total) == (1000, 1001)

    def test_ctrl_c_is_not_caught(self) -> None:
        def interrupted(value: Any) -> None:
            del value
            raise KeyboardInterrupt

        class Interrupted(BaseSettings):
            port: Annotated[int, Check(interrupted)] = 1

        with pytest.raises(KeyboardInterrupt):
            Interrupted.from_values(port=2)


def test_a_deprecated_field_warns_where_a_layer_sets_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config, override = tmp_path / "config.toml", tmp_path / "override.toml"
    config.write_text("top = 2\nold = 3\n")
    override.write_text("old = 4\n")
    Marked(config, secrets_path=None, override_path=override)
    assert caplog.messages == [
        f"{config}:2:1  old: deprecated; use both",
        f"{override}:1:1  old: deprecated; use both",
    ]
    caplog.clear()
    Marked.from_values()
    assert caplog.messages == []


class Listed(Struct, frozen=True, array_like=True):
    one: Annotated[int, Renamed("two")] = 1


class Taken(Struct, frozen=True):
    one: int = 1
    two: Annotated[int, Renamed("one")] = 1


class Twice(Struct, frozen=True):
    one: Annotated[int, Renamed("old")] = 1
    two: Annotated[int, Renamed("old")] = 1


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Annotated[int, Check(even)] | str, "S.x: put Check around the whole union"),
        (Mapping[Annotated[str, Before(str.strip)], int], "S.x: put Before around the mapping; it does not see single"),
        (frozenset[Annotated[int, Check(even)]], "S.x: put Check around the frozenset, whose elements have no place"),
        (frozenset[tuple[Inner, ...]], "S.x.even: put Check around the frozenset"),
        (tuple[Annotated[int, Renamed("y")], ...], "S.x: Renamed has an effect only around the type of a field"),
        (Mapping[str, Annotated[int, Deprecated("y")]], "S.x: Deprecated has an effect only around the type of a"),
        (Listed, "S.x.one: Renamed has an effect only around the type of a field that is a key of its own"),
        (Tolerant[int], "S.x: Tolerant is for tables whose keys are known, and there is none"),
        (Taken, r"Taken.two: Renamed\('one'\) names a key of one"),
        (Twice, r"Twice.two: Renamed\('old'\) names a key of one"),
    ],
)
def test_a_mark_without_effect_is_refused(annotation: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}"):
        type("S", (BaseSettings,), {"__annotations__": {"x": annotation}, "x": msgspec.field(default=None)})


def test_what_a_secret_is_converted_to_is_secret_too() -> None:
    def refused(value: str) -> None:
        raise ValueError(f"{value} is not allowed")

    class S(BaseSettings):
        token: Annotated[Secret[str], Before(lambda text: text[::-1]), Check(refused)] = ""
        port: int = 1

    for port in (2, "x"):
        with pytest.raises(InvalidSettings) as caught:
            S.from_values(token="abcdefghijkl", port=port)
        assert "lkjihgfedcba" not in str(caught.value)
        assert "is not allowed" in str(caught.value)


class TestExplained:
    """What explain calls live is what counts, inside of a union too."""

    def explained(self, key: str, *layers: dict[str, Any]) -> list[tuple[Any, str, bool]]:
        it = assemble(schema_of(Settings), [in_memory(values) for values in layers])
        return [(entry.value, entry.origin.kind, entry.live) for entry in explain(it, key).entries]

    def test_a_default_lies_under_a_table_without_a_tag(self) -> None:
        assert self.explained("store.path", {"store": {"quota": 7}}) == [("/data", "default", True)]
        assert self.explained("store.quota", {"store": {"quota": 7}}) == [(7, "program", True), (5, "default", False)]

    def test_another_tag_replaces_the_default(self) -> None:
        layers = {"store": {"type": "bucket"}}, {"store": {"quota": 7}}
        assert self.explained("store.quota", *layers) == [(7, "program", True), (5, "default", False)]
        assert self.explained("store.name", *layers) == [("b", "default", True)]

    def test_another_tag_replaces_the_layer_below(self) -> None:
        layers = {"store": {"type": "disk", "quota": 1}}, {"store": {"type": "bucket"}}
        assert self.explained("store.quota", *layers)[0][2] is False
        assert of(*layers).store.quota == 2
