"""The prompts that ship with Wakeful: one file each, its version in its name."""

from importlib import resources

BASE = "base-1"
"""For models that can follow rules."""

PILOT = "pilot-1"
"""The one sentence that the pilot model was trained with."""

ASK = "ask-1"
"""For answering a person's question from the journal."""


def version_for(*, pilot: bool) -> str:
    """The prompt that a model thinks with."""
    return PILOT if pilot else BASE


def prompt(version: str) -> str:
    """The text of one prompt, such as `base-1`; raises FileNotFoundError for one that is not shipped."""
    return (resources.files("wakeful.mind") / "prompts" / f"{version}.md").read_text(encoding="utf-8").strip()
