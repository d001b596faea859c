"""How much of what could be tried is tried: all of it in a thorough run, and a part of every kind in any other."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, TypeVar

import pytest
from _pytest.mark import ParameterSet
from hypothesis import settings

T = TypeVar("T")
USUAL = 100
"""Examples that a property test tries in a thorough run, if it says nothing."""


def examples(number: int, **options: Any) -> settings:
    """So many examples in a thorough run, and a fixed part of them in any other."""
    return settings(max_examples=max(5, number * settings().max_examples // USUAL), **options)


def some_of(things: Iterable[T]) -> list[T]:
    """All in a thorough run; otherwise a part, the same each time, taken from everywhere, in their order."""
    everything = list(things)
    number = -(-len(everything) * min(settings().max_examples, USUAL) // USUAL)
    return [everything[index] for index in sorted(Random(4711).sample(range(len(everything)), number))]


def covering(*axes: Sequence[Any], name: Callable[[Any], str] = str) -> list[ParameterSet]:
    """Parameters for every combination; those that run always have each value of each axis among them."""
    longest = max(len(axis) for axis in axes)
    always = {tuple(number % len(axis) for axis in axes) for number in range(longest)}
    return [
        pytest.param(
            *(axis[index] for axis, index in zip(axes, at, strict=True)),
            id="-".join(name(axis[index]) for axis, index in zip(axes, at, strict=True)),
            marks=() if at in always else pytest.mark.thorough,
        )
        for at in itertools.product(*(range(len(axis)) for axis in axes))
    ]


def first(number: int, values: Iterable[Any]) -> list[ParameterSet]:
    """Parameters of which only the first few run always."""
    return [
        pytest.param(value, id=str(value), marks=() if index < number else pytest.mark.thorough)
        for index, value in enumerate(values)
    ]
