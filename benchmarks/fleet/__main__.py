"""`python -m benchmarks.fleet`: a fleet of processes on a cluster that fails, and what it costs. `make fleet` runs it."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import anyio
import msgspec
from support.nats_server import Cluster, executable

from .. import plots, report
from ..environment import environment
from ..figures import Figure, Results
from ..process import ROOT, MeasurementFailed
from . import measuring, refusing, surviving, tables
from .scale import FULL, QUICK, Scale

LIBRARIES = ("hotsettings", "msgspec", "toml-rs", "anyio", "nats-py")
PAGE = ROOT / "docs" / "fleet-benchmarks.md"
FOLDER = ROOT / "docs" / "benchmarks"
T = TypeVar("T")


def run(scale: Scale, quick: bool) -> Results:
    """Measure and judge everything. Raises MeasurementFailed."""
    start = time.monotonic()
    facts = environment(LIBRARIES) | {
        "servers": f"three on this machine, {_version()}, sync_interval: always; buckets with three replicas",
        "seed": str(scale.seed),
    }
    survived = _told(start, "faults", surviving.survive, scale)
    refused = _told(start, "refusal", refusing.refuse, scale)
    ours = _told(start, "growth", measuring.settings_growth, scale)
    bare = _told(start, "growth of the floor", measuring.bare_growth, scale)
    figures = [
        tables.latency(ours, bare, survived, scale),
        tables.growth(ours, bare, scale),
        tables.survival(survived, scale),
        tables.loads(ours, bare, scale),
        tables.refusal(refused),
    ]
    for found in (survived.wrong, refused.wrong):
        for kind, each in found.items():
            for one in each[:5]:
                print(f"{kind}: {one}", file=sys.stderr)
    return Results(facts, quick, round(time.monotonic() - start, 1), figures)


def on_a_cluster(work: Callable[[Cluster, Path, Scale], Awaitable[T]], scale: Scale) -> T:
    """Do some work on a cluster of its own."""
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder, Cluster(Path(folder, "cluster")) as cluster:
        return anyio.run(work, cluster, Path(folder, "processes"), scale)


def write(results: Results, folder: Path) -> None:
    """Write fleet.json, fleet.md and the plots."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fleet.json").write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    (folder / "fleet.md").write_text(report.markdown(results), encoding="utf-8")
    for figure in results.figures:
        plots.draw(figure, folder)


def good(figures: list[Figure]) -> bool:
    """Whether nothing was found that should not be."""
    return all(target.met() for figure in figures for target in figure.targets)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks.fleet",
        description="Run a fleet on a cluster that fails, and measure it. The exit code is 1 if it fails.",
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run; writes nothing unless --output says where")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write there, and quote it nowhere")
    parser.add_argument("--seed", type=int, help="another order of faults")
    options = parser.parse_args(arguments)
    scale = QUICK if options.quick else FULL
    if options.seed is not None:
        scale = scale._replace(seed=options.seed)
    try:
        results = run(scale, options.quick)
    except MeasurementFailed as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    folder = options.output or (FOLDER if not options.quick and good(results.figures) else None)
    if folder is not None:
        write(results, folder)
    if folder == FOLDER and PAGE.exists():
        report.quote(PAGE, report.markdown(results), report.FLEET)
    print(report.markdown(results))
    return 0 if good(results.figures) else 1


def _told(start: float, name: str, work: Callable[[Cluster, Path, Scale], Awaitable[T]], scale: Scale) -> T:
    began = time.monotonic()
    print(f"[{began - start:4.0f} s] {name} ...", end=" ", file=sys.stderr, flush=True)
    done = on_a_cluster(work, scale)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return done


def _version() -> str:
    return subprocess.run([executable(), "--version"], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
