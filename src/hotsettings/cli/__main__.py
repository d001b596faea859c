"""``python -m hotsettings.cli``: the same as the command."""

import os
import sys

# Python has put the working directory before everything else. It comes last, and only if something in it is named.
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
    del sys.path[0]

from . import main

main()
