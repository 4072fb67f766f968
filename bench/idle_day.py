"""What a day costs on which nothing happens: the whole loop over a generated idle day, time running fast.

Named baseline: an agent on a 30-minute timer with a context of 32,768 tokens, which reads what it can hold each time.
"""

import asyncio
import math
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wakeful.attention import AttentionSettings
from wakeful.events import Cursor, Observation, Thought
from wakeful.journal import Journal, JournalIndex
from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.memory import Memory, Recall
from wakeful.mind import Mind, MindSettings, ModelFacts, Thinker

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from scripted_model import ScriptedServer

START_NS = 1_800_000_000 * 10**9
STEPS, STEP_S = 8640, 10
LIMIT_TOKENS = 13_000
_TIMER_TOKENS = 48 * 27_000  # a thought each half hour over a filled context, as measured for the design
_LINES = (
    "CRON[{n}]: (root) CMD (run-parts /etc/cron.hourly)",
    "systemd[1]: Started session-{n}.scope - Session {n} of User alex.",
    "systemd[1]: Finished apt-daily.service - Daily apt download activities.",
    "sshd[{n}]: Accepted publickey for alex from 10.0.0.{b} port {n} ssh2",
    "kernel: wlan0: authenticated (try {b}/300)",
    "smartd[{n}]: Device: /dev/sda, SMART Usage Attribute: 194 Temperature changed from {b} to 31",
    "dhclient[{n}]: DHCPACK of 10.0.0.{b} from 10.0.0.1",
)


def idle_day(seed: int) -> Iterator[list[Observation]]:
    """What the default sources of an idle machine say, ten seconds at a time."""
    rng = random.Random(seed)
    disk = 52.0
    for step in range(STEPS):
        at_ns = START_NS + step * STEP_S * 10**9
        hour = step / 360
        cron = 18.0 if step % 360 in (0, 1) else 0.0
        backup = 30.0 if 1080 <= step < 1110 else 0.0
        disk += 0.00002
        values = {
            "cpu_percent": max(0.2, rng.gauss(2.5 + math.sin(hour / 4), 1.2) + cron * rng.random() + backup),
            "memory_percent": 31 + math.sin(hour / 3) + rng.gauss(0, 0.15),
            "load_1": max(0.0, rng.gauss(0.15, 0.08) + (0.8 if backup else 0.0)),
            "disk_percent:/": disk,
            "disk_read_bytes_per_s": rng.expovariate(1 / 5e4) + (6e6 if backup else 0.0),
            "disk_write_bytes_per_s": rng.expovariate(1 / 2e5) * (20 if rng.random() < 0.01 else 1),
            "rx_bytes_per_s:eth0": rng.expovariate(1 / 3e4),
            "tx_bytes_per_s:eth0": rng.expovariate(1 / 2e4) + (3e6 if backup else 0.0),
            "temperature_c:cpu": 44 + rng.gauss(0, 1.0) + backup / 4,
        }
        text = f"cpu {values['cpu_percent']:.1f}%, memory {values['memory_percent']:.1f}%"
        seen = [Observation(at_ns=at_ns, source="metrics", form="metrics", text=text, values=values)]
        for _ in range(rng.random() < 0.25):
            line = rng.choice(_LINES).format(n=rng.randint(2, 99999), b=rng.randint(2, 250))
            seen.append(Observation(at_ns=at_ns, source="journald", form="lines", text=line))
        yield seen


async def day(folder: Path, seed: int) -> tuple[list[Thought], int, int]:
    """The thoughts of a day, and how many observations were seen and habituated."""
    now_ns = START_NS
    async with (
        ScriptedServer(context_tokens=8192) as server,
        await Journal.open(folder / "journal.db") as journal,
        JournalIndex(journal, folder / "index.db") as index,
        AsyncLMStudioClient(server.url) as client,
    ):
        thinker = Thinker(client, ModelFacts("scripted", 8192, "LM Studio", server.url), answer_tokens=500)
        mind = Mind(
            journal,
            thinker,
            Recall(Memory(journal, index)),
            attention=AttentionSettings(),
            settings=MindSettings(quiet_every_s=1e9),
            now_ns=lambda: now_ns,
        )
        running = asyncio.create_task(mind.run())
        for step, seen in enumerate(idle_day(seed)):
            now_ns = seen[0].at_ns
            await journal.append(seen)
            if step % 20 == 0 or mind.waiting:
                await _caught_up(mind, step + 1)
        await _caught_up(mind, STEPS)
        observed, habituated = mind.attending.counts()
        running.cancel()
        await asyncio.wait([running])
        entries = await journal.read(Cursor(""), kinds=("thought",))
        return [entry.event for entry in entries if isinstance(entry.event, Thought)], observed, habituated


async def _caught_up(mind: Mind, least: int) -> None:
    """Waits until the gate has seen everything and the mind is quiet again: a day must not outrun its mind."""
    while mind.attending.counts()[0] < least or mind.busy:
        await asyncio.sleep(0.005)


def main() -> None:
    print("an idle day, default settings, scripted model (a token for every three bytes)")
    for seed in (1, 2, 3):
        with tempfile.TemporaryDirectory() as folder:
            thoughts, observed, habituated = asyncio.run(day(Path(folder), seed))
        tokens = sum(thought.prompt_tokens + thought.completion_tokens for thought in thoughts)
        print(
            f"  seed {seed}: {tokens:>6,} tokens in {len(thoughts)} thoughts (must be at most {LIMIT_TOKENS:,}); "
            f"{habituated / observed:.2%} of {observed:,} observations as expected; "
            f"a 30-minute timer: {_TIMER_TOKENS:,} tokens, {_TIMER_TOKENS / max(tokens, 1):,.0f} times as much"
        )


if __name__ == "__main__":
    main()
