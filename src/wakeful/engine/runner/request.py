"""What a model is asked to do, in one form for all interfaces."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Message = Mapping[str, Any]
"""One turn in OpenAI's form: role, content (text, or parts of type `text` and `image_url` with a data URL),
tool_calls, tool_call_id."""

Effort = Literal["off", "on", "low", "medium", "high", "xhigh"]

OverflowPolicy = Literal["stopAtLimit", "truncateMiddle", "rollingWindow"]
"""LM Studio's own words: stop where the context is full; leave out the middle; let the oldest go."""


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How the next token is drawn; None for the model's default.

    logit_bias: token id as text -> bias in nats
    extra: llama.cpp's own names for what has no name here
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    logit_bias: Mapping[str, float] | None = None
    extra: Mapping[str, Any] = {}


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """A text to be written: an answer to `messages`, or what follows on `prompt`. One of the two is given.

    max_tokens: None for as many as the context holds
    tools: in OpenAI's form; tool_choice: as there
    schema: JSON schema that the answer must keep to; grammar: one in GBNF
    effort: how much it may think before it answers; None for the model's default
    overflow: what gives way when messages and answer do not fit into the context
    logprobs: so many alternatives are told for each token; None for no probabilities at all
    """

    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: Literal["auto", "none", "required"] = "auto"
    schema: Mapping[str, Any] | None = None
    grammar: str | None = None
    effort: Effort | None = None
    overflow: OverflowPolicy = "stopAtLimit"
    logprobs: int | None = None
