"""Parsers in processes of their own: one that is imported in a thread, one that is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

IN_A_THREAD = """
import threading

def loads(times):
    from hotsettings.toml_parser import loads
    for _ in range(times):
        loads("a = 1\\nb = ['x', {c = 2}]\\n")

for times in (1, 100, 100, 100):
    thread = threading.Thread(target=loads, args=(times,))
    thread.start()
    thread.join()
print("alive")
"""


def test_imported_in_a_thread_that_ends(tmp_path: Path) -> None:
    """The allocator of toml_rs takes the thread that loads it for the main one, and dies with it."""
    for _ in range(5):
        run = subprocess.run(
            [sys.executable, "-c", IN_A_THREAD], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
        assert (run.returncode, run.stdout) == (0, "alive\n")


def test_with_tomllib_toml_rs_is_not_needed(tmp_path: Path) -> None:
    """For whom it fails as soon as it is imported, or who has none for their platform."""
    (tmp_path / "app.py").write_text(
        "import sys\nsys.modules['toml_rs'] = None\nimport hotsettings\nhotsettings.use_parser('tomllib')\n"
        "class Settings(hotsettings.BaseSettings):\n    A: int\n    B: str\n"
        "if __name__ == '__main__':\n    print(Settings().replace(A=2))\n"
    )
    (tmp_path / "config.toml").write_text('A = 1\n"\\u0042" = "b"\n')
    for command in (["app.py"], ["-m", "hotsettings.cli", "show", "app:Settings"]):
        run = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (run.returncode, run.stderr) == (0, "")
        assert "B" in run.stdout
    (tmp_path / "app.py").write_text((tmp_path / "app.py").read_text().replace("hotsettings.use_parser('tomllib')", ""))
    run = subprocess.run([sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "toml_rs cannot be imported; call hotsettings.use_parser" in run.stderr
