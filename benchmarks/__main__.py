"""`python -m benchmarks`: measure everything, and write down what was found. `make bench` runs it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from . import growing, idle, latency, loading, plots, reading, report, staying, waking
from .environment import environment
from .figures import FULL, QUICK, Figure, Results, Scale
from .process import ROOT, MeasurementFailed

FIGURES: dict[str, Callable[[Scale], Figure]] = {
    "load": loading.load,
    "reload": loading.reload,
    "latency": latency.latency,
    "read": reading.read,
    "wake": waking.wake,
    "idle": idle.idle,
    "watchfiles": idle.watchfiles,
    "stall": staying.stall,
    "memory": staying.memory,
    "growth": growing.grow,
    "import": loading.importing,
}
GUARDED = ("load", "read", "wake", "import")
"""What --check looks at: ratios that hold on any machine, measured in little time."""
PAGE = ROOT / "docs" / "benchmarks.md"
FOLDER = ROOT / "docs" / "benchmarks"


def run(names: Iterable[str], scale: Scale, quick: bool) -> Results:
    facts, start = environment(), time.monotonic()
    figures: list[Figure] = []
    for name in names:
        began = time.monotonic()
        print(f"[{began - start:4.0f} s] {name} ...", end=" ", file=sys.stderr, flush=True)
        try:
            figures.append(FIGURES[name](scale))
        except MeasurementFailed as failure:  # what was measured in minutes is not thrown away for one that was not
            print(f"FAILED: {failure}", file=sys.stderr, flush=True)
        else:
            print(f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return Results(facts, quick, round(time.monotonic() - start, 1), figures)


def write(results: Results, folder: Path) -> None:
    """Write results.json, table.md and the plots."""
    folder.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(results), indent=1)
    (folder / "results.json").write_bytes(encoded + b"\n")
    (folder / "table.md").write_text(report.markdown(results), encoding="utf-8")
    for figure in results.figures:
        plots.draw(figure, folder)


def passed(results: Results, margin: float) -> bool:
    """Print how the guarded targets were met, and return whether all were."""
    good = True
    for target in (target for figure in results.figures for target in figure.targets if target.guarded):
        met = target.met(margin)
        good = good and met
        verdict = "" if met else "  TOO MUCH"
        print(f"{target.found:6.2f}  {target.text} (at most {target.most * margin:.4g}){verdict}")
    return good


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks", description="Measure hotsettings beside what one would use instead."
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run; writes nothing unless --output says where")
    parser.add_argument("--only", nargs="+", choices=FIGURES, metavar="FIGURE", help=f"some of: {', '.join(FIGURES)}")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write there, and quote it nowhere")
    parser.add_argument(
        "--check",
        nargs="?",
        type=float,
        const=1.0,
        metavar="MARGIN",
        help="quickly measure what is guarded, and exit with 1 if a ratio is above MARGIN times its bound (default: 1)",
    )
    options = parser.parse_args(arguments)
    checking = options.check is not None
    quick = options.quick or checking
    names = options.only or (GUARDED if checking else FIGURES)
    results = run(names, QUICK if quick else FULL, quick)
    complete = len(results.figures) == len(names)
    if checking:
        return 0 if passed(results, options.check) and complete else 1
    whole = not quick and not options.only and options.output is None
    folder = FOLDER if whole and complete else options.output
    if folder is not None:
        write(results, folder)
    if folder == FOLDER and whole:
        report.quote(PAGE, report.markdown(results))
    print(report.markdown(results))
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
