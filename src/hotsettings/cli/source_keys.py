"""Finds the keys of a settings class in its source, for completion. It imports nothing, so nothing runs.

Pressing Tab must not run code of the working directory. Keys that are known only at run time (of a class that a call makes, of
a renamed field) are not found.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder

from msgspec import Struct

_LARGEST = 1024 * 1024
_DEEPEST = 16
_MOST = 10_000
_STRUCTS = {"Struct", "BaseSettings"}
_AROUND = {"Secret", "RestartRequired", "Tolerant", "Optional"}
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# zsh expands the descriptions that it shows, so they must not contain characters that are special to a shell.
_QUOTES, _SPECIAL = re.compile(r"[\"'`]"), re.compile(r"[\\$\[\]()<>{}:;&|!*?~#^\s]+")


class _Module(Struct, eq=False):
    name: str
    is_package: bool
    statements: dict[str, ast.stmt]
    """The statement that defines each name at the top level of the module."""


class _Found(Struct, frozen=True):
    node: ast.ClassDef | ast.expr
    module: _Module


def keys(settings_class: str) -> list[tuple[str, str]]:
    """Return the keys of ``package.module:Class`` with their descriptions, as far as its source shows them."""
    module_name, _, class_name = settings_class.partition(":")
    found = _resolve(_module(module_name), class_name)
    if found is None or not isinstance(found.node, ast.ClassDef):
        return []
    found_keys: dict[str, str] = {}
    for key, description in _fields(found, ()):
        found_keys[key] = description
        if len(found_keys) == _MOST:
            break
    return list(found_keys.items())


def _module(name: str) -> _Module | None:
    """Read the source of a module. The working directory comes first."""
    parts = name.split(".")
    spec = PathFinder.find_spec(parts[0], [os.getcwd(), *sys.path]) or importlib.util.find_spec(parts[0])
    for number in range(1, len(parts)):
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(".".join(parts[: number + 1]), list(spec.submodule_search_locations))
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    with open(spec.origin, "rb") as file:
        source = file.read(_LARGEST)
    statements: dict[str, ast.stmt] = {}
    for statement in ast.parse(source).body:
        for given in _names(statement):
            statements[given] = statement
    return _Module(name, spec.submodule_search_locations is not None, statements)


def _names(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.ClassDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
            yield name
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.ImportFrom():
            yield from (alias.asname or alias.name for alias in statement.names)
        case _:
            if isinstance(alias := getattr(statement, "name", None), ast.Name):  # Python 3.12: `type Port = ...`
                yield alias.id


def _resolve(module: _Module | None, name: str, depth: int = 0) -> _Found | None:
    """Find the class or annotation that a name in a module refers to."""
    statement = module.statements.get(name) if module is not None and depth < _DEEPEST else None
    if module is None or statement is None:
        return None
    if isinstance(statement, ast.ClassDef):
        return _Found(statement, module)
    if isinstance(statement, ast.ImportFrom):
        original = next(alias.name for alias in statement.names if name == (alias.asname or alias.name))
        package = module.name.split(".")[: None if module.is_package else -1]
        base = package[: len(package) - statement.level + 1] if statement.level else []
        return _resolve(_module(".".join([*base, *filter(None, [statement.module])])), original, depth + 1)
    value = getattr(statement, "value", None)
    return _Found(value, module) if isinstance(value, ast.expr) else None


def _fields(found: _Found, above: tuple[ast.AST, ...]) -> Iterator[tuple[str, str]]:
    """Yield the keys of a class. A field whose type contains its own class is a key, not a table."""
    above = (*above, found.node)
    for name, annotation in _annotated(found, ()):
        meant, description = _unwrap(annotation)
        if meant is not None and meant.node not in above and len(above) < _DEEPEST and _is_table(meant, ()):
            yield from ((f"{name}.{key}", text) for key, text in _fields(meant, above))
        else:
            yield name, description


def _annotated(found: _Found, below: tuple[ast.AST, ...]) -> Iterator[tuple[str, _Found]]:
    """Yield the annotations in a class, those of its bases first."""
    if not isinstance(found.node, ast.ClassDef) or found.node in below or len(below) > _DEEPEST:
        return
    for base in found.node.bases:
        if isinstance(base, ast.Name) and (parent := _resolve(found.module, base.id)) is not None:
            yield from _annotated(parent, (*below, found.node))
    for statement in found.node.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation) if _KEY.fullmatch(name):
                if "ClassVar" not in ast.dump(annotation):
                    yield name, _Found(annotation, found.module)
            case _:
                pass


def _unwrap(found: _Found, depth: int = 0) -> tuple[_Found | None, str]:
    """Return the class that an annotation names, if any, and the description in it."""
    meant: _Found | None = None
    description = ""
    inner: list[ast.expr] = []
    match found.node if depth < _DEEPEST else None:
        case ast.ClassDef():
            return found, ""
        case ast.Name(id=name):
            named = _resolve(found.module, name)
            return (None, "") if named is None else _unwrap(named, depth + 1)
        case ast.Constant(value=str(text)):
            inner = [ast.parse(text, mode="eval").body]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            inner = [side for side in (left, right) if not (isinstance(side, ast.Constant) and side.value is None)]
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[first, *metadata])):
            inner = [first]
            description = next(filter(None, map(_description, reversed(metadata))), "")
        case ast.Subscript(value=ast.Name(id=name), slice=ast.expr() as argument) if name in _AROUND:
            inner = [argument]
        case _:
            pass
    if len(inner) == 1:
        meant, below = _unwrap(_Found(inner[0], found.module), depth + 1)
        description = description or below
    return meant, description


def _description(metadata: ast.expr) -> str:
    match metadata:
        case ast.Call(func=ast.Name(id="Meta") | ast.Attribute(attr="Meta"), keywords=keywords):
            said = {each.arg: each.value for each in keywords}
            if isinstance(text := said.get("description"), ast.Constant) and isinstance(text.value, str):
                return _SPECIAL.sub(" ", _QUOTES.sub("\u2019", text.value))
        case _:
            pass
    return ""


def _is_table(found: _Found, below: tuple[ast.AST, ...]) -> bool:
    """Whether a class is a Struct that is written as a table."""
    node = found.node
    if not isinstance(node, ast.ClassDef) or node in below or any(each.arg == "array_like" for each in node.keywords):
        return False
    for base in node.bases:
        name = getattr(base, "id", getattr(base, "attr", ""))
        parent = _resolve(found.module, name)
        if name in _STRUCTS or (parent is not None and _is_table(parent, (*below, node))):
            return True
    return False
