"""`wakeful why`: from anything that was said back to the raw lines."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from wakeful.cli.terminal import SEVERITY_STYLE, local_clock
from wakeful.context import as_data, cite
from wakeful.events import (
    ActionRequest,
    Event,
    Intention,
    Notification,
    Observation,
    Prediction,
    PredictionResolved,
    Salience,
    Thought,
)
from wakeful.journal import Journal
from wakeful.mind import Reason, in_words, why

_MAX_CHARS = 2000


async def show_why(file: Path, seq: int, *, as_json: bool) -> None:
    """Prints what an entry rests on, as a tree; raises typer.BadParameter where there is no such entry."""
    async with await Journal.open(file, read_only=True) as journal:
        reason = await why(journal, seq)
    if reason is None:
        raise typer.BadParameter(f"there is no entry #{seq}")
    if as_json:
        print(msgspec.json.encode(_plain(reason)).decode())
        return
    console = Console(highlight=False, soft_wrap=True)
    for line in _lines(reason, "", ""):
        console.print(line)


def _lines(reason: Reason, lead: str, below: str) -> Iterator[Text]:
    """The tree, a line each. lead, below: what stands before this entry, and before those that it rests on."""
    yield Text(lead, "dim").append_text(_line(reason))
    for number, each in enumerate(reason.because, 1):
        last = number == len(reason.because)
        yield from _lines(each, f"{below}{'└' if last else '├'}── ", f"{below}{' ' if last else '│'}   ")


def _line(reason: Reason) -> Text:
    text = Text(f"{reason.link}: " if reason.link else "", "dim")
    text.append(cite(reason.seq), "bold")
    if reason.entry is None:
        return text.append(" is no longer in the journal", "dim")
    text.append(f" {local_clock(reason.entry.event.at_ns)} ")
    return text.append_text(_told(reason.entry.event))


def _told(event: Event) -> Text:
    """One event in full, as it is worth reading here; raw lines are raw."""
    match event:
        case Observation():
            return Text(f"{event.source}: {as_data(event.text, max_chars=_MAX_CHARS)}")
        case Salience():
            why = "; ".join(event.reasons) or "nothing in particular"
            return Text(f"{as_data(why)} (salience {event.salience:.2f}, {event.threshold:.2f} wakes)")
        case Thought():
            text = Text(event.severity, SEVERITY_STYLE[event.severity])
            text.append(f" {as_data(event.focus)}: {as_data(event.assessment)}")
            return text.append(f"  [{event.model}, prompt {event.prompt_version}, woken by {event.reason}]", "dim")
        case Notification():
            return Text(f"told you: {as_data(event.title)}. {as_data(event.text)}")
        case Prediction():
            claim = f" [{as_data(in_words(event.condition))}]" if event.condition is not None else " [in words only]"
            return Text(f"predicted ({event.probability:.0%}): {as_data(event.claim)}{claim}")
        case PredictionResolved():
            return Text(f"prediction {event.outcome}: {as_data(event.claim)} ({as_data(event.why)})")
        case ActionRequest():
            return Text(f"asked to {as_data(event.action)}: {as_data(event.details)}")
        case Intention():
            who = "you" if event.provenance == "user" else "the mind"
            return Text(f"{who} said: {as_data(event.text)}")
        case _:
            return Text(f"{event.__struct_config__.tag}: {as_data(event.body)}")


def _plain(reason: Reason) -> dict[str, Any]:
    event = reason.entry.event if reason.entry is not None else None
    return {
        "link": reason.link,
        "seq": reason.seq,
        "event": event,
        "because": [_plain(each) for each in reason.because],
    }
