"""The signatures that the reference shows, where they stand nowhere in the source as they are at run time."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import griffe


class _AsTypeCheckersSee(ast.NodeTransformer):
    def visit_If(self, node: ast.If) -> ast.If:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.orelse = []
        return node


class Signatures(griffe.Extension):
    """Gives BaseSettings the signatures that type checkers see, and each Struct one with its fields."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Do so when the whole package has been read."""
        _type(pkg["settings"])
        for name in ("errors", "_layers.status", "_live.snapshot", "_live.status", "_schema.marks"):
            for member in pkg[name].classes.values():
                if any(str(base) == "Struct" for base in member.bases):
                    member.set_member("__init__", _constructor(member))


def _type(module: griffe.Module) -> None:
    """BaseSettings is written twice: the docstrings are in the class that runs, the types in the other one."""
    package, file = module.parent, module.filepath
    assert isinstance(package, griffe.Module)
    assert isinstance(file, Path)
    source = ast.unparse(_AsTypeCheckersSee().visit(ast.parse(file.read_text(encoding="utf-8"))))
    typed = griffe.visit(module.name, file, source, parent=package)
    run = module["BaseSettings"]
    for name, member in typed["BaseSettings"].members.items():
        if not isinstance(member, griffe.Function):
            continue
        if name in run.members:
            run[name].parameters, run[name].returns = member.parameters, member.returns
        else:
            run.set_member(name, member)


def _constructor(struct: griffe.Class) -> griffe.Function:
    fields = (
        griffe.Parameter(
            name,
            annotation=attribute.annotation,
            default=attribute.value,
            kind=griffe.ParameterKind.positional_or_keyword,
        )
        for name, attribute in struct.attributes.items()
        if attribute.annotation is not None
    )
    return griffe.Function("__init__", parameters=griffe.Parameters(*fields), parent=struct)
