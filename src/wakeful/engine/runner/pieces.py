"""What a model says while it writes: progress, pieces of text and of calls, and one end.

Order: any number of `PromptProgress`, then `Text` and `Call…` pieces as they come, then exactly one `Done`. Nothing
follows on it. A generation that fails raises an EngineError instead.
"""

from typing import Literal

import msgspec

StopReason = Literal[
    "userStopped",
    "modelUnloaded",
    "failed",
    "eosFound",
    "stopStringFound",
    "toolCalls",
    "maxPredictedTokensReached",
    "contextLengthReached",
]
"""LM Studio's own words."""


class PromptProgress(msgspec.Struct, frozen=True, gc=False):
    """How much of the prompt is read. read counts those that were cached too; all in tokens."""

    read: int
    total: int
    cached: int = 0


class TokenChoice(msgspec.Struct, frozen=True):
    """One token and how likely it was. logprob: in nats, at most 0; others: the likeliest, likeliest first."""

    text: str
    token: int
    logprob: float
    others: tuple["TokenChoice", ...] = ()


class Text(msgspec.Struct, frozen=True):
    """A piece of the answer, or of the thinking before it. tokens: how many it is made of, 0 where not known."""

    text: str
    tokens: int = 1
    reasoning: bool = False
    logprobs: tuple[TokenChoice, ...] = ()


class CallStart(msgspec.Struct, frozen=True):
    """A tool call begins. index: from 0, in order; id: unique within the answer."""

    index: int
    id: str
    name: str


class CallArguments(msgspec.Struct, frozen=True):
    """A further piece of a call's arguments, which together are JSON."""

    index: int
    text: str
    tokens: int = 1


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """What it took. Tokens; seconds since the request reached the model.

    cached_tokens: of the prompt, not read anew
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    first_token_s: float = 0.0
    generation_s: float = 0.0
    tokens_per_second: float = 0.0


class Done(msgspec.Struct, frozen=True):
    """The end, and why. stop_string: which one ended it."""

    stop_reason: StopReason
    stats: Stats
    stop_string: str = ""


Piece = PromptProgress | Text | CallStart | CallArguments | Done
