"""The benchmarks measure what they say, run at all, and are quoted as they were written down."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support import ROOT

pytest.importorskip("pydantic_settings", reason="the benchmarks' own dependencies are not installed")

from benchmarks import __main__ as command
from benchmarks import environment, figures, followers, latency, measuring, peers, plots, process, report, writers
from benchmarks.figures import Figure, Results, Row, Target

PAGE = ROOT / "docs" / "benchmarks.md"
FOLDER = ROOT / "docs" / "benchmarks"

SAMPLE = Figure(
    name="sample",
    title="A sample",
    measured="Nothing.",
    columns={"time": "seconds", "against": "ratio"},
    rows=[
        Row("hotsettings", {"time": [0.001, 0.002, 0.003], "against": 1.5}, "case"),
        Row("the floor", {"time": [0.001, 0.001, 0.001], "against": None}, "case"),
        Row("a peer", {"time": "not noticed", "against": None}, "case"),
    ],
    targets=[Target("a ratio", 1.5, 2.0, guarded=True), Target("another", 3.0, 2.0)],
    drawn="time",
)


def sample_results(*targets: Target) -> Results:
    return Results(
        {"python": "3"}, quick=False, seconds=60.0, figures=[msgspec.structs.replace(SAMPLE, targets=[*targets])]
    )


def test_the_workers_of_a_server() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.workers", "--quick", "--only", "hotsettings"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("| hotsettings |") == 2


def test_the_page_quotes_the_table() -> None:
    assert report.quoted(PAGE) == (FOLDER / "table.md").read_text(encoding="utf-8")


def test_the_table_says_what_the_results_say() -> None:
    results = msgspec.json.decode((FOLDER / "results.json").read_bytes(), type=Results)
    assert report.markdown(results) == (FOLDER / "table.md").read_text(encoding="utf-8")


def test_every_picture_on_the_page_exists_and_every_plot_is_shown() -> None:
    shown = set(re.findall(r'(?:src|srcset)="benchmarks/([^"]+)"', PAGE.read_text(encoding="utf-8")))
    assert shown == {path.name for path in FOLDER.glob("*.svg") if not path.name.startswith("fleet-")}


def test_all_figures_were_measured() -> None:
    results = msgspec.json.decode((FOLDER / "results.json").read_bytes(), type=Results)
    assert [figure.name for figure in results.figures] == [
        "load", "reload", "latency", "read", "wake", "idle", "watchfiles", "stall", "memory", "growth", "import",
    ]  # fmt: skip


def test_the_environment_names_every_library_and_no_host() -> None:
    found = environment.environment()
    for library in environment.LIBRARIES:
        assert library in found["libraries"]
    import platform

    assert platform.node() not in json.dumps(found).replace(found["processor"], "")


def test_loaders_give_equal_settings() -> None:
    assert len(peers.loaders(peers.Files.shipped())) == len(peers.LOADERS) == len(peers.VALIDATES) == 9


def test_a_loader_that_differs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(files: peers.Files) -> peers.Load:
        settings = peers.hotsettings(files)()
        return lambda: settings.replace(WEB_TIMEOUT=settings.WEB_TIMEOUT + 1)

    monkeypatch.setattr(peers, "LOADERS", {peers.HOTSETTINGS: peers.hotsettings, "wrong": wrong})
    with pytest.raises(AssertionError, match="wrong gives other values for WEB_TIMEOUT"):
        peers.loaders(peers.Files.shipped())


@pytest.mark.parametrize(
    ("target", "margin", "good"),
    [
        (Target("", 1.4, 1.5, guarded=True), 1.0, True),
        (Target("", 1.6, 1.5, guarded=True), 1.0, False),
        (Target("", 1.6, 1.5, guarded=True), 1.5, True),
        (Target("", 2.3, 1.5, guarded=True), 1.5, False),
        (Target("", 9.9, 1.5), 1.0, True),
    ],
)
def test_the_guard(target: Target, margin: float, good: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.passed(sample_results(target), margin) is good
    assert ("TOO MUCH" in capsys.readouterr().out) is not good


@pytest.mark.parametrize(("found", "status"), [(1.0, 0), (2.0, 1)])
def test_the_check_exits_with_what_the_guard_says(monkeypatch: pytest.MonkeyPatch, found: float, status: int) -> None:
    scales: list[figures.Scale] = []

    def figure(scale: figures.Scale) -> Figure:
        scales.append(scale)
        return msgspec.structs.replace(SAMPLE, targets=[Target("it", found, 1.5, guarded=True)])

    monkeypatch.setattr(command, "FIGURES", dict.fromkeys(command.FIGURES, figure))
    assert command.main(["--check"]) == status
    assert scales == [figures.QUICK] * len(command.GUARDED)


def test_one_that_fails_is_told_and_the_others_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(scale: figures.Scale) -> Figure:
        raise process.MeasurementFailed("no more of it")

    monkeypatch.setattr(command, "FIGURES", {"good": lambda scale: SAMPLE, "bad": fails})
    monkeypatch.setattr(command, "FOLDER", tmp_path / "docs")
    assert command.main(["--output", str(tmp_path / "out")]) == 1
    assert "FAILED: no more of it" in capsys.readouterr().err
    assert (tmp_path / "out" / "results.json").exists()
    assert command.main([]) == 1
    assert not (tmp_path / "docs").exists()
    assert "A sample" in capsys.readouterr().out


def test_what_is_guarded_exists() -> None:
    assert set(command.GUARDED) <= set(command.FIGURES)


def test_cells() -> None:
    assert report.shown([0.0000531, 0.000054, 0.0000555], "seconds") == "54 µs (53.1 µs to 55.5 µs)"
    assert report.shown([2.0, 2.0, 2.0], "ratio") == "2.00"
    assert report.shown(1234.5, "ratio") == "1234"
    assert report.shown(0.0, "seconds") == "0 ns"
    assert report.shown(2048.0, "bytes") == "2 KiB"
    assert report.shown(0.00123, "share") == "0.123 %"
    assert report.shown("not noticed", "seconds") == "not noticed"
    assert report.shown(None, "ratio") == ""


def test_missed_targets_are_told() -> None:
    table = report.markdown(sample_results(*SAMPLE.targets))
    assert "| a ratio | 1.50 | 2.00 | met |" in table
    assert "| another | 3.00 | 2.00 | **missed** |" in table


def test_a_page_is_quoted_into(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\n\nold\n{report.END}\nafter\n", encoding="utf-8")
    report.quote(page, "new \\1\n")
    assert report.quoted(page) == "new \\1\n"
    assert page.read_text(encoding="utf-8").startswith("before\n")
    assert page.read_text(encoding="utf-8").endswith("\nafter\n")


def test_plots_are_the_same_each_time_and_differ_by_theme(tmp_path: Path) -> None:
    lines = msgspec.structs.replace(
        SAMPLE, name="lines", lines=True, rows=[Row("a", {"time": float(size)}, str(size)) for size in (10, 100)]
    )
    for figure in (SAMPLE, lines):
        light, dark = plots.draw(figure, tmp_path)
        before = light.read_bytes()
        assert b"A sample" in before
        assert before != dark.read_bytes()
        plots.draw(figure, tmp_path)
        assert light.read_bytes() == before


def test_ratios_are_taken_within_rounds() -> None:
    assert measuring.ratios([1.0, 20.0, 3.0], [1.0, 10.0, 1.0]) == [1.5, 2.0, 2.5]
    assert measuring.spread([7.0]) == [7.0, 7.0, 7.0]
    assert measuring.nearly_all([1.0, 5.0, 2.0]) == 5.0


@pytest.mark.parametrize("kind", writers.KINDS)
def test_writers_leave_what_was_asked_for(kind: str, tmp_path: Path) -> None:
    writers.lay_out(tmp_path, kind)
    for value in (501, 502):
        writers.WRITERS[kind](tmp_path, value)
        assert f"RECORDS = {value}\n" in (tmp_path / "config.toml").read_text(encoding="utf-8")
    assert not list(tmp_path.glob("*~"))


def test_a_measurement_that_fails_says_why() -> None:
    with pytest.raises(process.MeasurementFailed, match="KeyError: 'nobody'"):
        process.measured("latency:edits", follower="nobody", kind="rename", count=1)


@pytest.mark.slow
@pytest.mark.parametrize("follower", [followers.RAW, followers.BY_INOTIFY, followers.BY_HAND])
def test_edits_arrive(follower: str) -> None:
    taken: Any = process.measured("latency:edits", follower=follower, kind="rename", count=2)
    assert len(taken) == 2
    assert all(0 < seconds < latency.UNNOTICED for seconds in taken)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in command.FIGURES if name != "latency"])
def test_every_figure_can_be_measured(name: str, tmp_path: Path) -> None:
    results = command.run([name], figures.TINY, quick=True)
    (figure,) = results.figures
    assert figure.name == name
    assert figure.rows
    assert figure.targets
    assert all(row.cells.keys() <= figure.columns.keys() for row in figure.rows)
    command.write(results, tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".md", ".svg"}
