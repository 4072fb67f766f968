"""What our client for LM Studio costs, beside other people's and beside aiohttp with msgspec alone: the floor.

All in the same run, against servers of canned bytes in processes of their own, every client in a process of its
own. CPU is that of the client's process, all its threads. Clients run on asyncio's own loop unless `uvloop` is
said, and are compared with the floor on the same loop.

    python -m bench.lmstudio [--quick] [--only NAME …] [--parts PART …] [--python OTHER]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from bench.lmstudio_child import ENTRANTS

_ROOT = Path(__file__).parents[1]
_CHILD_LIMIT_S = 120
_FEW_STREAMS, _MANY_STREAMS = 200, 400
_OURS = ("floor-uvloop", "ours-uvloop", "floor", "ours")
_IMPORT_LIMIT_MS = 40.0
_DELAY_LIMIT_MS = 5.0

_STEADY = {
    "burst": ("a burst of 10,000 chunks: CPU a chunk", "µs", 2.0),
    "request": ("small requests, one after the other: CPU each", "µs", 1.6),
    "floats": ("64 embeddings of 768 as JSON numbers: CPU", "ms", 1.3),
    "base64": ("64 embeddings of 768 in base64: CPU", "ms", 1.3),
}
"""Title, unit, and how many times the floor ours may take."""

Figures = dict[str, dict[str, list[float] | str]]
"""By part and client: what was measured in each round, or why nothing was."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. python: another interpreter, for clients that this one has not installed."""

    names: list[str]
    parts: list[str]
    rounds: int
    repeats: int
    paced_rounds: int
    paced_s: float
    python: str


