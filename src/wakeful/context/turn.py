"""The turn that puts a moment before the model: what was seen, what comes back to mind, and last what changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from wakeful.context.render import as_data, entry_line, observation_line
from wakeful.events import Entry, Observation, Salience, WakeReason

REMEMBERED = "Remembered:"
"""The line of a moment after which stands what memory brings along."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One observation that the mind thinks about, with why it stood out."""

    seq: int
    observation: Observation
    salience: Salience | None = None


def moment(
    seen: Sequence[Seen],
    *,
    now_ns: int,
    reason: WakeReason,
    expected: str,
    recalled: Sequence[Entry] = (),
    others: Mapping[str, int] = MappingProxyType({}),
    notes: Sequence[str] = (),
) -> str:
    """The user turn of one cycle; the clock stands at its very end, so that nothing before it changes.

    notes: what the mind is told about itself, a line each; none for the pilot model, which was not trained on them
    others: how many more salient observations there were that are not shown, by source
    expected: what the thought before this one predicted, "" for none
    """
    lines = ["Observations:"] if seen else ["Observations: none"]
    lines += [observation_line(each.seq, each.observation, each.salience) for each in seen]
    if others:
        told = ", ".join(f"{as_data(source, max_chars=80)} {count}" for source, count in others.items())
        lines.append(f"And more, not shown: {told}")
    if recalled:
        lines.append(REMEMBERED)
        lines += [entry_line(entry) for entry in recalled]
    lines += [as_data(note) for note in notes]
    lines.append(f"Expected: {as_data(expected, max_chars=200) if expected else 'nothing yet'}")
    lines.append(f"Now: {_date(now_ns)}, woken by {reason}")
    return "\n".join(lines)


def question(text: str, entries: Sequence[Entry], *, now_ns: int) -> str:
    """The user turn that asks a person's question about `entries`."""
    lines = ["Journal:"] if entries else ["Journal: no entries"]
    lines += [entry_line(entry) for entry in entries]
    lines.append(f"Question: {as_data(text, max_chars=1000)}")
    lines.append(f"Now: {_date(now_ns)}")
    return "\n".join(lines)


def _date(now_ns: int) -> str:
    return datetime.fromtimestamp(now_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M UTC")
