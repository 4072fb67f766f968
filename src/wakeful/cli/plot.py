"""Pictures of scores. Needs matplotlib, which comes with `pip install 'wakeful[plot]'`."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import typer


def plot_scores(
    path: Path, rows: Sequence[tuple[float, float, float]], *, title: str, alarm: float, dates: bool = True
) -> None:
    """Draws values with what was flagged, and the evidence below; rows are time, value, score."""
    try:
        import matplotlib.figure
        from matplotlib.backends.backend_agg import FigureCanvasAgg
    except ImportError:
        raise typer.BadParameter("plots need matplotlib: pip install 'wakeful[plot]'", param_hint="--plot") from None
    figure = matplotlib.figure.Figure(figsize=(11, 5), layout="constrained")
    canvas = cast("Any", FigureCanvasAgg(figure))
    values, evidence = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    at = [datetime.fromtimestamp(row[0], UTC) if dates else row[0] for row in rows]
    values.plot(at, [row[1] for row in rows], color="#33658a", linewidth=0.8)
    flagged = [place for place, row in enumerate(rows) if row[2] >= alarm]
    values.scatter([at[n] for n in flagged], [rows[n][1] for n in flagged], color="#d1495b", s=24, zorder=3)
    values.set_title(title, loc="left", fontsize=10)
    evidence.plot(at, [-math.log(max(1.0 - row[2], 1e-16)) for row in rows], color="#444444", linewidth=0.8)
    evidence.axhline(-math.log(1.0 - alarm), color="#d1495b", linewidth=0.8, linestyle="--")
    evidence.set_ylabel("news, nats", fontsize=9)
    canvas.print_figure(str(path), dpi=120)
