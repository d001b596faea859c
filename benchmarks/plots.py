"""One plot of each figure, for light pages and for dark ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from .figures import Figure, Row, middle
from .report import shown


class Theme(NamedTuple):
    name: str
    text: str
    grid: str
    ours: str
    others: str
    floor: str


THEMES = (
    Theme("light", "#1f2328", "#d0d7de", "#0a6e4f", "#8c959f", "#b98500"),
    Theme("dark", "#e6edf3", "#30363d", "#3fb98a", "#768390", "#e3b341"),
)
LABELS = {"seconds": "seconds", "bytes": "bytes", "share": "share of a core", "count": "", "ratio": "times"}
REFERENCES = ("floor", "raw inotify", "anyio.Event", "plain", "bare", "msgspec and toml_rs", "alone", "no reload")


def draw(figure: Figure, folder: Path) -> list[Path]:
    """Draw a figure in each theme, if there is something to draw."""
    if not figure.drawn:
        return []
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "hotsettings"
    mpl.rcParams["svg.fonttype"] = "none"
    return [_draw(figure, folder / f"{figure.name}-{theme.name}.svg", theme) for theme in THEMES]


def _draw(figure: Figure, path: Path, theme: Theme) -> Path:
    from matplotlib.figure import Figure as Canvas

    rows = [row for row in figure.rows if middle(row.cells.get(figure.drawn))]
    height = 4.0 if figure.lines else 1.1 + 0.28 * (len(rows) + len({row.group for row in rows}))
    canvas = Canvas(figsize=(8.5, height), layout="constrained")
    axes: Any = canvas.subplots()
    (_lines if figure.lines else _bars)(axes, figure, rows, theme)
    axes.set_title(figure.title, color=theme.text, fontsize=11, loc="left")
    axes.tick_params(colors=theme.text, which="both", labelsize=9)
    axes.set_facecolor("none")
    axes.grid(visible=True, axis="both" if figure.lines else "x", color=theme.grid, linewidth=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(theme.grid)
    canvas.savefig(path, transparent=True, metadata={"Date": None})
    return path


def _colour(who: str, theme: Theme) -> str:
    if "hotsettings" in who:
        return theme.ours
    return theme.floor if any(reference in who for reference in REFERENCES) else theme.others


def _bars(axes: Any, figure: Figure, rows: list[Row], theme: Theme) -> None:
    place, places, labels = 0.0, list[float](), list[str]()
    group = rows[0].group if rows else ""
    kind = figure.columns[figure.drawn]
    for row in rows:
        place += 1.6 if row.group != group else 1.0
        group = row.group
        cell = row.cells[figure.drawn]
        value = middle(cell) or 0.0
        axes.barh(place, value, color=_colour(row.who, theme), height=0.75)
        if isinstance(cell, list):
            axes.plot([cell[0], cell[2]], [place, place], color=theme.text, linewidth=1.2)
        axes.annotate(
            f" {shown(value, kind)}",
            (max(cell) if isinstance(cell, list) else value, place),
            va="center",
            color=theme.text,
            fontsize=8,
        )
        places.append(place)
        labels.append(f"{row.who}  [{row.group}]" if row.group else row.who)
    axes.set_yticks(places, [label.replace("`", "") for label in labels])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    values = [middle(row.cells[figure.drawn]) or 0.0 for row in rows]
    if rows and max(values) > 20 * min(values) > 0:
        axes.set_xscale("log")
        axes.set_xlim(min(values) / 2, max(values) * 5)
    axes.set_xlabel(f"{LABELS[kind]}, less is better", color=theme.text, fontsize=9)


def _lines(axes: Any, figure: Figure, rows: list[Row], theme: Theme) -> None:
    for who in dict.fromkeys(row.who for row in rows):
        points = [(float(row.group), middle(row.cells[figure.drawn]) or 0.0) for row in rows if row.who == who]
        style = "--" if "nested" in who else "-"
        marker = "s" if "reload" in who else "o"
        axes.plot(*zip(*points, strict=True), style, marker=marker, markersize=4, color=_colour(who, theme), label=who)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(figure.over, color=theme.text, fontsize=9)
    axes.set_ylabel(LABELS[figure.columns[figure.drawn]], color=theme.text, fontsize=9)
    axes.legend(fontsize=8, frameon=False, labelcolor=theme.text)
