"""Events as the lines that a model reads.

The formats here are a contract: the pilot model was trained on them (`training/pilot/`), and a prompt's beginning
stays byte-identical only while they do not change.
"""

import re
from datetime import UTC, datetime

from wakeful.events import (
    ActionResult,
    Answer,
    Entry,
    Event,
    Health,
    Notification,
    Observation,
    Question,
    Salience,
    Session,
    Summary,
    Thought,
    ThoughtFailed,
)

MAX_ITEM_CHARS = 600
"""Characters of one rendered item; some 200 tokens, so that one huge item can't fill a prompt."""

# What chat templates use to part the turns (ChatML, Llama 2 to 4, Gemma, Mistral, DeepSeek, think tags). In
# observed text it is broken apart, since servers parse such marks wherever they stand in a prompt.
_TEMPLATE_MARKS = re.compile(
    r"<(?=[|\uff5c/]|s>|bos>|eos>|pad>|unk>|think|start_of_turn|end_of_turn|tool_call|tool_response)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|TOOL_REQUEST|END_TOOL_REQUEST|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def as_data(text: str, *, max_chars: int = MAX_ITEM_CHARS) -> str:
    """Text from outside as one harmless line of a prompt: no line breaks, control characters or template marks.

    A text longer than `max_chars` loses its middle, visibly.
    """
    if len(text) > 4 * max_chars:  # look at the ends only: the middle goes anyway
        text = shorten(text, 4 * max_chars)
    line = " ".join(text.split())
    line = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", line)
    line = _TEMPLATE_MARKS.sub(lambda mark: mark.group() + " ", line)
    return shorten(line, max_chars)


def shorten(text: str, max_chars: int) -> str:
    """`text` with its middle replaced by ` … ` where it is longer than `max_chars` (at least 8)."""
    if len(text) <= max_chars:
        return text
    head = (max_chars - 3) * 2 // 3
    return f"{text[:head]} … {text[len(text) - (max_chars - 3 - head) :]}"


def clock(at_ns: int) -> str:
    """Time of day, UTC, as `03:12:07`."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).strftime("%H:%M:%S")


def cite(seq: int) -> str:
    """An entry's number as prompts, pages and answers cite it: `#1234`."""
    return f"#{seq}"


def observation_line(seq: int, observation: Observation, salience: Salience | None = None) -> str:
    """One observation: `#12 03:12:07 metrics: cpu 97.4%, … [cpu 97.4%, usually 12.1%]`."""
    text = observation.text
    if observation.count > 1 and observation.form == "lines":
        text = f"{observation.count} lines: {' | '.join(text.splitlines())}"
    text = as_data(text)
    reasons = f" [{as_data('; '.join(salience.reasons), max_chars=200)}]" if salience and salience.reasons else ""
    return f"{cite(seq)} {clock(observation.at_ns)} {as_data(observation.source, max_chars=80)}: {text}{reasons}"


def entry_line(entry: Entry) -> str:
    """Any entry that a person could ask about, in one line."""
    event = entry.event
    if isinstance(event, Observation):
        return observation_line(entry.seq, event)
    return f"{cite(entry.seq)} {clock(event.at_ns)} {_told(event)}"


def _told(event: Event) -> str:
    match event:
        case Thought():
            return f"thought ({event.severity}): {as_data(event.focus)}: {as_data(event.assessment)}"
        case ThoughtFailed():
            return f"failed thought: {as_data(event.error)}"
        case Notification():
            return f"notification ({event.severity}): {as_data(event.title)}"
        case Health():
            return f"health: {event.part} is {event.state}: {as_data(event.text)}"
        case Question():
            return f"user asked: {as_data(event.text)}"
        case Answer():
            return f"answered: {as_data(event.text)}"
        case ActionResult():
            return f"action {event.outcome}: {as_data(event.text)}"
        case Session():
            return f"Wakeful {event.state}: {as_data(event.text)}" if event.text else f"Wakeful {event.state}"
        case Summary():
            return f"summary: {as_data(event.text)}"
        case _:
            return f"{event.__struct_config__.tag}: {as_data(event.body)}"
