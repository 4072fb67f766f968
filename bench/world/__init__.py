"""A world in a box: a host with hidden incidents, a month of which a mind lives through in minutes.

Two questions. What is noticed: incidents by name, false alarms, predictions, actions, by the scripted model and by the
pilot. And whether anything is lost or done twice when the server, the disk and the clock fail and the mind is killed.
Seeds below 100 were looked at while this was written; those that are reported were not.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

SEEDS, PILOT_SEEDS, FAULT_SEED = (101, 102), (101,), 103
DAYS = 30.0
TIMES = 4
"""As many incidents as in other worlds, where faults are to meet thoughts."""


def main() -> None:
    if sys.platform == "win32":
        print("(left out: it needs SIGKILL, and a limit on files, which Windows has not)")
        return
    from bench.world.host import DAY_S
    from bench.world.house import Model
    from bench.world.judge import Figures, by_kind, figures, report
    from bench.world.month import lives
    from bench.world.plan import QUIET_S, world
    from bench.world.sound import unsound
    from wakeful.journal import Journal
    from wakeful.memory import Audit, audit

    async def audited(folder: Path) -> Audit:
        async with await Journal.open(folder / "journal.db", read_only=True) as journal:
            return await audit(journal, sample=100_000)

    def lived(seed: int, model: Model, *, disturbed: bool = False, kills_per_day: float = 0.0) -> Figures:
        print(f"  seed {seed}, {DAYS:g} days, {model} model{', with faults' if disturbed else ''}")
        begun_s, times = time.monotonic(), TIMES if disturbed else 1
        with tempfile.TemporaryDirectory() as folder:
            seen = lives(
                seed,
                DAYS,
                Path(folder),
                quiet_s=QUIET_S,
                disturbed=disturbed,
                kills_per_day=kills_per_day,
                model=model,
                times=times,
            )
            there = world(seed, DAYS, times=times)
            wrong = seen.errors + asyncio.run(unsound(there, Path(folder), until_s=DAYS * DAY_S))
            found = asyncio.run(figures(there, Path(folder)))
            remembered = asyncio.run(audited(Path(folder)))
        print(*(f"    {line}" for line in report(found)), sep="\n")
        print(
            f"    {seen.kills} SIGKILLs, {seen.while_thinking} amid a thought;"
            f" memory grew by {seen.growth_bytes / 1e6:.1f} MB, open files by {seen.more_files};"
            f" lost or double: {'; '.join(wrong) or 'nothing'}; {time.monotonic() - begun_s:.0f} s"
        )
        kinds = ", ".join(f"{len(seqs)} {name}" for name, seqs in remembered.junk.items())
        print(
            f"    {remembered.looked_at} memories, {remembered.junk_share:.1%} of them junk {kinds and f'({kinds})'}",
            flush=True,
        )
        return found

    for found in ([lived(seed, "scripted") for seed in SEEDS], [lived(seed, "pilot") for seed in PILOT_SEEDS]):
        print(*(f"    {line}" for line in by_kind(found)), sep="\n")
    lived(FAULT_SEED, "scripted", disturbed=True, kills_per_day=1.0)
    lived(FAULT_SEED, "scripted", disturbed=True)
