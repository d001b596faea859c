"""What annotations nest, and which of them can change."""

import collections
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import re
import textwrap
import types
import typing
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union

import msgspec
import pytest
from msgspec import Meta, Struct

import hotsettings._schema.field_types
from hotsettings import Secret
from hotsettings._schema.field_types import (
    alternatives,
    entries_of,
    items_of,
    metadata_below,
    needs_freezing,
    refuse_unusable,
    struct_class,
    struct_of,
    structs_below,
    unwrap,
)
from hotsettings._schema.marks import SECRET
from hotsettings._schema.shape import Shape

# What is in these is only known at run time, so they are no types to type checkers.
TUPLE: Any = tuple
LIST: Any = list
MAPPING: Any = Mapping
UNION: Any = Union
ANNOTATED: Any = Annotated
SECRETLY: Any = Secret
FINAL: Any = typing.Final


def new_type(inner: Any) -> Any:
    make: Any = NewType
    return make("N", inner)


T = TypeVar("T")
B = TypeVar("B", bound=int)


class Plain(Struct, frozen=True):
    port: int = 1


class Loose(Struct):
    port: int = 1


class Deep(Struct, frozen=True):
    plain: Plain
    bad: tuple[Mapping[str, Loose], ...] = ()


class Listed(Struct, frozen=True):
    hosts: list[str]


class Array(Struct, frozen=True, array_like=True):
    port: int


class Box(Struct, Generic[T], frozen=True):
    content: T
    token: Secret[str] = ""


class Bound(Struct, Generic[B], frozen=True):
    content: B


class Tree(Struct, frozen=True):
    children: tuple["Tree", ...] = ()
    twin: Optional["Tree"] = None
    token: Secret[str] = ""


class Wild(Struct, frozen=True):
    again: Optional["Wild"] = None
    anything: Any = None


class Dog(Struct, frozen=True, tag=True, tag_field="kind"):
    name: str


class Cat(Struct, frozen=True, tag=True, tag_field="kind"):
    lives: int


@dataclasses.dataclass(frozen=True)
class Data(Generic[T]):
    port: T


class Typed(TypedDict):
    port: int


class Named(NamedTuple):
    port: int


class Colour(enum.Enum):
    RED = "red"


Port = NewType("Port", int)
Hosts = NewType("Hosts", list[str])


@pytest.mark.parametrize(
    ("annotation", "bare", "metadata"),
    [
        (int, int, ()),
        (Annotated[int, 1, 2], int, (1, 2)),
        (Annotated[int | None, 1], int, (1,)),
        (ANNOTATED[int, 1] | None, int, (1,)),
        (Annotated[Annotated[int, "inner"] | None, "outer"], int, ("inner", "outer")),
        (Port | None, int, ()),
        (Annotated[Port, 1], int, (1,)),
        (int | str | None, int | str | None, ()),
        (None, None, ()),
        (T, Any, ()),
        (B, int, ()),
    ],
)
def test_unwrap(annotation: Any, bare: Any, metadata: tuple[Any, ...]) -> None:
    assert unwrap(annotation) == (bare, metadata)


@pytest.mark.parametrize(
    ("annotation", "members"),
    [
        (int, [int]),
        (int | None, [int]),
        (UNION[int, str, None], [int, str]),
        (SECRETLY[int | str], [int, str]),
        (Mapping[str, int], [Mapping[str, int]]),
    ],
)
def test_alternatives(annotation: Any, members: list[Any]) -> None:
    assert alternatives(annotation) == members


@pytest.mark.parametrize(
    ("annotation", "struct"),
    [
        (Plain, Plain),
        (SECRETLY[Plain] | None, Plain),
        (Box[int], Box[int]),
        (Array, None),
        (Plain | int, None),
        (tuple[Plain, ...], None),
        (int, None),
    ],
)
def test_struct_of(annotation: Any, struct: Any) -> None:
    assert struct_of(annotation) == struct


