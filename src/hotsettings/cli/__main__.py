"""``python -m hotsettings.cli`` does the same as the command ``hotsettings``."""

import os
import sys

# Python has put the working directory first on the path. The command itself adds it last, and only if the class is in it.
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
    del sys.path[0]

from . import main

main()
