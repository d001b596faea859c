"""How other people's code quotes a value: whole, in part, and written in several ways."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final

FORMS: Final[list[Callable[[str], str]]] = [
    str,
    repr,
    json.dumps,
    str.upper,
    lambda secret: f"cannot use {secret}!",
    lambda secret: secret[:20],
    lambda secret: f"{secret[:24]}...",
    lambda secret: " | ".join(re.split(r"[\s:/?#@,;=&]", secret)),
    lambda secret: "; ".join(secret.splitlines()),
    lambda secret: repr(secret.partition("#")[0].rpartition(":")[2]),
    lambda secret: repr({"value": secret}),
    lambda secret: f"Port could not be cast to integer value as {secret.rpartition(':')[2].partition('/')[0]!r}",
]