@contextmanager
def serving(module: str) -> Generator[str]:
    """A server in a process of its own; gives its URL."""
    with subprocess.Popen([sys.executable, "-m", module], cwd=_ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


@cache
def interpreter(name: str, other: str) -> str:
    """The Python that has all that a client needs, "" for none."""
    entrant, on_uvloop = ENTRANTS[name]
    modules = [each.strip().split(".")[0] for each in entrant.imports.split(",")] + ["uvloop"] * on_uvloop
    look = "import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))"
    for python in (sys.executable, other):
        if python and subprocess.run([python, "-c", look, *modules], cwd=_ROOT).returncode == 0:
            return python
    return ""


def child(plan: Plan, name: str, url: str, parts: list[str]) -> dict[str, Any]:
    """What a client's own process measured, by part; a text where it could not."""
    python = interpreter(name, plan.python)
    if not python:
        return dict.fromkeys(parts, "not installed")
    command = [python, "-m", "bench.lmstudio_child", name, url, str(plan.repeats), *parts]
    try:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=_CHILD_LIMIT_S)
    except subprocess.TimeoutExpired:
        return dict.fromkeys(parts, f"not done after {_CHILD_LIMIT_S} s")
    if done.returncode != 0:
        return dict.fromkeys(parts, (done.stderr.strip().splitlines() or ["died without a word"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


def _server(name: str) -> str:
    """The module whose server speaks a client's protocol."""
    return getattr(ENTRANTS[name][0], "server", "bench.lmstudio_server")


def measure(plan: Plan) -> Figures:
    """Every client in turn, round after round, so that a busy moment of the machine falls on all of them."""
    figures: Figures = defaultdict(dict)
    steady = [part for part in plan.parts if part in _STEADY]
    todo = [steady] * plan.rounds if steady else []
    if "paced" in plan.parts:
        few, many = ([f"paced-{streams}-{plan.paced_s}"] for streams in (_FEW_STREAMS, _MANY_STREAMS))
        todo += [few, many] * plan.paced_rounds
    with ExitStack() as servers:
        urls = {
            module: servers.enter_context(serving(module)) for module in sorted({_server(name) for name in plan.names})
        }
        for parts in todo:
            for name in plan.names:
                if parts[0].startswith(f"paced-{_MANY_STREAMS}") and name not in _OURS:
                    continue
                for part, value in child(plan, name, urls[_server(name)], parts).items():
                    several = cast("dict[str, Any]", value) if isinstance(value, dict) else {part: value}
                    for key, each in several.items():
                        _keep(figures, key, name, each)
    return figures


def measure_imports(plan: Plan) -> Figures:
    """CPU, in ms, that importing each client takes in a fresh process; and what ours adds to what it stands on."""
    figures: Figures = defaultdict(dict)
    for at in range(3 * plan.rounds + 1):
        if at == 1:
            figures.clear()  # the first one only compiles
        for name in plan.names:
            entrant, on_uvloop = ENTRANTS[name]
            python = interpreter(name, plan.python)
            if on_uvloop:
                continue
            if not python:
                figures["import"][name] = "not installed"
                continue
            _keep(figures, "import", name, [import_ms(python, entrant.imports)])
            if name == "ours":
                _keep(figures, "adds", name, [import_ms(python, entrant.imports, after="aiohttp, msgspec")])
    return figures


def import_ms(python: str, modules: str, after: str = "time") -> float:
    """CPU of an import in a fresh process, in ms, once its bytecode is there. after: what is already imported."""
    code = f"import time, {after}; b = time.process_time(); import {modules}; print(time.process_time() - b)"
    environment = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed is compiled already
    done = subprocess.run([python, "-c", code], cwd=_ROOT, capture_output=True, text=True, env=environment, check=True)
    return float(done.stdout) * 1e3


def report(plan: Plan, figures: Figures) -> None:
    """Print one table for each part."""
    for part, (title, unit, limit) in _STEADY.items():
        if part in figures:
            print(f"{title}  (ours must be within {limit} times the floor)")
            for name in plan.names:
                _print_row(name, figures[part].get(name), unit, _ratio(figures[part], name))
    for streams in (_FEW_STREAMS, _MANY_STREAMS):
        if (costs := figures.get(f"paced-{streams} us")) is None:
            continue
        limit = f"  (p99 of ours must be below {_DELAY_LIMIT_MS} ms)" if streams == _MANY_STREAMS else ""
        print(f"{streams} streams of 50 tokens a second: CPU a token; median and p99 delay to the program{limit}")
        for name in plan.names:
            if name in costs:
                _print_row(name, costs[name], "µs", _ratio(costs, name) + _delays(figures, streams, name))
    if "import" in figures:
        print("import: CPU in a fresh process")
        for name, values in figures["import"].items():
            _print_row(name, values, "ms", "")
        if "adds" in figures:
            _print_row(
                "ours", figures["adds"]["ours"], "ms", f"  beyond aiohttp and msgspec; limit {_IMPORT_LIMIT_MS} ms"
            )


def _keep(figures: Figures, part: str, name: str, value: list[float] | str) -> None:
    so_far = figures[part].get(name)
    figures[part][name] = so_far + value if isinstance(so_far, list) and isinstance(value, list) else value


def _median(values: list[float] | str | None) -> float | None:
    return statistics.median(values) if isinstance(values, list) else None


def _ratio(of_part: dict[str, list[float] | str], name: str) -> str:
    """How many times the floor on the same loop."""
    floor = _median(of_part.get("floor-uvloop" if ENTRANTS[name][1] else "floor"))
    own = _median(of_part.get(name))
    return f"{own / floor:>8.2f} ×" if own is not None and floor is not None else ""


def _delays(figures: Figures, streams: int, name: str) -> str:
    p50, p99 = (_median(figures[f"paced-{streams} {which}"].get(name)) for which in ("p50_ms", "p99_ms"))
    return f"{p50:>10.2f} ms {p99:>10.2f} ms" if p50 is not None and p99 is not None else ""


def _print_row(name: str, values: list[float] | str | None, unit: str, rest: str) -> None:
    entrant, on_uvloop = ENTRANTS[name]
    title = entrant.title + (", uvloop" if on_uvloop else "")
    median = _median(values)
    shown = f"{median:>10.2f} {unit}" if median is not None else f"  {values or 'not measured'}"
    print(f"  {title:<38}{shown}{rest}", flush=True)


def run(plan: Plan) -> None:
    """Measure and print, the quiet parts first."""
    report(plan, measure(plan))
    if "import" in plan.parts:
        report(plan, measure_imports(plan))


def main(arguments: list[str] | None = None) -> None:
    """Measure all; see the options for less. Takes some six minutes, with `--quick` under three."""
    parser = argparse.ArgumentParser(prog="python -m bench.lmstudio", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of each")
    parser.add_argument("--only", nargs="+", choices=list(ENTRANTS), default=list(ENTRANTS), metavar="NAME")
    parser.add_argument("--parts", nargs="+", choices=[*_STEADY, "paced", "import"], metavar="PART")
    parser.add_argument("--python", default="", help="another interpreter, for what this one has not installed")
    given = parser.parse_args(arguments if arguments is not None else [])
    run(
        Plan(
            names=given.only,
            parts=given.parts or [*_STEADY, "paced", "import"],
            rounds=1 if given.quick else 3,
            repeats=3,
            paced_rounds=1 if given.quick else 3,
            paced_s=2.0 if given.quick else 4.0,
            python=given.python,
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