def test_struct_class() -> None:
    assert struct_class(Plain) is Plain
    assert struct_class(Box[int]) is Box
    assert struct_class(Array) is Array
    assert struct_class(int) is struct_class(tuple[Plain, ...]) is struct_class(3) is None


@pytest.mark.parametrize(
    ("annotation", "items"),
    [
        (tuple[int, ...], [int, int, int]),
        (frozenset[str], [str, str, str]),
        (SECRETLY[tuple[int, str]], [int, str]),
        (tuple[()], []),
        (tuple, []),
        (frozenset, []),
        (str, []),
        (Mapping[str, int], []),
    ],
)
def test_items_of(annotation: Any, items: list[Any]) -> None:
    assert [item for item, _ in zip(items_of(annotation), range(3), strict=False)] == items


def test_entries_of() -> None:
    assert entries_of(Mapping[str, int]) == (str, int)
    assert entries_of(SECRETLY[Mapping[int, Plain] | None]) == (int, Plain)
    assert entries_of(Mapping) is entries_of(int) is entries_of(Plain) is None


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        (int, False),
        (SECRETLY[int], True),
        (SECRETLY[int] | None, True),
        (tuple[Mapping[str, tuple[SECRETLY[int], str]], ...], True),
        (Mapping[Secret[str], int], True),
        (Plain, False),
        (tuple[Tree, ...], True),
        (Box[int], True),
        (tuple[Bound[SECRETLY[int]], ...], True),
        (Bound[int], False),
        (Literal["a"], False),
        (int | Mapping[str, Tree], True),
    ],
)
def test_metadata_below(annotation: Any, found: bool) -> None:
    assert (SECRET in list(metadata_below(annotation))) is found


@pytest.mark.parametrize(
    ("annotation", "path", "possible"),
    [
        (int, (), True),
        (int, ("a",), False),
        (Deep, ("plain", "port"), True),
        (Deep, ("plain", "port", "more"), False),
        (Deep, ("plain", "prot"), False),
        (Deep, ("bad", "x"), False),
        (Mapping[str, Plain], ("any name", "port"), True),
        (Mapping[str, Plain], ("any name", "prot"), False),
        (Plain | int | None, ("port",), True),
        (Box[Plain], ("content", "port"), True),
        (Any, ("a", "b"), True),
        (Mapping, ("a", "b"), True),
        (Dog | Cat, ("kind",), True),
        (Dog | Cat, ("kind", "x"), False),
        (Dog | Cat, ("lives",), True),
    ],
)
def test_what_can_be_at_a_path(annotation: Any, path: tuple[str, ...], possible: bool) -> None:
    assert (Shape(annotation).at(path) is not None) is possible


def test_structs_below() -> None:
    assert list(structs_below(tuple[Mapping[str, Deep | None], ...])) == [Deep, Plain, Loose]
    assert list(structs_below(Tree)) == [Tree]
    assert list(structs_below(Box[Tree])) == [Box[Tree], Tree]
    assert list(structs_below(Array | int)) == [Array]
    assert list(structs_below(int)) == []


@pytest.mark.parametrize(
    ("annotation", "needed"),
    [
        (int, False),
        (tuple[int, ...], False),
        (Plain, False),
        (Tree, False),
        (frozenset[str] | None, False),
        (Any, True),
        (object, True),
        (tuple, True),
        (Mapping, True),
        (SECRETLY[Mapping[str, int] | None], True),
        (tuple[Mapping[str, int], ...], True),
        (int | Mapping[str, int], True),
        (Wild, True),
        (Box, True),
        (Box[int], False),
        (Box[Any], True),
        (Bound, False),
    ],
)
def test_needs_freezing(annotation: Any, needed: bool) -> None:
    assert needs_freezing(annotation) is needed


