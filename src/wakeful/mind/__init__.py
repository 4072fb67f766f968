"""How does one think? Attend, wake, recall, think, commit: the loop, and a person's questions to it."""

from wakeful.mind.ask import Asked, ask
from wakeful.mind.attempts import Phase
from wakeful.mind.attend import Attending
from wakeful.mind.audition import Audition, Side, audition
from wakeful.mind.intentions.keeping import Intentions, NoSuchIntention, meaning
from wakeful.mind.intentions.standing import holds
from wakeful.mind.metacognition.vitals import VITAL_KINDS, figures_in_words, vitals
from wakeful.mind.mind import Mind
from wakeful.mind.predictions.forecasts import Forecast, Forecasts, forecasts
from wakeful.mind.predictions.matching import in_words
from wakeful.mind.predictions.scores import Calibration
from wakeful.mind.preview import Part, Preview, preview
from wakeful.mind.prompt import STANCES, PromptUnreadable, Stance, prompt, rules
from wakeful.mind.questions import through_mind
from wakeful.mind.schema import AskReply, AttentionShares, Reply, ask_schema, reply_schema
from wakeful.mind.settings import MindSettings
from wakeful.mind.thinker import LM_STUDIO, Answered, ModelFacts, Thinker, UnusableAnswer
from wakeful.mind.why import Reason, why

__all__ = [
    "LM_STUDIO",
    "STANCES",
    "VITAL_KINDS",
    "Answered",
    "AskReply",
    "Asked",
    "Attending",
    "AttentionShares",
    "Audition",
    "Calibration",
    "Forecast",
    "Forecasts",
    "Intentions",
    "Mind",
    "MindSettings",
    "ModelFacts",
    "NoSuchIntention",
    "Part",
    "Phase",
    "Preview",
    "PromptUnreadable",
    "Reason",
    "Reply",
    "Side",
    "Stance",
    "Thinker",
    "UnusableAnswer",
    "ask",
    "ask_schema",
    "audition",
    "figures_in_words",
    "forecasts",
    "holds",
    "in_words",
    "meaning",
    "preview",
    "prompt",
    "reply_schema",
    "rules",
    "through_mind",
    "vitals",
    "why",
]
