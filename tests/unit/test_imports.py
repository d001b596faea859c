"""Who may import whom. Data travels one way through the modules, and so do the imports: only upwards in this list."""

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import hotsettings

PACKAGE = Path(hotsettings.__file__).parent

# A package stands for all modules in it. A new module goes below everything that it needs.
CORE = ["errors", "_boundary", "_log", "_extras", "_layers", "_schema", "_redaction", "_loading"]
WITH_ANYIO = ["_concurrency", "_watching", "_live"]
FACE = ["settings", "__init__"]
AROUND = ["frozen", "testing", "pytest_plugin", "nats", "cli", "integrations"]
ORDER = [*CORE, *WITH_ANYIO, *FACE, *AROUND]

# Third parties, and the only modules or packages that may import them.
ALLOWED = {
    "msgspec": {*ORDER},
    "toml_rs": {"_layers.toml.parser"},
    "anyio": {*WITH_ANYIO, "testing", "nats", "cli", "integrations"},
    "trio": {"_concurrency.loop_calls", "_concurrency.tasks"},
    "inotify_simple": {"_watching.events.inotify"},
    "watchfiles": {"_watching.events.watchfiles"},
    "pytest": {"pytest_plugin"},
    "nats": {"nats"},
    "rich": {"cli"},
    "typer": {"cli"},
    "asgiref": {"integrations.django"},
    "django": {"integrations.django"},
    "fastapi": {"integrations.fastapi"},
    "prometheus_client": {"integrations.prometheus"},
    "opentelemetry": {"integrations.opentelemetry"},
}


class Import(NamedTuple):
    importer: str
    imported: str
    """A module of the package without its name, or else the first part of what is imported."""
    own: bool
    eager: bool


def imports() -> Iterator[Import]:
    """Every import in the package except those for type checkers alone."""
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        package = parts[:-1]
        for node, eager in statements(ast.parse(file.read_text(encoding="utf-8")), eager=True):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(name, alias.name.partition(".")[0], False, eager)
            elif not node.level:
                yield Import(name, str(node.module).partition(".")[0], False, eager)
            else:
                base = package[: len(package) - node.level + 1]
                base += tuple(node.module.split(".")) if node.module else ()
                for alias in node.names:
                    target = (*base, alias.name) if is_module((*base, alias.name)) else base
                    yield Import(name, ".".join(target) or "__init__", True, eager)


def statements(tree: ast.AST, *, eager: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, eager
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for other in node.orelse:
                yield from statements(ast.Module([other], []), eager=eager)
        else:
            yield from statements(node, eager=eager and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def is_module(parts: tuple[str, ...]) -> bool:
    path = PACKAGE.joinpath(*parts)
    return path.with_suffix(".py").is_file() or path.is_dir()


def in_order(module: str) -> str:
    """What stands for a module in the list."""
    return module.partition(".")[0]


IMPORTS = list(imports())
MODULES = {each.importer for each in IMPORTS} | {each.imported for each in IMPORTS if each.own}


def test_every_module_has_its_place() -> None:
    files = {in_order(".".join(file.relative_to(PACKAGE).with_suffix("").parts)) for file in PACKAGE.rglob("*.py")}
    assert files == set(ORDER), "add new modules to the list above, below all that they import"
    assert len(ORDER) == len(set(ORDER))


def test_imports_lead_upwards_only() -> None:
    place = {module: number for number, module in enumerate(ORDER)}
    wrong = [
        f"{each.importer} imports {each.imported}"
        for each in IMPORTS
        if each.own and in_order(each.importer) != in_order(each.imported)
        if place[in_order(each.imported)] > place[in_order(each.importer)]
    ]
    assert wrong == []


def test_no_cycles() -> None:
    """Inside the packages too."""
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for each in IMPORTS:
        if each.own and each.eager:
            graph[each.importer].add(each.imported)
    order = list(TopologicalSorter(graph).static_order())
    assert set(order) == MODULES


def test_third_parties_are_imported_where_they_may_be() -> None:
    others = {each for each in IMPORTS if not each.own and each.imported not in sys.stdlib_module_names}
    wrong = [
        f"{each.importer} imports {each.imported}"
        for each in others
        if not {each.importer, in_order(each.importer)} & ALLOWED.get(each.imported, set())
    ]
    assert sorted(wrong) == []
    assert {each.imported for each in others} == set(ALLOWED)


def test_the_face_does_not_import_what_watches() -> None:
    eager = {(each.importer, in_order(each.imported)) for each in IMPORTS if each.own and each.eager}
    assert not {pair for pair in eager if pair[0] in FACE and pair[1] in {*WITH_ANYIO, "_log"}}


# What an integration may need besides the public face, none of which knows a live object: how to log, how to name an exception
# without quoting it, how to install what an extra brings, and how TOML writes a character that cannot be shown.
NEUTRAL = {"_log", "_extras", "_boundary", "_layers.toml.keys"}


def test_integrations_import_the_public_face_only() -> None:
    """In `imports`, what only type checkers import does not count."""
    wrong = [
        f"{each.importer} imports {each.imported}"
        for each in IMPORTS
        if each.own and in_order(each.importer) == "integrations"
        if in_order(each.imported).startswith("_")
        and not {each.imported, in_order(each.imported)} & {*NEUTRAL, "__init__"}
    ]
    assert wrong == []


def test_integrations_use_the_public_face_only() -> None:
    """Not even a private attribute of what they are given."""
    files = (PACKAGE / "integrations").rglob("*.py")
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    private = [node for node in nodes if isinstance(node, ast.Attribute) and node.attr.startswith("_")]
    dunders = {"__module__", "__name__", "__qualname__"}
    others = [node for node in private if node.attr not in dunders and ast.unparse(node.value) != "self"]
    assert list(map(ast.unparse, others)) == []
    assert private, "this test sees attributes"


def test_this_test_sees_what_is_there() -> None:
    assert Import("_loading.load", "_layers.layer", True, True) in IMPORTS
    assert Import("_loading.diagnose", "_schema.field_types", True, True) in IMPORTS
    assert Import("settings", "_live.watch", True, False) in IMPORTS
    assert Import("_watching.events.inotify", "_watching.symlinks", True, True) in IMPORTS
    assert Import("testing", "testing.in_memory", True, True) in IMPORTS
    assert Import("_layers.toml.parser", "toml_rs", False, False) in IMPORTS
    assert not {each for each in IMPORTS if each[:2] == ("__init__", "_live.live")}
