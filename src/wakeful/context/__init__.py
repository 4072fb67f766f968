"""What does the model see? Rules first, then turns that are only ever appended to, last what changes."""

from wakeful.context.conversation import Conversation, Layout, Role, Turn
from wakeful.context.render import as_data, cite, clock, entry_line, observation_line, shorten
from wakeful.context.tokens import TokenEstimate
from wakeful.context.turn import Seen, moment, question

__all__ = [
    "Conversation",
    "Layout",
    "Role",
    "Seen",
    "TokenEstimate",
    "Turn",
    "as_data",
    "cite",
    "clock",
    "entry_line",
    "moment",
    "observation_line",
    "question",
    "shorten",
]
