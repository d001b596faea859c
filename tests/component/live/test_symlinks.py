"""Resolving paths, compared with the real file system."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.examples import examples

from hotsettings._watching.symlinks import ResolvedPath, resolve_paths

NAMES = ("a", "b", "c", "d")
name = st.sampled_from(NAMES)
relative = st.lists(st.sampled_from([*NAMES, "..", "."]), min_size=1, max_size=4).map("/".join)
thing = st.one_of(
    st.just(("file", "")),
    st.just(("folder", "")),
    st.tuples(st.just("link"), relative),
    st.tuples(st.just("absolute"), relative),
)
trees = st.lists(st.tuples(st.lists(name, min_size=1, max_size=3), thing), max_size=12)


def resolve_path(path: str) -> ResolvedPath:
    return resolve_paths([path])[0]


def plant(root: Path, tree: list[tuple[list[str], tuple[str, str]]]) -> None:
    for parts, (kind, target) in tree:
        path = root.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "file":
                path.touch(exist_ok=False)
            elif kind == "folder":
                path.mkdir()
            else:
                path.symlink_to(f"{root}/{target}" if kind == "absolute" else target)
        except OSError:
            pass  # something else is there, or a symlink leads nowhere


@given(trees, st.lists(st.sampled_from([*NAMES, ".."]), min_size=1, max_size=4))
@example([(["a"], ("link", "."))], ["a"])
@examples(80)
def test_a_path_leads_where_the_system_says(tree: list[tuple[list[str], tuple[str, str]]], asked: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.path.realpath(folder))
        plant(root, tree)
        path = os.path.join(root, *asked)
        resolved = resolve_path(path)
        try:
            found = os.stat(path)
        except OSError:
            assert not os.path.exists(resolved.target) or os.path.islink(resolved.target) or not os.path.exists(path)
            return
        assert os.path.samestat(os.stat(resolved.target), found)
        assert resolved.target == os.path.realpath(path) or ".." in asked
        for folder_of_entry, _ in resolved.entries:
            assert os.path.realpath(folder_of_entry) == folder_of_entry, "watched where it really is"


@given(trees, st.lists(name, min_size=1, max_size=4), st.data())
@examples(80)
def test_only_entries_change_where_a_path_leads(
    tree: list[tuple[list[str], tuple[str, str]]], asked: list[str], data: st.DataObject
) -> None:
    """Retarget any symlink: where the path leads changes only if that symlink is one of its entries."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.path.realpath(folder))
        plant(root, tree)
        path = os.path.join(root, *asked)
        before = resolve_path(path)
        links = sorted(p for p in root.rglob("*") if p.is_symlink())
        if not links:
            return
        changed = data.draw(st.sampled_from(links))
        entry = (os.path.realpath(changed.parent), changed.name)
        changed.unlink()
        changed.symlink_to("nowhere-at-all")
        if entry not in before.entries:
            after = resolve_path(path)
            assert (after.target, after.entries) == (before.target, before.entries)


@given(trees, st.lists(st.lists(name, min_size=1, max_size=3), min_size=2, max_size=4))
@examples(80)
def test_several_paths_are_resolved_like_each_alone(
    tree: list[tuple[list[str], tuple[str, str]]], asked: list[list[str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.path.realpath(folder))
        plant(root, tree)
        paths = [os.path.join(root, *parts) for parts in asked]
        alone = [resolve_path(path) for path in paths]
        assert [(r.target, r.entries) for r in resolve_paths(paths)] == [(r.target, r.entries) for r in alone]


def test_kubernetes(tmp_path: Path) -> None:
    root = Path(os.path.realpath(tmp_path))
    (root / "..2024").mkdir()
    (root / "..2024" / "config.toml").touch()
    (root / "..data").symlink_to("..2024")
    (root / "config.toml").symlink_to("..data/config.toml")
    resolved = resolve_path(str(root / "config.toml"))
    assert resolved.target == str(root / "..2024" / "config.toml")
    assert resolved.entries == (
        (str(root), "config.toml"),
        (str(root), "..data"),
        (str(root / "..2024"), "config.toml"),
    )
    assert resolved.folders == {str(root), str(root / "..2024")}


@pytest.mark.parametrize("missing", ["gone.toml", "gone/config.toml", "gone/deeper/config.toml"])
def test_missing_names(tmp_path: Path, missing: str) -> None:
    root = os.path.realpath(tmp_path)
    resolved = resolve_path(os.path.join(root, missing))
    assert resolved.entries == ((root, missing.partition("/")[0]),)


def test_loops_and_the_root(tmp_path: Path) -> None:
    root = Path(os.path.realpath(tmp_path))
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")
    assert set(resolve_path(str(root / "one")).entries) == {(str(root), "one"), (str(root), "two")}
    assert resolve_path("/").target == "/"
    assert resolve_path("/..").target in ("/", "/..")


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    for path in (tmp_path / name, tmp_path / name / "config.toml"):
        [resolved] = resolve_paths([str(path)])
        assert resolved.entries[-1] == (os.path.realpath(tmp_path), name)
