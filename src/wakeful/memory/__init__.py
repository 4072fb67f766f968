"""What comes back to mind? Earlier thoughts that speak of the same things, found in the journal's full text."""

from wakeful.memory.recall import Recall, cue

__all__ = ["Recall", "cue"]
