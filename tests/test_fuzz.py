"""Any bytes in any layer end in settings or in an error, soon, on a small stack too."""

import base64
import json
import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
REAL = [(ROOT / name).read_bytes() for name in ("config.toml", "secrets.example.toml", "config.coordinator.toml")]
MIB = 1024 * 1024

# Prints a number before each case, so that a crash names it, and the processor time of the slowest at the end.
WORKER = """
import base64, json, pathlib, sys, tempfile, threading, time
from hotsettings import SettingsError
from integr8scode.settings import Settings

folder = pathlib.Path(tempfile.mkdtemp())
paths = [folder / name for name in ("config.toml", "secrets.toml", "override.toml")]
slowest = 0.0

def load_all():
    global slowest
    for number, line in enumerate(open(sys.argv[1])):
        for path, data in zip(paths, json.loads(line)):
            path.write_bytes(base64.b64decode(data))
        print(number, flush=True)
        start = time.thread_time()
        try:
            Settings(paths[0], secrets_path=paths[1], override_path=paths[2])
        except SettingsError as error:
            str(error)
        slowest = max(slowest, time.thread_time() - start)

if sys.argv[2] == "main":
    load_all()
else:
    threading.stack_size(512 * 1024)
    thread = threading.Thread(target=load_all)
    thread.start()
    thread.join()
print("slowest", slowest, flush=True)
"""

SOUP = [
    b"[",
    b"]",
    b"{",
    b"}",
    b"=",
    b".",
    b",",
    b'"',
    b"'",
    b'"""',
    b"'''",
    b"\\",
    b"\n",
    b"#",
    b"a",
    b"1",
    b"\xff",
    b"KEY = ",
]


def mutated(rng: random.Random) -> list[bytes]:
    """The real files, one of them damaged; or soup in one of their places."""
    layers = list(REAL)
    which = rng.randrange(3)
    data = bytearray(layers[which])
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data) + 1)
        data[at : at + rng.choice((0, 1, 5))] = rng.choice([*SOUP, bytes([rng.randrange(256)])]) * rng.choice(
            (1, 1, 40)
        )
    layers[which] = bytes(data) if rng.random() < 0.7 else b"".join(rng.choices(SOUP, k=rng.randint(1, 300)))
    return layers


def hostile() -> list[list[bytes]]:
    """Made to be deep, long or many."""
    bombs = [
        b"a = " + b"[" * 500_000,
        b"a = " + b"{a=" * 300_000,
        b'a"=' + b"{a=" * 1000,
        b"a" + b".a" * 500_000 + b" = 1",
        b"[" + b"a." * 500_000 + b"a]",
        b"a = " + b"9" * (MIB - 10),
        b"a = [" + b"1," * 500_000 + b"]",
        b"\n".join(b"k%d = 1" % number for number in range(80_000)),
        b"\n".join(b"KAFKA_KEY_%d = 1" % number for number in range(50_000)),
        b'a = """' + b"x\n" * 500_000,
        b"#" * (MIB - 1),
        b"LOG_LEVEL = '" + b"x" * (MIB - 20) + b"'",
        b"\x00" * MIB,
    ]
    return [[bomb[:MIB]] * 3 for bomb in bombs]


def run(cases: list[list[bytes]], where: str, folder: Path) -> float:
    path = folder / "cases"
    path.write_text("".join(json.dumps([base64.b64encode(x).decode() for x in case]) + "\n" for case in cases))
    command = [sys.executable, "-c", WORKER, str(path), where]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"case {done.stdout.split()[-1:]}: {done.stderr[-2000:]}"
    return float(done.stdout.split()[-1])


def test_any_bytes_on_a_small_stack(tmp_path: Path) -> None:
    rng = random.Random(20)
    assert run([mutated(rng) for _ in range(1500)], "thread", tmp_path) < 1.5


def test_hostile_layers_end_soon(tmp_path: Path) -> None:
    for where in ("main", "thread"):
        assert run(hostile(), where, tmp_path) < 1.5
