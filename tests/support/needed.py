"""What some tests need of the machine."""

import os
from typing import NoReturn

import pytest


def lacking(reason: str) -> NoReturn:
    """Skip the test where a newcomer's machine lacks something. CI has it all, so there it is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (these tests are not to be skipped in CI)")
    pytest.skip(reason)
