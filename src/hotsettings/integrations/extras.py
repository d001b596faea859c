"""What an integration says when the library that it is for is not installed."""

from __future__ import annotations


def missing(extra: str, error: ModuleNotFoundError) -> ModuleNotFoundError:
    """Say which extra brings a module that could not be imported."""
    return ModuleNotFoundError(
        f"hotsettings.integrations.{extra} needs {error.name}; install it with: pip install 'hotsettings[{extra}]'",
        name=error.name,
    )
