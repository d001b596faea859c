"""Marks are found wherever an annotation can hold them."""

import pickle
import typing
from typing import Annotated

from msgspec import Meta

from hotsettings import RestartRequired, Secret, Section
from hotsettings._schema.marks import RESTART_REQUIRED, SECRET


def test_marks_are_plain_metadata_that_nests() -> None:
    metadata = typing.get_args(Annotated[RestartRequired[Secret[Annotated[str, Meta(min_length=1)]]], Section("Web")])
    assert metadata == (str, Meta(min_length=1), SECRET, RESTART_REQUIRED, Section("Web"))


def test_marks_say_what_they_are() -> None:
    assert repr(Secret[str]).endswith("[str, SECRET]")
    assert repr(RestartRequired[int]).endswith("[int, RESTART_REQUIRED]")
    assert repr(Section("Web")) == "Section(title='Web')"


def test_sections_are_values() -> None:
    assert pickle.loads(pickle.dumps(Section("Web"))) == Section("Web") != Section("Other")
