"""The TOML parser that the tests were told to use, for the processes that they start."""

name = "toml_rs"
"""conftest.py sets it before it collects any test, so that modules can use it as they are imported."""


def use_it() -> str:
    """Return the first line of a program, or of a module with a settings class, that uses the same parser."""
    return f"import hotsettings; hotsettings.use_parser({name!r})\n"
