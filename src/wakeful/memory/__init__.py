"""What comes back to mind? What was seen, thought and said, found by words and by meaning, and tidied slowly."""

from wakeful.memory.embedding import Embedder, ServerEmbedder, embedder_of
from wakeful.memory.forget import forget, that_must_go
from wakeful.memory.memory import Memory, Note, Time
from wakeful.memory.periods import Period, period_in
from wakeful.memory.recall import Recall
from wakeful.memory.recalled import Recalled
from wakeful.memory.vectors import Vectors
from wakeful.memory.words import cue

__all__ = [
    "Embedder",
    "Memory",
    "Note",
    "Period",
    "Recall",
    "Recalled",
    "ServerEmbedder",
    "Time",
    "Vectors",
    "cue",
    "embedder_of",
    "forget",
    "period_in",
    "that_must_go",
]
