"""The prompts: one file each, its version in its name; in four stances to choose from, or the user's own."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from wakeful.events import WakefulError

Stance = Literal["base", "fep", "metacognitive", "structured"]
"""How a model is asked to think: plainly; by the Free Energy Principle (predict, observe, error, update); on three
levels (processing, monitoring, reflecting on the monitoring); field by field."""

STANCES: dict[Stance, str] = {
    "base": "base-2",
    "fep": "fep-1",
    "metacognitive": "metacognitive-1",
    "structured": "structured-1",
}
"""The version of each stance that is in force."""

PILOT = "pilot-1"
"""The one sentence that the pilot model was trained with; it knows no other."""

ASK = "ask-1"
"""For answering a person's question from the journal."""

_TOOLS = (
    "Tools. Where action_needed is true, call names the one that is to act, with its arguments; the empty name for "
    "none. The user's policy decides whether it runs; what comes of it is told to you later:"
)
_MAX_BYTES = 100_000


class PromptUnreadable(WakefulError):
    """The user's own prompt can't be read."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a model is told before all else. version: what each thought journals of it."""

    version: str
    text: str


def rules(*, pilot: bool, stance: Stance = "base", file: str = "", tools: str = "") -> Rules:
    """The rules that a model thinks by.

    file: a file of the user's, in place of the stance; its version is `own-` with the beginning of its SHA-256
    tools: a line for each tool, "" where there are none; the pilot is told of none
    Raises PromptUnreadable.
    """
    if pilot:
        return Rules(PILOT, prompt(PILOT))
    if not file:
        return Rules(STANCES[stance], _with_tools(prompt(STANCES[stance]), tools))
    path = Path(file).expanduser()
    try:
        with path.open("rb") as opened:
            data = opened.read(_MAX_BYTES + 1)
        text = data.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PromptUnreadable(
            f"The prompt {path} can't be read: {error}.", hint="Name a text file in thinking.prompt."
        ) from error
    if not text or len(data) > _MAX_BYTES:
        raise PromptUnreadable(f"The prompt {path} is empty or larger than {_MAX_BYTES:,} bytes.")
    return Rules(f"own-{hashlib.sha256(text.encode()).hexdigest()[:8]}", _with_tools(text, tools))


def stance_of(name: str, other: Stance) -> Stance:
    """The stance of a name, `other` where there is none."""
    for stance in STANCES:
        if stance == name:
            return stance
    return other


def _with_tools(text: str, tools: str) -> str:
    return f"{text}\n\n{_TOOLS}\n{tools}" if tools else text


def prompt(version: str) -> str:
    """The text of one prompt, such as `base-2`; raises FileNotFoundError for one that is not shipped."""
    return (resources.files("wakeful.mind") / "prompts" / f"{version}.md").read_text(encoding="utf-8").strip()
