"""What does the model see? Rules first, then turns that are only ever appended to, last what changes."""

from wakeful.context.conversation import KEEP_SHARE, MAX_GISTS, Conversation, Layout, Room, Turn
from wakeful.context.errors import OverBudget
from wakeful.context.history import History
from wakeful.context.opening import NOTHING, Opening
from wakeful.context.overflow import Counter, Fitted, OverflowPolicy, fit
from wakeful.context.prefix import Broken, Role, first_difference
from wakeful.context.render import as_data, cite, clock, entry_line, observation_line, shorten
from wakeful.context.summary import Summary, extract, faults, summarise
from wakeful.context.tiers import TierBudgets, Tiers
from wakeful.context.tokens import MESSAGE_TOKENS, TokenEstimate
from wakeful.context.turn import REMEMBERED, Seen, moment, question

__all__ = [
    "KEEP_SHARE",
    "MAX_GISTS",
    "MESSAGE_TOKENS",
    "NOTHING",
    "REMEMBERED",
    "Broken",
    "Conversation",
    "Counter",
    "Fitted",
    "History",
    "Layout",
    "Opening",
    "OverBudget",
    "OverflowPolicy",
    "Role",
    "Room",
    "Seen",
    "Summary",
    "TierBudgets",
    "Tiers",
    "TokenEstimate",
    "Turn",
    "as_data",
    "cite",
    "clock",
    "entry_line",
    "extract",
    "faults",
    "first_difference",
    "fit",
    "moment",
    "observation_line",
    "question",
    "shorten",
    "summarise",
]
