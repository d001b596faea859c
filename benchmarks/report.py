"""Results as Markdown, and into the page that quotes them."""

from __future__ import annotations

import re
from pathlib import Path

from .figures import Cell, Figure, Kind, Results, Target

BEGIN, END = "<!-- results: written by `make bench` -->", "<!-- end of the results -->"
FLEET = "<!-- results: written by `make fleet` -->"
TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
SIZES = ((2**20, "MiB"), (2**10, "KiB"), (1, "B"))


def markdown(results: Results) -> str:
    """Everything that was found."""
    facts = "".join(f"- {name}: {fact}\n" for name, fact in results.environment.items())
    kind = "A quick run, which is too short to be quoted" if results.quick else "A whole run"
    head = f"{kind}, of {results.seconds / 60:.1f} minutes:\n\n{facts}\n"
    return head + _targets(results) + "\n" + "\n".join(map(_figure, results.figures))


def _targets(results: Results) -> str:
    lines = ["### The targets\n", "| what | found | at most | |", "|---|---|---|---|"]
    for figure in results.figures:
        for target in figure.targets:
            verdict = "met" if target.met() else "**missed**"
            lines.append(f"| {target.text} | {shown(target.found, target.unit)} | {_most(target)} | {verdict} |")
    return "\n".join(lines) + "\n"


def _most(target: Target) -> str:
    return shown(target.most, target.unit)


def _figure(figure: Figure) -> str:
    grouped = any(row.group for row in figure.rows)
    headings = [*(["case"] if grouped else []), "what", *figure.columns]
    lines = [f"### {figure.title}\n", f"{figure.measured}\n", *([_picture(figure)] if figure.drawn else [])]
    lines += [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for row in figure.rows:
        cells = [shown(row.cells.get(name), kind) for name, kind in figure.columns.items()]
        lines.append(f"| {' | '.join([*([row.group] if grouped else []), row.who, *cells])} |")
    return "\n".join(lines) + "\n"


def _picture(figure: Figure) -> str:
    source = f"benchmarks/{figure.name}"
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{source}-dark.svg">'
        f'<img src="{source}-light.svg" alt="{figure.title}"></picture>\n'
    )


def shown(cell: Cell, kind: Kind) -> str:
    """A value as a person reads it; quartiles stand in brackets."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, list):
        low, middle, high = cell
        return (
            shown(middle, kind) if low == high else f"{shown(middle, kind)} ({shown(low, kind)} to {shown(high, kind)})"
        )
    if kind in ("seconds", "bytes"):
        return _with_unit(cell, kind)
    if kind == "share":
        return f"{cell * 100:.3f} %"
    if kind == "count":
        return f"{cell:,.2f}".rstrip("0").rstrip(".")
    return f"{cell:.2f}" if cell < 100 else f"{cell:.0f}"


def _with_unit(value: float, kind: Kind) -> str:
    units = TIMES if kind == "seconds" else SIZES
    least, unit = next((each for each in units if abs(value) >= each[0]), units[-1])
    scaled = value / least
    return f"{scaled:.0f} {unit}" if abs(scaled) >= 100 else f"{scaled:.3g} {unit}"


def quote(page: Path, table: str, begin: str = BEGIN) -> None:
    """Replace what the page quotes."""
    text = page.read_text(encoding="utf-8")
    page.write_text(_quotation(begin).sub(lambda _: f"{begin}\n\n{table}\n{END}", text), encoding="utf-8")


def quoted(page: Path, begin: str = BEGIN) -> str:
    """Return what the page quotes."""
    found = _quotation(begin).search(page.read_text(encoding="utf-8"))
    assert found is not None, f"{page.name} quotes nothing"
    return found[1]


def _quotation(begin: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(begin)}\n\n(.*?)\n{re.escape(END)}", re.DOTALL)
