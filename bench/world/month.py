"""Many lives of one mind in one world: killed with SIGKILL once a simulated day, and started again.

What was seen so far is kept beside the journal four times a day, so that a month that was cut off is taken up again.
"""

import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from bench.world.child import NO_JOURNAL, Life
from bench.world.host import DAY_S
from bench.world.house import Model

_ROOT = Path(__file__).parent.parent.parent
_MOST_LIVES = 400
SEEN = "lives.json"
"""The file with what was seen so far; there is none after the last life."""

_AGAIN_S = 300.0
"""How long after it could not open its journal a mind is started again."""


@dataclass
class Lives:
    """What was seen of them from outside. flat: seconds of the world, bytes in memory, open files, of each life.

    kills: SIGKILLs; while_thinking: how many of them came amid an answer; refused: starts for which there was no space
    errors: what the lives that ended by themselves, and wrongly, said last
    number, at_s: of the present life, and how far it came, seconds of the world
    """

    kills: int = 0
    while_thinking: int = 0
    refused: int = 0
    flat: list[list[tuple[float, int, int]]] = field(default_factory=list[list[tuple[float, int, int]]])
    errors: list[str] = field(default_factory=list[str])
    number: int = 1
    at_s: float = 0.0

    @property
    def growth_bytes(self) -> int:
        """Of memory in the longest life, from its second third to its last."""
        return _grown([size for _, size, _ in max(self.flat, key=len, default=())])

    @property
    def more_files(self) -> int:
        """Likewise of open files."""
        return _grown([files for _, _, files in max(self.flat, key=len, default=())])

    def keep(self, folder: str) -> None:
        """Writes it down beside the journal."""
        (Path(folder) / SEEN).write_bytes(msgspec.json.encode(self))


def _grown(samples: Sequence[int]) -> int:
    """By how much the least of the last third is above the most of the third before; 0 for fewer than nine samples."""
    third = len(samples) // 3
    return max(0, min(samples[-third:]) - max(samples[third : 2 * third])) if third >= 3 else 0


def lives(
    seed: int,
    days: float,
    folder: Path,
    *,
    quiet_s: float = 0.0,
    disturbed: bool = True,
    kills_per_day: float = 1.0,
    model: Model = "scripted",
    times: int = 1,
) -> Lives:
    """Lives through a world from its beginning to its end, in as many lives as the kills make of it.

    Where it was cut off in this folder before, it goes on with the life that was not over: one kill more.
    disturbed: whether the planned faults happen (only the scripted model's server can be disturbed)
    """
    kept, until_s = folder / SEEN, days * DAY_S
    seen = msgspec.json.decode(kept.read_bytes(), type=Lives) if kept.exists() else Lives()
    each_s = DAY_S / kills_per_day if kills_per_day else float("inf")
    for number in range(seen.number, _MOST_LIVES):
        rng = random.Random(f"kills/{seed}/{number}")
        life = Life(
            seed=seed,
            days=days,
            quiet_s=quiet_s,
            folder=str(folder),
            from_s=seen.at_s,
            until_s=until_s,
            disturbed=disturbed,
            model=model,
            times=times,
        )
        kill_s = (number - 1 + rng.uniform(0.05, 0.6)) * each_s if number * each_s < until_s else float("inf")
        at_s, ended = _one(life, kill_s, each_s / 3, rng, seen)
        if ended:
            kept.unlink(missing_ok=True)
            return seen
        seen.number, seen.at_s = number + 1, at_s + rng.uniform(20, 900)
        seen.keep(life.folder)
    seen.errors.append(f"not at the end after {_MOST_LIVES} lives")
    return seen


def _one(life: Life, kill_s: float, patience_s: float, rng: random.Random, seen: Lives) -> tuple[float, bool]:
    """One life, killed a little after `kill_s`; gives how far it came, and whether that is the end of all.

    patience_s: how long it is waited for a thought that can be broken off
    """
    command = [sys.executable, "-m", "bench.world.child", msgspec.json.encode(life).decode()]
    at_s, left, thinks = life.from_s, rng.randint(0, 200), False
    amid_a_thought = rng.random() < 0.6
    seen.flat.append([])
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=said, text=True)
        assert child.stdout is not None
        try:
            for word, *rest in _lines(child.stdout):
                thinks = word == "thinking"
                if word == "at":
                    at_s = float(rest[0])
                elif word == "flat":
                    seen.flat[-1].append((float(rest[0]), int(rest[1]), int(rest[2])))
                    seen.at_s = at_s
                    seen.keep(life.folder)
                left -= at_s >= kill_s
                waits = amid_a_thought and not thinks and at_s < kill_s + patience_s
                if at_s >= kill_s and left <= 0 and not waits:
                    child.kill()
                    child.wait()
                    seen.kills += 1
                    seen.while_thinking += thinks
                    return at_s, False
                if word == "done":
                    return at_s, True
            code = child.wait()
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
        said.seek(0)
        if code == NO_JOURNAL:
            seen.refused += 1
            seen.errors += _unexpected(said.read())
            return at_s + _AGAIN_S, False
        seen.errors.append(f"exit code {code}: {said.read()[-2000:]}")
        return at_s, True


def _lines(stdout: IO[str]) -> Iterator[list[str]]:
    for line in stdout:
        yield line.split()


def _unexpected(text: str) -> list[str]:
    """What a mind said that could not go on, unless it is what a full disk makes it say."""
    last = text.strip().splitlines()[-1:] or [""]
    return [] if "JournalFull" in text else [f"the journal could not be used: {last[0][:500]}"]
