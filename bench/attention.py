"""What attention costs per observation, what it remembers, and what an idle day of a machine comes to.

The baseline for numbers is a running mean and deviation with a rule of three sigmas; for lines, a set of whole lines.
"""

import gc
import itertools
import math
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator

import psutil

from wakeful.attention import Attention
from wakeful.events import Observation

START_NS = 1_800_000_000 * 10**9
SECOND_NS = 10**9
INTERVAL_S = 10
DAY_S = 86_400
NUMBERS = LINES = 1_000_000
LONE_NUMBERS = 200_000
CHUNK, COMPARED = 2_000, 10
"""Observations that are made and then timed together; the rule is timed over so many chunks at the beginning."""

MINUTE_STEPS = 60 // INTERVAL_S


def idle_metrics(day: int, rng: random.Random) -> Iterator[Observation]:
    """One day of a quiet home server: a daily rhythm, cron at the hour, an update at six, a backup at three."""
    memory, cached = 38.0, 0.0
    for step in range(DAY_S // INTERVAL_S):
        at_s = step * INTERVAL_S
        hour = at_s / 3600
        rhythm = 1.0 + math.sin((hour - 9) / 24 * 2 * math.pi)
        hourly = 18.0 if at_s % 3600 < 20 else 0.0
        update = 55.0 if 6.0 <= hour < 6.02 else 0.0
        backup = rng.uniform(20, 30) if 3.0 <= hour < 3.2 else 0.0
        blip = rng.uniform(5, 25) if rng.random() < 0.004 else 0.0
        cpu = min(100.0, abs(rng.gauss(2.0 + 1.5 * rhythm, 1.0)) + hourly + update + backup + blip)
        memory += rng.gauss(0, 0.05) + 0.01 * (38.0 - memory)
        cached = 0.9 * cached + 0.1 * cpu / 100 * 8
        writes = rng.expovariate(1 / 3e5) + (4e7 if backup else 0.0) + (2e6 if blip else 0.0)
        values = {
            "cpu_percent": cpu,
            "memory_percent": memory + (3.0 if update else 0.0),
            "swap_percent": 1.2,
            "load_1": max(0.0, cached + rng.gauss(0.1, 0.03)),
            "disk_percent:/": 48.0 + (day + hour / 24) * 0.05,
            "disk_percent:/home": 71.3 + (0.02 if backup else 0.0),
            "disk_read_bytes_per_s": rng.expovariate(1 / 5e4) + (3e7 if backup else 0.0),
            "disk_write_bytes_per_s": writes,
            "rx_bytes_per_s:eth0": rng.lognormvariate(9, 1.2) + (3e6 if update else 0.0),
            "tx_bytes_per_s:eth0": rng.lognormvariate(8.5, 1.2) + (1.2e7 if backup else 0.0),
            "rx_bytes_per_s:wlan0": 0.0,
            "tx_bytes_per_s:wlan0": 0.0,
            "net_errors_per_s:eth0": 0.0,
            "temperature_c:coretemp": round(41 + rhythm * 2 + cpu / 8 + rng.gauss(0, 0.7)),
            "temperature_c:nvme": round(36 + rhythm + rng.gauss(0, 0.3)),
        }
        at_ns = START_NS + (day * DAY_S + at_s) * SECOND_NS
        values = {name: round(value, 2) for name, value in values.items()}
        yield Observation(at_ns=at_ns, source="metrics", form="metrics", values=values)


def idle_line(rng: random.Random) -> str:
    number, user = rng.randint(2, 99_999), rng.choice(["backup", "git", "media"])
    return rng.choices(
        [
            f"CRON[{number}]: (root) CMD (   cd / && run-parts --report /etc/cron.hourly)",
            f"systemd[1]: Started session-{number}.scope - Session {number} of User {user}.",
            f"sshd[{number}]: Accepted publickey for {user} from 10.0.0.{number % 250} port {number} ssh2",
            f"dhclient[311]: DHCPACK of 10.0.0.7 from 10.0.0.1 (xid=0x{number:08x})",
            f'10.0.0.9 - - [20/Nov/2026:03:12:{number % 60:02}] "GET /api/items/{number} HTTP/1.1" 200 {number}',
            f"backup[{number}]: snapshot {number:x}{number:x} finished with 0 errors in {number % 90}.2 s",
            f"kernel: [{number}.123] perf: interrupt took too long ({number} > 2500), lowering the rate",
            f"sshd[{number}]: Connection closed by 10.0.0.{number % 250} port {number} [preauth]",
            f"sshd[{number}]: error: maximum authentication attempts exceeded from 10.0.0.{number % 250}",
        ],
        weights=[20, 20, 20, 10, 30, 5, 0.2, 5, 0.3],
    )[0]


def idle_day(day: int, rng: random.Random) -> Iterator[Observation]:
    """The metrics, with a log line a minute."""
    for step, sample in enumerate(idle_metrics(day, rng)):
        yield sample
        if step % 6 == 3:
            yield Observation(at_ns=sample.at_ns, source="journald", form="lines", text=idle_line(rng))


def live(attention: Attention, day: int, rng: random.Random) -> tuple[list[str], int, int]:
    """Why it woke on that day, and how many samples were seen and how many of them habituated."""
    wakes: list[str] = []
    before = _counts(attention)
    for seq, observation in enumerate(idle_day(day, rng)):
        salience = attention.update(seq, observation)
        if attention.wakes(salience):
            attention.budget.spent(salience.at_ns, 900)
            wakes.append("; ".join(salience.reasons))
    after = _counts(attention)
    return wakes, after[0] - before[0], after[1] - before[1]


def _counts(attention: Attention) -> tuple[int, int]:
    record = attention.sources.get("metrics")
    return (record.observed, record.habituated) if record else (0, 0)


def cost_us(scored: Callable[[Observation], object], observations: list[Observation]) -> float:
    """Microseconds of CPU for each, the collector of garbage held back."""
    gc.collect()
    gc.disable()
    begun = time.process_time()
    for observation in observations:
        scored(observation)
    took_s = time.process_time() - begun
    gc.enable()
    return took_s / len(observations) * 1e6


def gate() -> Callable[[Observation], object]:
    attention = Attention()
    return lambda observation: attention.update(1, observation)


def three_sigmas() -> Callable[[Observation], object]:
    moments: dict[str, tuple[float, float]] = {}

    def score(observation: Observation) -> bool:
        surprised = False
        for name, value in observation.values.items():
            mean, variance = moments.get(name, (value, 0.0))
            error = value - mean
            surprised |= error * error > 9 * variance
            moments[name] = mean + 0.03 * error, variance + 0.03 * (error * error - variance)
        return surprised

    return score


def whole_lines() -> Callable[[Observation], object]:
    seen: set[str] = set()

    def score(observation: Observation) -> bool:
        new = observation.text not in seen
        seen.add(observation.text)
        return new

    return score


def chunks(observations: Iterator[Observation], count: int) -> Iterator[list[Observation]]:
    for _ in range(count // CHUNK):
        yield list(itertools.islice(observations, CHUNK))


def wide_samples(rng: random.Random) -> Iterator[Observation]:
    """A sample a minute, for as long as one likes: a million numbers are 46 days."""
    for day in itertools.count():
        yield from itertools.islice(idle_metrics(day, rng), 0, None, MINUTE_STEPS)


def lone_samples(rng: random.Random) -> Iterator[Observation]:
    """One number in each observation."""
    for sample in wide_samples(rng):
        values = {"cpu_percent": sample.values["cpu_percent"]}
        yield Observation(at_ns=sample.at_ns, source="metrics", form="metrics", values=values)


def lines(rng: random.Random) -> Iterator[Observation]:
    for n in itertools.count():
        yield Observation(at_ns=START_NS + n * SECOND_NS, source="journald", form="lines", text=idle_line(rng))


def over(
    made: Iterator[Observation], count: int, rule: Callable[[], Callable[[Observation], object]]
) -> tuple[float, float, float, float]:
    """Microseconds for an observation, those in the quietest tenth of the time, those of a rule on the first
    observations, and MB that memory grew by after a tenth."""
    attention, other = gate(), rule()
    process = psutil.Process()
    ours: list[float] = []
    theirs: list[float] = []
    begin_mb = 0.0
    for number, chunk in enumerate(chunks(made, count)):
        ours.append(cost_us(attention, chunk))
        if number < COMPARED:
            theirs.append(cost_us(other, chunk))
        if number == count // CHUNK // 10:
            begin_mb = process.memory_info().rss / 1e6
    grew_mb = process.memory_info().rss / 1e6 - begin_mb
    return statistics.fmean(ours), sorted(ours)[len(ours) // 10], statistics.fmean(theirs), grew_mb


def main() -> None:
    rng = random.Random(7)
    wide = len(next(wide_samples(rng)).values)
    print("CPU time, all of it, and what memory grew by after the first tenth")
    for title, made, count, per, limit, rule, named in (
        (
            f"{NUMBERS:,} numbers, {wide} a sample",
            wide_samples(rng),
            NUMBERS // wide,
            wide,
            15,
            three_sigmas,
            "3 sigmas",
        ),
        (f"{LONE_NUMBERS:,} numbers, one a sample", lone_samples(rng), LONE_NUMBERS, 1, 15, three_sigmas, "3 sigmas"),
        (f"{LINES:,} log lines", lines(rng), LINES, 1, 40, whole_lines, "a set of lines"),
    ):
        ours, quiet, theirs, grew_mb = over(made, count, rule)
        print(
            f"  {title:28s} {ours / per:6.1f} us each (must be under {limit}), {quiet / per:.1f} when quietest; "
            f"{named} {theirs / per:.2f}: "
            f"{ours / theirs:.0f} times; memory {grew_mb:+.1f} MB",
            flush=True,
        )
    text = "\n".join(each.text for each in itertools.islice(lines(rng), 50_000))
    block = Observation(at_ns=START_NS, source="log:x", form="lines", text=text, count=50_000)
    ours = statistics.median(cost_us(gate(), [block]) for _ in range(3))
    print(f"  a block of 50,000 lines      {ours / 50_000:6.1f} us each")

    tracemalloc.start()
    attention = Attention()
    days = [live(attention, number, rng) for number in range(3)]
    kept_mb = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    print(f"memory after three days {kept_mb:.2f} MB, state {len(attention.dump()) / 1e3:.1f} kB")
    for number, (wakes, seen, habituated) in enumerate(days, 1):
        print(f"idle day {number}: {len(wakes)} wakes, {habituated / seen:.3%} of {seen:,} samples habituated")
        for why in wakes:
            print(f"    {why[:150]}")


if __name__ == "__main__":
    main()
