"""The command, in a folder of its own with a small application."""

from support.command import folder, run

__all__ = ["folder", "run"]
