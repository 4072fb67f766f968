"""Measurements in short: what each number of a source came to in a minute, an hour, a day.

Measurements are most of what is journaled, and after some days nobody asks for a single one. Then their figures stand
for them: of minutes for two weeks, of hours for a year and a bit, of days for ever. All are taken from the measurements
themselves, so that their percentiles are exact.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from wakeful.events import Figures, Observation
from wakeful.journal import Journal, Thin

Span = Literal["minute", "hour", "day"]

LENGTH_NS: dict[Span, int] = {"minute": 60 * 10**9, "hour": 3600 * 10**9, "day": 86_400 * 10**9}

KEPT_DAYS = {"measurement": 3, "minute": 14, "hour": 400}
"""How many days each is kept; figures of days stay."""

STATE = "figures"
"""The name under which the journal keeps how far this has come."""

_TOGETHER: dict[str, tuple[Span, ...]] = {"hours_ns": ("minute", "hour"), "days_ns": ("day",)}
_CLOSED_NS = 120 * 10**9  # after its end a period may still get a measurement that was being written
_PAGE = 20_000
_SHORTEST_NS = 10**9
_SHARES = (0.05, 0.5, 0.95)


class _Progress(msgspec.Struct):
    """Up to when hours and days have figures, and up to when each kept kind was dropped; nanoseconds."""

    hours_ns: int = 0
    days_ns: int = 0
    dropped_ns: dict[str, int] = {}


class RollUp:
    """Keeps the figures of a journal, and lets go of what they stand for."""

    def __init__(self, journal: Journal, *, now_ns: Callable[[], int]) -> None:
        self._journal = journal
        self._now_ns = now_ns

    async def step(self) -> int:
        """Takes the figures of the hours and days that have ended since; returns how many. Raises a JournalError."""
        progress = await self._progress()
        closed_ns = self._now_ns() - _CLOSED_NS
        first_ns = (await self._journal.stats()).first_ns
        made = 0
        for name, spans in _TOGETHER.items():
            length = LENGTH_NS[spans[-1]]
            begin = max(getattr(progress, name), first_ns - first_ns % length)
            while begin + length <= closed_ns:
                figures = await self._figures(spans, begin, begin + length)
                begin += length
                setattr(progress, name, begin)
                if figures:
                    await self._journal.append(figures)
                    await self._journal.save_state(STATE, msgspec.json.encode(progress))
                made += len(figures)
        await self._journal.save_state(STATE, msgspec.json.encode(progress))
        return made

    async def thin(self) -> list[Thin]:
        """What may go, as figures stand for it: for `Journal.prune`. Call `dropped` with it when it is gone."""
        progress = await self._progress()
        now_ns = self._now_ns()

        def due(name: str) -> tuple[int, int]:
            until = min(now_ns - KEPT_DAYS[name] * LENGTH_NS["day"], progress.hours_ns, progress.days_ns)
            return progress.dropped_ns.get(name, 0), until

        marks = {
            "measurement": ("observation", b'"form":"metrics"'),
            "minute": ("figures", b'"span":"minute"'),
            "hour": ("figures", b'"span":"hour"'),
        }
        return [Thin(kind, mark, *due(name)) for name, (kind, mark) in marks.items() if due(name)[0] < due(name)[1]]

    async def dropped(self, thinned: Sequence[Thin]) -> None:
        """Remembers what has gone, so that it is not looked for again."""
        progress = await self._progress()
        names = {b'"form":"metrics"': "measurement", b'"span":"minute"': "minute", b'"span":"hour"': "hour"}
        for thin in thinned:
            progress.dropped_ns[names[thin.mark]] = thin.until_ns
        await self._journal.save_state(STATE, msgspec.json.encode(progress))

    async def _figures(self, spans: Sequence[Span], since_ns: int, until_ns: int) -> list[Figures]:
        """The figures of all sources in these spans, within a whole hour or day."""
        values: dict[str, list[tuple[int, dict[str, float]]]] = {}
        at_ns, length_ns = since_ns, until_ns - since_ns
        while at_ns < until_ns:
            end_ns = min(until_ns, at_ns + length_ns)
            found = await self._journal.read(kinds=("observation",), since_ns=at_ns, until_ns=end_ns, limit=_PAGE)
            if len(found) == _PAGE and length_ns > _SHORTEST_NS:  # a noisy log; not all of it at once
                length_ns //= 2
                continue
            for entry in found:
                event = entry.event
                if isinstance(event, Observation) and event.form == "metrics" and event.values:
                    values.setdefault(event.source, []).append((event.at_ns, _named(event)))
            at_ns = end_ns
        return [_figures(source, span, since_ns, until_ns, seen) for source, seen in values.items() for span in spans]

    async def _progress(self) -> _Progress:
        data = await self._journal.load_state(STATE)
        return msgspec.json.decode(data, type=_Progress) if data is not None else _Progress()


def _named(event: Observation) -> dict[str, float]:
    """Its numbers; each with what it is of, where a source tells of several (ten containers have no mean)."""
    if not event.subject:
        return event.values
    return {f"{name}:{event.subject}": value for name, value in event.values.items()}


def _figures(
    source: str, span: Span, since_ns: int, until_ns: int, seen: Sequence[tuple[int, dict[str, float]]]
) -> Figures:
    rows: list[list[dict[str, float]]] = [[] for _ in range((until_ns - since_ns) // LENGTH_NS[span])]
    for at_ns, values in seen:
        rows[(at_ns - since_ns) // LENGTH_NS[span]].append(values)
    names = dict.fromkeys(name for _, values in seen for name in values)
    return Figures(
        at_ns=since_ns,
        source=source,
        until_ns=until_ns,
        span=span,
        counts=tuple(map(len, rows)),
        figures={name: tuple(_summed([each[name] for each in row if name in each]) for row in rows) for name in names},
    )


def _summed(measured: Sequence[float]) -> tuple[float, ...]:
    """Smallest, mean, largest, and the percentiles (each a value that was measured: nearest rank); () for nothing."""
    if not measured:
        return ()
    numbers = sorted(measured)
    shares = [numbers[max(0, math.ceil(share * len(numbers)) - 1)] for share in _SHARES]
    mean = math.fsum(numbers) / len(numbers)
    return tuple(_short(each) for each in (numbers[0], mean, numbers[-1], *shares))


def _short(number: float) -> float:
    """Six digits are more than any meter has, and half the bytes."""
    return float(f"{number:.6g}")
