"""Measurements in processes of their own: `python -m benchmarks.process MODULE:FUNCTION ARGUMENTS` prints JSON."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PATIENCE = 300
"""Seconds after which a measurement has failed."""


class MeasurementFailed(Exception):
    """A process has not come to its end; what it said last is the message."""


def measured(function: str, **arguments: Any) -> Any:
    """Call ``module:function`` in a fresh process and return what it returns. Raises MeasurementFailed."""
    command = [sys.executable, "-m", "benchmarks.process", function, json.dumps(arguments)]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MeasurementFailed(f"{function} took longer than {PATIENCE} s") from None
    if done.returncode:
        raise MeasurementFailed(f"{function}: {(done.stderr.strip() or 'no word').splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def clean_environment() -> dict[str, str]:
    """The environment without what would slow Python down or change what it does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE", "COV_"))}
    return kept | {"PYTHONHASHSEED": "0"}


def main() -> None:
    function, arguments = sys.argv[1:]
    module, _, name = function.partition(":")
    result = getattr(importlib.import_module(f"benchmarks.{module}"), name)(**json.loads(arguments))
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
