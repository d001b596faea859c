"""What the guard lets through, given to the parser on a small stack: a parser that overflows ends its process."""

import json
import subprocess
import sys

from hotsettings._layers.toml.limits import hazard


def test_survives_on_a_small_stack() -> None:
    """What the guard lets through leaves the parser alive, in as much stack as any thread has, and is quickly read."""
    openers = [
        "[",
        "{a=",
        "[{a=",
        "{a.b=",
        "[\n",
        "[]",
        "[}",
        "{]",
        "{a=[}",
        "[{]",
        "{a={}",
        "{[}",
        "{a",
        "a={",
        "[=",
        "[a=",
        "[#]\n",
    ]
    openers += [
        '["]",',
        'a"={',
        '{a="""]""""",b=',
        "'''[''''',[",
        "{a=]",
        "={}",
        "[={}",
        "{a=1 ]",
        "[[]",
        "[[a]",
        "[.",
        "{.",
        "=",
    ]
    starts = ["", "a=", "a={", "a=[", "=\na=", "\ufeff", "\ufeff'#'=", 'a="\n', "a=1 #[\na=", "\r", "[a]\n", "[a\n"]
    texts = [start + opener * count for start in starts for opener in openers for count in (30, 95, 99, 400, 3000)]
    safe = [text for text in texts if hazard(text) is None]
    assert len(texts) / 20 < len(safe) < len(texts)
    run = subprocess.run(
        [sys.executable, "-c", SMALL_STACK], input=json.dumps(safe), capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    count, slowest = json.loads(run.stdout)
    assert count == len(safe)
    assert slowest < 0.3


SMALL_STACK = """
import json, sys, threading, time, toml_rs

texts = json.load(sys.stdin)
done, slowest = 0, 0.0

def run():
    global done, slowest
    for text in texts:
        start = time.perf_counter()
        try:
            toml_rs.loads(text)
        except ValueError:
            pass
        slowest = max(slowest, time.perf_counter() - start)
        done += 1

threading.stack_size(512 * 1024)
thread = threading.Thread(target=run)
thread.start()
thread.join()
print(json.dumps([done, slowest]))
"""
