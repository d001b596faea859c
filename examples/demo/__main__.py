"""`python -m examples.demo`: the library and its example application in a minute. `make demo` runs it.

Without a terminal it ends by itself. On a terminal it keeps running, so that you can edit the files. Its processes listen on
the loopback address only. It ends all processes and removes all files that it has made.
"""

from __future__ import annotations

import os
import subprocess
import sys

from .files import copied
from .processes import Failed, Interrupted, Processes, Signals
from .tour import Tour, say


def main() -> int:
    signals = Signals()
    on_a_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    # The folder goes last, when nobody looks into it any more.
    with copied(to_edit=on_a_terminal) as files, Processes(signals) as processes:
        try:
            Tour(files, processes).go(stay=on_a_terminal)
        except Interrupted as told:
            say("", "Stopped before its end.")
            return 128 + told.number
        except BrokenPipeError:  # nobody reads any more
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except (Failed, subprocess.TimeoutExpired, OSError) as error:
            print(f"\nThe demo has failed. {error}", file=sys.stderr)
            return 1
    say("", "Everything has been stopped and removed again.")
    if not on_a_terminal:
        say("On a terminal the demo would have stayed, for you to edit the files and to look at the pages.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
