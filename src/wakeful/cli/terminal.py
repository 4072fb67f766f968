"""What a person sees of a mind in the terminal: thoughts as they stream, and one line that says it is awake."""

import sys
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from wakeful.context import as_data, cite
from wakeful.events import (
    ActionResult,
    Answer,
    ApprovalRequested,
    Brake,
    Entry,
    Event,
    Health,
    Notification,
    Observation,
    Severity,
    Thought,
    ThoughtFailed,
)

SEVERITY_STYLE: dict[Severity, str] = {"info": "green", "warning": "yellow", "critical": "bold red"}
SEVERITY_SIGN: dict[Severity, str] = {"info": "·", "warning": "!", "critical": "‼"}
_INDENT = " " * 9
_PARTIAL_CHARS = 400


def local_clock(at_ns: int) -> str:
    """Time of day where the person is."""
    return datetime.fromtimestamp(at_ns / 1e9).strftime("%H:%M:%S")


def thought_text(thought: Thought, evidence: Sequence[Entry]) -> Text:
    """A thought in a few lines, with the raw observations behind it."""
    style = SEVERITY_STYLE[thought.severity]
    text = Text()
    text.append(f"{local_clock(thought.at_ns)} ", "dim")
    text.append(f"{SEVERITY_SIGN[thought.severity]} {thought.severity}", style)
    text.append(f"  {as_data(thought.focus)}\n", "bold")
    text.append(f"{_INDENT}{as_data(thought.assessment)}\n")
    for entry in evidence:
        if isinstance(entry.event, Observation):
            line = as_data(entry.event.text, max_chars=160)
            text.append(f"{_INDENT}{cite(entry.seq)} {as_data(entry.event.source, max_chars=60)}: {line}\n", "dim")
    text.append(f"{_INDENT}expects: {as_data(thought.next_prediction)} ({thought.confidence:.0%})", "dim")
    tokens = thought.prompt_tokens + thought.completion_tokens
    text.append(f"  [{tokens} tokens, {thought.duration_s:.1f} s]", "dim")
    if thought.action_needed and thought.action_details:
        text.append(f"\n{_INDENT}wants to {thought.action_type}: {as_data(thought.action_details)}", "cyan")
    return text


def event_text(event: Event) -> Text | None:
    """Other events that a person wants to see go by; None for those that they don't."""
    clock = local_clock(event.at_ns)
    match event:
        case ThoughtFailed():
            told = "will be thought about again" if event.retried else "given up"
            return Text(f"{clock} a thought failed: {as_data(event.error)} ({told})", "yellow")
        case Health():
            style = {"up": "green", "degraded": "yellow", "down": "red"}[event.state]
            return Text(f"{clock} {event.part} is {event.state}: {as_data(event.text)}", style)
        case Notification() if event.title == "could not be thought about":
            text = Text(f"{clock} ! {event.title}\n", "yellow")
            for line in event.text.splitlines():
                text.append(f"{_INDENT}{as_data(line)}\n")
            return text
        case Notification() if event.intention:
            text = Text(f"{clock} {SEVERITY_SIGN[event.severity]} {as_data(event.title)}\n", "bold cyan")
            text.append(f"{_INDENT}{as_data(event.text, max_chars=4000)}")
            return text
        case ApprovalRequested():
            text = Text(f"{clock} ? asks to run: {event.shown}\n", "bold magenta")
            return text.append(
                f"{_INDENT}`wakeful approve {event.digest[:8]}` says yes, once; `wakeful deny …` no", "dim"
            )
        case ActionResult() if event.tool:
            style = "cyan" if event.outcome == "done" else "yellow"
            return Text(f"{clock} {as_data(event.tool, max_chars=80)} {event.outcome}: {as_data(event.text)}", style)
        case Brake():
            return Text(f"{clock} {as_data(event.body)}", "bold magenta")
        case Answer():
            return Text(f"{clock} answered: {as_data(event.text)}", "cyan")
        case _:
            return None


class Screen:
    """The terminal of a running mind: finished things scroll up, the last lines are alive.

    Where output is no terminal, only finished things are printed, plainly.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=not sys.stdout.isatty())
        self._live: Live | None = None
        self._status = ""
        self._partial = ""

    def __enter__(self) -> "Screen":
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: Text | str) -> None:
        """Prints something that stays."""
        self.console.print(text if isinstance(text, Text) else Text(text))

    def status(self, text: str) -> None:
        """Sets the line that says what is going on."""
        self._status = text
        self._show()

    def partial(self, text: str) -> None:
        """Shows the thought that is being written, "" for none."""
        self._partial = text
        self._show()

    def _show(self) -> None:
        if self._live is None:
            return
        lines: list[Text] = []
        if self._partial:
            lines.append(Text(f"thinking {as_data(self._partial[-_PARTIAL_CHARS:])}", "dim italic"))
        lines.append(Text(self._status, "dim"))
        self._live.update(Group(*lines))
