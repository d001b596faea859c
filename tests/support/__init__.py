"""What tests share: settings and files to test with, servers, processes, writers of files, and ways of looking at them."""

from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[1]
ROOT: Final = TESTS.parent
