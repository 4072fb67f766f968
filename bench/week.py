"""Draws the picture of the docs: a week of the gate beside polling, what each thought about, and its tokens."""

from pathlib import Path
from typing import Any, cast

import matplotlib.figure
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bench.year import STEP_S, WEEK_ROWS, Year, year
from wakeful.attention import Attention

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "attention-week.png"
TOKENS, TIMER_TOKENS, TIMER_ROWS = 900, 27_000, 1800 // STEP_S
FIRST_WEEK = 5


def thoughts(made: Year, rows: range) -> list[tuple[int, str]]:
    """Rows of the metrics at which the gate, with its ordinary settings, woke the mind, and why."""
    attention, woke = Attention(), list[tuple[int, str]]()
    end_s = made.times[rows.stop - 1]
    for seq, seen in enumerate(made.observations()):
        if seen.at_ns / 1e9 > end_s:
            break
        for each in (seen, *attention.silences(seen.at_ns)):
            salience = attention.update(seq, each)
            if attention.wakes(salience):
                attention.budget.spent(each.at_ns, TOKENS)
                row = int((each.at_ns / 1e9 - made.times[0]) // STEP_S)
                if row in rows:
                    woke.append((row, "; ".join(salience.reasons)))
    return woke


def main() -> None:
    made = year(1)
    rows = range(FIRST_WEEK * WEEK_ROWS, (FIRST_WEEK + 1) * WEEK_ROWS)
    woke = thoughts(made, rows)
    polled = list(rows[::TIMER_ROWS])
    figure = cast("Any", matplotlib.figure.Figure(figsize=(11, 6), layout="constrained"))
    canvas = cast("Any", FigureCanvasAgg(figure))
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    days = [(row - rows.start) * STEP_S / 86_400 for row in rows]
    for axes, name in ((top, "cpu_percent"), (middle, "latency_ms")):
        axes.plot(days, made.values[name][rows.start : rows.stop], color="#33658a", linewidth=0.7)
        axes.set_ylabel(name, fontsize=9)
        for row, _ in woke:
            axes.axvline((row - rows.start) * STEP_S / 86_400, color="#d1495b", linewidth=1.2)
        for row in polled:
            axes.axvline((row - rows.start) * STEP_S / 86_400, ymax=0.03, color="#888888", linewidth=0.6)
    top.set_title("red: what the gate thought about; grey ticks: a 30-minute timer", loc="left", fontsize=10)
    for wakes, tokens, colour, name in (
        (polled, TIMER_TOKENS, "#888888", "timer"),
        ([r for r, _ in woke], TOKENS, "#d1495b", "gate"),
    ):
        spent = [tokens * sum(wake <= row for wake in wakes) for row in rows]
        bottom.step(days, spent, color=colour, label=f"{name}: {len(wakes)} thoughts, {spent[-1]:,} tokens")
    bottom.set_yscale("symlog", linthresh=1000)
    bottom.set_ylabel("tokens", fontsize=9)
    bottom.set_xlabel("days", fontsize=9)
    bottom.legend(fontsize=9, loc="center right")
    canvas.print_figure(str(PICTURE), dpi=110)
    print(f"the gate thought {len(woke)} times, a timer {len(polled)} times; drawn into {PICTURE}")
    for row, why in woke:
        print(f"  day {(row - rows.start) * STEP_S / 86_400:.2f}: {why[:140]}")
    print(
        "incidents:",
        [
            (each.kind, round((each.from_s - made.times[rows.start]) / 86_400, 2))
            for each in made.incidents
            if made.times[rows.start] <= each.from_s < made.times[rows.stop - 1]
        ],
    )


if __name__ == "__main__":
    main()
