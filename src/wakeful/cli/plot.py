"""Pictures of scores. Needs matplotlib, which comes with `pip install 'wakeful[plot]'`."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import typer


def plot_scores(
    path: Path, rows: Sequence[tuple[float, float, float]], *, title: str, alarm: float, dates: bool = True
) -> None:
    """Draws values with what was flagged, and the evidence below; rows are time, value, score."""
    canvas, [values, evidence] = _panels((3, 1))
    at = [datetime.fromtimestamp(row[0], UTC) if dates else row[0] for row in rows]
    values.plot(at, [row[1] for row in rows], color="#33658a", linewidth=0.8)
    flagged = [place for place, row in enumerate(rows) if row[2] >= alarm]
    values.scatter([at[n] for n in flagged], [rows[n][1] for n in flagged], color="#d1495b", s=24, zorder=3)
    values.set_title(title, loc="left", fontsize=10)
    evidence.plot(at, [-math.log(max(1.0 - row[2], 1e-16)) for row in rows], color="#444444", linewidth=0.8)
    evidence.axhline(-math.log(1.0 - alarm), color="#d1495b", linewidth=0.8, linestyle="--")
    evidence.set_ylabel("news, nats", fontsize=9)
    canvas.print_figure(str(path), dpi=120)


def plot_replay(path: Path, rows: Sequence[tuple[float, float, float, bool]], *, title: str) -> None:
    """Draws what claimed attention, and what would have woken; rows: time, salience, threshold, and whether it did."""
    canvas, [claims, wakes] = _panels((3, 1))
    at = [datetime.fromtimestamp(row[0], UTC) for row in rows]
    claims.plot(at, [row[1] for row in rows], ".", color="#33658a", markersize=3, label="salience")
    claims.step(at, [min(row[2], 1.0) for row in rows], color="#888888", linewidth=0.8, label="needed to wake")
    woke = [place for place, row in enumerate(rows) if row[3]]
    claims.scatter(
        [at[n] for n in woke], [rows[n][1] for n in woke], color="#d1495b", s=24, zorder=3, label="would wake"
    )
    claims.set_ylim(0, 1.02)
    claims.set_title(title, loc="left", fontsize=10)
    claims.legend(fontsize=8, loc="upper left")
    wakes.step([at[n] for n in woke], range(1, len(woke) + 1), where="post", color="#d1495b")
    wakes.set_ylabel("wakes so far", fontsize=9)
    canvas.print_figure(str(path), dpi=120)


def plot_explained(
    path: Path, rows: Sequence[tuple[float, float, Mapping[str, float]]], *, title: str, names: Sequence[str]
) -> None:
    """Draws what a source said up to an observation, the last row, and what the gate made of each; rows are time,
    salience and values."""
    canvas, [claims, *panels] = _panels((2, *[1] * len(names)))
    at = [datetime.fromtimestamp(row[0], UTC) for row in rows]
    claims.plot(at, [row[1] for row in rows], color="#444444", linewidth=0.8)
    claims.scatter(at[-1:], [rows[-1][1]], color="#d1495b", s=30, zorder=3)
    claims.set_ylabel("salience", fontsize=9)
    claims.set_title(title, loc="left", fontsize=10)
    for panel, name in zip(panels, names, strict=True):
        values = [row[2].get(name, math.nan) for row in rows]
        panel.plot(at, values, color="#33658a", linewidth=0.8)
        panel.scatter(at[-1:], values[-1:], color="#d1495b", s=24, zorder=3)
        panel.set_ylabel(name, fontsize=8)
    canvas.print_figure(str(path), dpi=120)


def _panels(heights: tuple[int, ...]) -> tuple[Any, list[Any]]:
    """A canvas, and panels one below the other that share their time."""
    try:
        import matplotlib.figure
        from matplotlib.backends.backend_agg import FigureCanvasAgg
    except ImportError:
        raise typer.BadParameter("plots need matplotlib: pip install 'wakeful[plot]'", param_hint="--plot") from None
    figure = matplotlib.figure.Figure(figsize=(11, 3 + sum(heights) / 2), layout="constrained")
    panels = cast("Any", figure).subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)
    return cast("Any", FigureCanvasAgg(figure)), [row[0] for row in panels]
