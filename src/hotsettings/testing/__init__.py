"""For the tests of your own application: live settings without files, and a workspace with the three files.

With this package installed, pytest has the fixture ``settings_workspace``.
"""

from .in_memory import InMemoryLive, live
from .workspace import Workspace

__all__ = ["InMemoryLive", "Workspace", "live"]
