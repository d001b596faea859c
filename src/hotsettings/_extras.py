"""What the library says when a package that an extra brings is not installed."""

from __future__ import annotations


def missing(extra: str, error: ModuleNotFoundError) -> ModuleNotFoundError:
    """Say how to install a module that could not be imported, and that an extra brings."""
    return ModuleNotFoundError(
        f"hotsettings.integrations.{extra} needs {error.name}; install it with: {install_command(extra)}",
        name=error.name,
    )


def install_command(extra: str) -> str:
    """Return the command that installs what an extra brings.

    It names the packages themselves, because hotsettings may be installed from a clone, and on no index.
    """
    import re  # slow to import, and only whoever lacks a package needs them
    import shlex
    from importlib import metadata

    try:
        requirements = metadata.requires("hotsettings") or []
    except metadata.PackageNotFoundError:  # it is imported from a folder of sources
        requirements = []
    of_extra = re.compile(rf"""(.+?)\s*;\s*extra\s*==\s*['"]{extra}['"]""")
    packages = [shlex.quote(found[1]) for each in requirements if (found := of_extra.fullmatch(each))]
    return f"pip install {' '.join(packages) or shlex.quote(f'hotsettings[{extra}]')}"
