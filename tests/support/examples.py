"""How many examples a property test tries."""

from typing import Any

from hypothesis import settings


def examples(number: int, **options: Any) -> settings:
    """As many in a thorough run, and a fixed part of them in any other.

    The number is what fits this test where the usual is a hundred.
    """
    return settings(max_examples=max(5, number * settings().max_examples // 100), **options)
