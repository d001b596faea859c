"""The command, in a folder of its own with a small application, and a store on a real server."""

from support.command import folder, run, server, store

__all__ = ["folder", "run", "server", "store"]
