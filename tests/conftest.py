"""What all tests share."""

import os

from hypothesis import settings

# No deadline: a shared machine's hiccup is not a bug. Derandomized in CI, so that a failure there repeats anywhere.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
