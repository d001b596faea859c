"""A notebook: an event loop runs while its cells do, and what one cell starts another one uses and stops."""

from __future__ import annotations

from pathlib import Path

import pytest

SETTINGS = """
import threading
from pathlib import Path
from hotsettings import BaseSettings

class Settings(BaseSettings):
    A: int = 0
"""


def test_the_cells_of_a_notebook(tmp_path: Path) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    (tmp_path / "config.toml").write_text("A = 1")
    cells = [
        SETTINGS,
        "try:\n    with Settings.watch() as live: ...\nexcept RuntimeError as error:\n    print('start()' in str(error))",
        "live = Settings.watch(settle=0.0).start()\nprint(live.current.A)",
        "seen = []\nhandle = live.on_change(lambda change: seen.append(change.new.A))",
        "Path('config.toml').write_text('A = 2')\nlive.reload(timeout=20)\nlive.wait_applied(timeout=20)\nprint(live.current.A, seen)",
        "async with Settings.watch() as other:\n    print(other.current.A)",
        "live.stop()\nprint([thread.name for thread in threading.enumerate() if 'hotsettings' in thread.name])",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = ["".join(output.get("text", "") for output in cell.outputs) for cell in notebook.cells]
    assert printed == ["", "True\n", "1\n", "", "2 [2]\n", "2\n", "[]\n"]
