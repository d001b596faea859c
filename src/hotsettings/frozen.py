"""Where the immutable dict of settings is imported and unpickled from."""

from ._schema.frozen import FrozenDict

__all__ = ["FrozenDict"]