MUTABLE = [
    (list, "list is mutable; use tuple[...]"),
    (list[int], "list is mutable; use tuple[...]"),
    (typing.List[int], "list is mutable; use tuple[...]"),  # noqa: UP006
    (collections.abc.Sequence[int], "Sequence is mutable; use tuple[...]"),
    (typing.Sequence[int], "Sequence is mutable; use tuple[...]"),
    (collections.abc.MutableSequence[int], "MutableSequence is mutable; use tuple[...]"),
    (collections.abc.Collection[int], "Collection is mutable; use tuple[...]"),
    (dict, "dict is mutable; use Mapping[...]"),
    (dict[str, int], "dict is mutable; use Mapping[...]"),
    (collections.abc.MutableMapping[str, int], "MutableMapping is mutable; use Mapping[...]"),
    (set, "set is mutable; use frozenset[...]"),
    (set[int], "set is mutable; use frozenset[...]"),
    (collections.abc.Set[int], "Set is mutable; use frozenset[...]"),
    (collections.abc.MutableSet[int], "MutableSet is mutable; use frozenset[...]"),
    (bytearray, "bytearray is mutable; use bytes"),
    (memoryview, "memoryview is mutable; use bytes"),
    (Loose, "Loose is mutable; declare it with frozen=True"),
]


@pytest.mark.parametrize(("annotation", "reason"), MUTABLE)
@pytest.mark.parametrize(
    "around",
    [
        lambda inner: inner,
        lambda inner: TUPLE[inner, ...],
        lambda inner: TUPLE[int, inner],
        lambda inner: MAPPING[str, inner],
        lambda inner: MAPPING[str, TUPLE[MAPPING[int, inner], ...]],
        lambda inner: inner | None,
        lambda inner: UNION[int, inner, None],
        lambda inner: ANNOTATED[inner, Meta(description="x")],
        lambda inner: SECRETLY[ANNOTATED[inner | None, 1]],
        new_type,
        lambda inner: TUPLE[new_type(UNION[inner, None]), ...],
        lambda inner: FINAL[inner],
    ],
)
def test_mutable_types_are_refused_anywhere(annotation: Any, reason: str, around: Any) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(f'S.field: {reason}')}$"):
        refuse_unusable(around(annotation), "S.field")


def cannot(name: str) -> str:
    return f"S.field: TOML values cannot be decoded to {name}; use str or another type of msgspec{decoder(name)}"


def decoder(name: str) -> str:
    return f", or name a function that makes one in the class line: decoders={{{name}: ...}}"


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (Hosts, "S.field: list is mutable; use tuple[...]"),
        (Deep, "S.field.bad: Loose is mutable; declare it with frozen=True"),
        (tuple[Listed, ...], "S.field.hosts: list is mutable; use tuple[...]"),
        (Box[list[int]], "S.field.content: list is mutable; use tuple[...]"),
        (Box[Loose], "S.field.content: Loose is mutable; declare it with frozen=True"),
        (Data, f"S.field: Data is not supported; use a msgspec.Struct with frozen=True{decoder('Data')}"),
        (Data[int], f"S.field: Data is not supported; use a msgspec.Struct with frozen=True{decoder('Data')}"),
        (Typed, "S.field: Typed is mutable; use a msgspec.Struct with frozen=True"),
        (Named, f"S.field: Named is not supported; use a msgspec.Struct with frozen=True{decoder('Named')}"),
        (complex, cannot("complex")),
        (msgspec.Raw, cannot("Raw")),
        (msgspec.msgpack.Ext, cannot("Ext")),
        (msgspec.UnsetType, cannot("UnsetType")),
        *(
            (kind, f"S.field: {name} is mutable; use tuple[...], Mapping[...] or frozenset[...]")
            for kind, name in [
                (collections.deque[int], "deque"),
                (collections.deque, "deque"),
                (collections.OrderedDict[str, int], "OrderedDict"),
                (collections.defaultdict[str, int], "defaultdict"),
                (collections.Counter[str], "Counter"),
                (collections.ChainMap[str, int], "ChainMap"),
            ]
        ),
        *(
            (kind, cannot(name))
            for kind, name in [
                (collections.abc.Iterable[int], "Iterable"),
                (collections.abc.Callable[[int], str], "Callable"),
                (type[int], "type"),
            ]
        ),
    ],
)
def test_what_cannot_be_decoded_or_kept_from_changing_is_refused(annotation: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(reason)}$"):
        refuse_unusable(annotation, "S.field")


