"""What the package says it offers is what it offers."""

import importlib
import inspect
import pkgutil
import types

import pytest

import hotsettings


def test_all_is_sorted_and_without_repetition() -> None:
    assert hotsettings.__all__ == sorted(set(hotsettings.__all__))


@pytest.mark.parametrize("name", hotsettings.__all__)
def test_each_name_exists_and_is_documented(name: str) -> None:
    value = getattr(hotsettings, name)
    if inspect.isclass(value):
        assert value.__name__ == name
        assert value.__module__ == "hotsettings"
        assert (value.__doc__ or "").strip()
        assert not (value.__doc__ or "").startswith(f"{name}(")  # the signature that a dataclass would put there


def test_nothing_public_is_missing_from_all() -> None:
    public = {
        name
        for name, value in vars(hotsettings).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert public - {"TYPE_CHECKING", "Any", "annotations"} <= set(hotsettings.__all__)
    assert set(hotsettings.__all__) <= set(dir(hotsettings))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="module 'hotsettings' has no attribute 'Setings'"):
        _ = hotsettings.Setings


def test_star_import() -> None:
    names: dict[str, object] = {}
    exec("from hotsettings import *", names)
    assert set(hotsettings.__all__) <= set(names)


@pytest.mark.parametrize("name", sorted(m.name for m in pkgutil.walk_packages(hotsettings.__path__, "hotsettings.")))
def test_each_module_says_what_it_is_for(name: str) -> None:
    if name.endswith("__main__"):
        pytest.skip("running it is what it is for")
    assert (importlib.import_module(name).__doc__ or "").strip()
