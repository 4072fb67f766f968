"""`wakeful replay`: an audition of another model, prompt or budget on what was really observed."""

import contextlib
import math
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from wakeful.attention import AttentionSettings
from wakeful.cli.home import home_folder, journal_file
from wakeful.cli.model import connected
from wakeful.cli.runtime import find
from wakeful.cli.terminal import SEVERITY_STYLE
from wakeful.config import Settings, load
from wakeful.context import as_data
from wakeful.events import Thought
from wakeful.journal import Journal
from wakeful.mind import Audition, MindSettings, Side, audition, figures_in_words

_GGUF = ".gguf"


@dataclass(frozen=True, slots=True)
class Changes:
    """What is tried in place of the settings; "" and 0 for nothing."""

    model: str
    stance: str
    prompt: str
    thoughts_per_hour: float

    def applied(self, config: Path | None, home: Path | None) -> Settings:
        """The settings with the changes; raises ConfigError where they can't be."""
        gguf = self.model if self.model.endswith(_GGUF) else ""
        flags: dict[str, Any] = {
            "journal.home": str(home) if home else "",
            "model.gguf": gguf,
            "model.use": "builtin" if gguf else "",
            "model.name": "" if gguf else self.model,
            "thinking.stance": self.stance,
            "thinking.prompt": self.prompt,
            "attention.thoughts_per_hour": self.thoughts_per_hour,
        }
        return load(config, flags={key: value for key, value in flags.items() if value}).settings


async def replay_period(settings: Settings, *, since_ns: int, until_ns: int, keep: Path | None, as_json: bool) -> None:
    """Runs the audition and prints both sides; what is being waited for goes to standard error."""
    home = home_folder(settings)
    waiting = Console(stderr=True, highlight=False)
    running = None if settings.model.gguf else find(home)
    attention = AttentionSettings(
        thoughts_per_hour=settings.attention.thoughts_per_hour,
        tokens_per_hour=settings.attention.tokens_per_hour,
        interests=tuple(settings.attention.interests),
    )
    mind = MindSettings(
        notify_from=settings.notify.least,
        first_look=False,
        quiet_every_s=math.inf,
        reflect_every_s=0.0,
        stance=settings.thinking.stance,
        prompt=settings.thinking.prompt,
    )
    with _folder(keep) as folder:
        async with (
            await Journal.open(journal_file(home), read_only=True) as journal,
            connected(settings, waiting.print, running=running) as model,
        ):
            with waiting.status("replaying") as status:

                def progress(at_ns: int, observations: int, thoughts: int) -> None:
                    status.update(f"{_local(at_ns)}: {observations:,} observations, {thoughts} thoughts")

                found = await audition(
                    journal,
                    folder,
                    model.thinker,
                    since_ns=since_ns,
                    until_ns=until_ns,
                    attention=attention,
                    settings=mind,
                    on_progress=progress,
                )
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    _print(found, Console(highlight=False, soft_wrap=True))


def _print(found: Audition, console: Console) -> None:
    console.print(f"{found.observations:,} observations")
    for name, side in (("then", found.then), ("now", found.now)):
        console.print(Text(f"{name:<5} {_side(side)}"))
    for then, now in found.pairs():
        console.print()
        console.print(_line("then", then))
        console.print(_line("now", now))


def _side(side: Side) -> str:
    if not side.thoughts:
        return "no thoughts"
    skill = side.vitals.calibration.skill
    told = f"told you {side.told} times" + (f", skill {skill:+.2f}" if skill is not None else "")
    return f"{side.model} ({side.prompt}): {figures_in_words(side.vitals)}, {told}"


def _line(name: str, thought: Thought | None) -> Text:
    text = Text(f"{name:<5} ", "dim")
    if thought is None:
        return text.append("nothing", "dim")
    text.append(f"{_local(thought.at_ns)} ", "dim")
    text.append(thought.severity, SEVERITY_STYLE[thought.severity])
    text.append(f" {as_data(thought.focus)}: {as_data(thought.assessment)}")
    return text.append(f" [expects {as_data(thought.next_prediction)} ({thought.confidence:.0%})]", "dim")


@contextlib.contextmanager
def _folder(keep: Path | None) -> Generator[Path]:
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="wakeful-replay-") as folder:
        yield Path(folder)


def _local(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9).strftime("%d %b %H:%M:%S")
