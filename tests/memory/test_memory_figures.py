"""Figures stand for measurements: they are right, they come once, and what they stand for goes in time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from memory_parts import opened
from test_memory_forget import thought

from wakeful.events import Figures, Observation
from wakeful.journal import Journal
from wakeful.memory import RollUp
from wakeful.memory.figures import _summed

DAY = datetime(2026, 11, 2, tzinfo=UTC)
DAY_NS = int(DAY.timestamp()) * 10**9


def measured(at_ns: int, value: float, source: str = "metrics") -> Observation:
    values = {"cpu_percent": value}
    return Observation(at_ns=at_ns, source=source, form="metrics", text=f"cpu {value}%", values=values)


async def figures(journal: Journal, span: str) -> list[Figures]:
    found = await journal.read(kinds=("figures",), limit=100_000)
    return [each.event for each in found if isinstance(each.event, Figures) and each.event.span == span]


async def test_minutes_hours_and_days_get_their_figures_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as memory:
        journal = memory.journal
        for hour in range(24):
            await journal.append([measured(DAY_NS + hour * 3600 * 10**9 + n * 60 * 10**9, hour) for n in range(60)])
        now = DAY + timedelta(days=1, minutes=30)
        roll_up = RollUp(journal, now_ns=lambda: int(now.timestamp()) * 10**9)
        assert await roll_up.step() == 24 + 24 + 1
        assert await roll_up.step() == 0
        [day] = await figures(journal, "day")
        assert (day.at_ns, day.until_ns, day.counts) == (DAY_NS, DAY_NS + 86_400 * 10**9, (1440,))
        assert day.figures["cpu_percent"] == ((0.0, 11.5, 23.0, 1.0, 11.0, 22.0),)
        assert [each.figures["cpu_percent"][0][1] for each in await figures(journal, "hour")] == list(range(24))
        minutes = (await figures(journal, "minute"))[3]
        assert minutes.counts == (1,) * 60
        assert minutes.figures["cpu_percent"][59] == (3.0,) * 6


async def test_containers_keep_figures_of_their_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as memory:
        for value, name in ((10.0, "web"), (90.0, "db")):
            seen = measured(DAY_NS, value, "containers")
            await memory.journal.append([msgspec.structs.replace(seen, subject=name)])
        now = DAY + timedelta(hours=2)
        await RollUp(memory.journal, now_ns=lambda: int(now.timestamp()) * 10**9).step()
        [hour] = await figures(memory.journal, "hour")
        assert {name: each[0][1] for name, each in hour.figures.items()} == {
            "cpu_percent:web": 10.0,
            "cpu_percent:db": 90.0,
        }


async def test_measurements_go_after_some_days_and_their_figures_stay(tmp_path: Path) -> None:
    async with await Journal.open(tmp_path / "journal.db") as journal:
        for day in range(20):
            at_ns = DAY_NS + day * 86_400 * 10**9
            entries = await journal.append([measured(at_ns + n * 600 * 10**9, n) for n in range(144)])
            line = Observation(at_ns=at_ns, source="log:/x", form="lines", text='a line with "form":"metrics" in it')
            await journal.append([line, thought("odd", (entries[7].seq,), cycle=str(day))])
        now_ns = DAY_NS + 20 * 86_400 * 10**9 + 3600 * 10**9
        roll_up = RollUp(journal, now_ns=lambda: now_ns)
        await roll_up.step()
        await journal.commit([], consumer="mind", expected=await journal.cursor("mind"), cursor=await journal.end())
        thin = await roll_up.thin()
        gone = await journal.prune(consumers=("mind",), thin=thin)
        await roll_up.dropped(thin)
        left = [e.event for e in await journal.read(kinds=("observation",), limit=10_000)]
        metrics = [each for each in left if isinstance(each, Observation) and each.form == "metrics"]
        old = [each for each in metrics if each.at_ns < now_ns - 3 * 86_400 * 10**9]
        assert len(old) == 17  # what a thought cites
        assert len(left) - len(metrics) == 20  # lines are none
        assert len(await figures(journal, "day")) == 20
        assert len(await figures(journal, "hour")) == 20 * 24
        assert len({each.at_ns // (86_400 * 10**9) for each in await figures(journal, "minute")}) == 14
        assert gone > 16 * 143
        assert await journal.prune(consumers=("mind",), thin=await roll_up.thin()) == 0


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50))
def test_figures_are_in_order(numbers: list[float]) -> None:
    low, mean, high, p5, p50, p95 = _summed(numbers)
    assert low <= p5 <= p50 <= p95 <= high
    assert low - abs(low) * 1e-5 - 1e-9 <= mean <= high + abs(high) * 1e-5 + 1e-9
