"""How does one think? Attend, wake, recall, think, commit: the loop, and a person's questions to it."""

from wakeful.mind.ask import Asked, ask
from wakeful.mind.attend import Attending
from wakeful.mind.mind import Mind, MindSettings, Phase
from wakeful.mind.preview import Part, Preview, preview
from wakeful.mind.prompt import prompt
from wakeful.mind.schema import AskReply, AttentionShares, Reply, ask_schema, reply_schema
from wakeful.mind.thinker import LM_STUDIO, Answered, ModelFacts, Thinker, UnusableAnswer

__all__ = [
    "LM_STUDIO",
    "Answered",
    "AskReply",
    "Asked",
    "Attending",
    "AttentionShares",
    "Mind",
    "MindSettings",
    "ModelFacts",
    "Part",
    "Phase",
    "Preview",
    "Reply",
    "Thinker",
    "UnusableAnswer",
    "ask",
    "ask_schema",
    "preview",
    "prompt",
    "reply_schema",
]
