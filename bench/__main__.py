"""Runs the benchmarks named, or all of them: `python -m bench journal attention`."""

import importlib
import sys
import time

ALL = (
    "journal",
    "attention",
    "templates",
    "detectors",
    "year",
    "storm",
    "recall",
    "year_size",
    "prefix_cache",
    "thought",
    "idle_day",
    "world",
    "estimate",
    "lmstudio",
    "engine",
    "watching",
    "cost",
)
"""In this order; `cost` comes last, since it measures a quiet machine."""


def main() -> None:
    names = sys.argv[1:] or list(ALL)
    unknown = [name for name in names if name not in ALL]
    if unknown:
        sys.exit(f"bench: no benchmark {', '.join(unknown)}; there are: {', '.join(ALL)}")
    for name in names:
        print(f"\n== {name} ==", flush=True)
        begun_s = time.monotonic()
        importlib.import_module(f"bench.{name}").main()
        print(f"({time.monotonic() - begun_s:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
