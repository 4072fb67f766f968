"""A life of a mind in a process of its own, which can be killed: `python -m bench.world.child`.

It says one line on its standard output for each thing that happens: `at SECONDS` of the world when a batch is safe,
`thinking`, `flat SECONDS BYTES FILES` four times a day, and `done` at the end. Exit code 3: the journal can't be opened
or written.
"""

import asyncio
import sys
import traceback
from pathlib import Path

import msgspec
import psutil

from bench.world.clock import JumpingLoop
from bench.world.faults import Faults, faults
from bench.world.house import Model, live
from bench.world.plan import world
from wakeful.journal import JournalError

NO_JOURNAL = 3


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is told: which world, where its journal is, from when to when it lives (seconds of the world).

    times: how many times as many incidents the world has as others
    """

    seed: int
    days: float
    quiet_s: float
    folder: str
    from_s: float
    until_s: float
    disturbed: bool
    times: int = 1
    model: Model = "scripted"


def main() -> None:
    life = msgspec.json.decode(sys.argv[1], type=Life)
    lived = world(life.seed, life.days, quiet_s=life.quiet_s, times=life.times)
    plan = faults(life.seed, life.days) if life.disturbed else Faults()
    loops: list[JumpingLoop] = []
    process = psutil.Process()

    def say(text: str) -> None:
        at_s = loops[0].time()
        if text == "step":
            print(f"at {at_s:.0f}", flush=True)
        elif text.startswith("day"):
            print(f"flat {at_s:.0f} {process.memory_info().rss} {process.num_fds()}", flush=True)
        else:
            print(text, flush=True)

    def looped() -> JumpingLoop:
        loops.append(JumpingLoop(life.from_s))
        return loops[0]

    try:
        with asyncio.Runner(loop_factory=looped) as runner:
            runner.run(live(lived, Path(life.folder), until_s=life.until_s, faults=plan, model=life.model, say=say))
    except BaseExceptionGroup as group:
        traceback.print_exc()
        sys.exit(NO_JOURNAL if group.subgroup(JournalError) else 1)
    except JournalError:
        traceback.print_exc()
        sys.exit(NO_JOURNAL)
    print("done", flush=True)


if __name__ == "__main__":
    main()