@pytest.mark.parametrize(
    "annotation",
    [
        *(str, int, float, bool, bytes, None, Any, object, Colour, Port, Plain, Tree, Array, Wild),
        *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID),
        *(tuple, frozenset, Mapping, tuple[()], tuple[int, str], tuple[int, ...], frozenset[str]),
        *(Mapping[str, Any], Mapping[int, tuple[Plain, ...]], Literal["a", 1, None], int | str | None),
        *(Box[int], Box, Bound, Box[Box[Plain]], typing.Final[int], SECRETLY[Port | None]),
    ],
)
def test_what_cannot_change_is_accepted(annotation: Any) -> None:
    refuse_unusable(annotation, "S.field")


class StandIn:
    """A `type` statement as Python 3.12 has it."""

    def __init__(self, value: Any, *parameters: Any) -> None:
        self.__value__ = value
        self.__type_params__ = parameters

    def __getitem__(self, arguments: Any) -> Any:
        return types.GenericAlias(self, arguments)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def stand_ins() -> dict[str, Any]:
    make: Any = TypeVar
    a, b = make("a"), make("b")
    return {
        "Plainly": StandIn(int),
        "Hidden": StandIn(SECRETLY[int]),
        "Later": StandIn(TUPLE[StandIn(int), ...]),
        "Listed": StandIn(list[int]),
        "Deep": StandIn(MAPPING[str, TUPLE[StandIn(list[int]), ...]]),
        "Pair": StandIn(TUPLE[b, a], a, b),
        "Lists": StandIn(LIST[a], a),
        "Itself": StandIn(a, a),
        "Constant": StandIn(int, a),
        "Maps": StandIn(MAPPING[str, a], a),
    }


def statements() -> dict[str, Any]:
    names: dict[str, Any] = {"Secret": Secret, "Mapping": Mapping}
    source = """
        type Plainly = int
        type Hidden = Secret[int]
        type Later = tuple[Plainly, ...]
        type Listed = list[int]
        type Deep = Mapping[str, tuple[Listed, ...]]
        type Pair[A, B] = tuple[B, A]
        type Lists[A] = list[A]
        type Itself[A] = A
        type Constant[A] = int
        type Maps[A] = Mapping[str, A]
    """
    exec(textwrap.dedent(source), names)
    return names


@pytest.fixture(params=["stand-ins", "statements"])
def aliases(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """`type` aliases, plain and generic."""
    if request.param == "stand-ins":
        monkeypatch.setattr(hotsettings._schema.field_types, "_TypeAlias", StandIn)
        return stand_ins()
    if not hasattr(typing, "TypeAliasType"):
        pytest.skip("the type statement came with Python 3.12")
    return statements()


def test_aliases_are_what_they_stand_for(aliases: dict[str, Any]) -> None:
    assert unwrap(aliases["Plainly"]) == (int, ())
    assert unwrap(aliases["Hidden"]) == (int, (SECRET,))
    assert unwrap(aliases["Pair"][int, str]) == (tuple[str, int], ())
    assert unwrap(aliases["Itself"][int]) == (int, ())
    assert unwrap(aliases["Constant"][str]) == (int, ())
    assert entries_of(aliases["Maps"][int]) == (str, int)
    assert needs_freezing(aliases["Maps"][int])
    assert needs_freezing(TUPLE[aliases["Itself"][Any], ...])
    assert not needs_freezing(aliases["Later"])


def test_mutable_types_are_refused_behind_aliases(aliases: dict[str, Any]) -> None:
    generic = (aliases["Lists"][int], aliases["Itself"][list[int]], aliases["Pair"][int, list[int]])
    for annotation in (aliases["Listed"], aliases["Deep"], *generic):
        with pytest.raises(TypeError, match=r"S.field: list is mutable; use tuple"):
            refuse_unusable(annotation, "S.field")
