"""What deserves a thought? Prediction error, weighted by how much its source is to be trusted, within a budget."""

from wakeful.attention.budget import WakeBudget
from wakeful.attention.canary import CANARY, EVERY_S, WITHIN_S, canary
from wakeful.attention.gate import Attention
from wakeful.attention.interests import stem
from wakeful.attention.offline import ALARM, score_lines, score_numbers
from wakeful.attention.settings import AttentionSettings
from wakeful.attention.words import gravity

__all__ = [
    "ALARM",
    "CANARY",
    "EVERY_S",
    "WITHIN_S",
    "Attention",
    "AttentionSettings",
    "WakeBudget",
    "canary",
    "gravity",
    "score_lines",
    "score_numbers",
    "stem",
]
