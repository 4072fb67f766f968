"""What comes back to mind? What was seen, thought and said, found by words and by meaning, and tidied slowly."""

from wakeful.memory.audit import Audit, audit
from wakeful.memory.claims import Claims
from wakeful.memory.consolidate import Consolidation
from wakeful.memory.embedding import Embedder, ServerEmbedder, embedder_of
from wakeful.memory.exchange import UnreadableMemory, export, take_in
from wakeful.memory.figures import RollUp
from wakeful.memory.forget import forget, that_must_go
from wakeful.memory.hygiene import NotLearnt
from wakeful.memory.memory import Memory, Note, Time
from wakeful.memory.periods import Period, period_in
from wakeful.memory.recall import Recall
from wakeful.memory.recalled import Recalled
from wakeful.memory.self_model import Patch, follow_requests, newest, patch_of, revise, roll_back, versions
from wakeful.memory.vectors import Vectors
from wakeful.memory.words import cue

__all__ = [
    "Audit",
    "Claims",
    "Consolidation",
    "Embedder",
    "Memory",
    "NotLearnt",
    "Note",
    "Patch",
    "Period",
    "Recall",
    "Recalled",
    "RollUp",
    "ServerEmbedder",
    "Time",
    "UnreadableMemory",
    "Vectors",
    "audit",
    "cue",
    "embedder_of",
    "export",
    "follow_requests",
    "forget",
    "newest",
    "patch_of",
    "period_in",
    "revise",
    "roll_back",
    "take_in",
    "that_must_go",
    "versions",
]
