"""What is asked in a chat: every option of a request, and its body."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypedDict, Unpack

import msgspec

from wakeful.lmstudio.chat.events import ChatResult, Message
from wakeful.lmstudio.hosts.neighbour import Priority

MAX_TOKENS = 1024
"""Tokens of an answer unless told otherwise; never unlimited, since a model may loop."""


class AskOptions(TypedDict, total=False):
    """The options of one request but for its tools; what is left out is left to the server.

    model: a model's `id`; "" for whichever is loaded
    json_schema: the answer is held to it; it may still be cut off, see `ChatResult.finish_reason`
    schema_name: a name for it, which some models are shown
    max_tokens: of the answer, reasoning included; 1,024 unless given
    temperature, top_p, top_k, min_p, repeat_penalty, presence_penalty, frequency_penalty, logit_bias, seed, stop:
        how the next token is chosen, and where to stop
    logprobs, top_logprobs: asked for; LM Studio accepts them here and answers null
    reasoning_effort: `none` switches thinking off where the model allows it
    draft_model: a smaller model that guesses ahead (speculative decoding)
    ttl_s: seconds without use after which a model that this request loads is unloaded
    cache_prompt: False forbids reuse of what was read before (llama.cpp only)
    priority, idle_only: when it may go, where the client was given a `Neighbour`
    resume: whether a stream that is cut off goes on from there, and how often (True: once). The text so far becomes
        the beginning of the model's answer; not with a schema, with logprobs, or once a tool call has begun
    limit_s: seconds that all of it may take; then the partial answer comes back, marked as interrupted
    extra: further fields of the request, which win over all others
    """

    model: str
    json_schema: Mapping[str, Any] | None
    schema_name: str
    max_tokens: int
    temperature: float | None
    top_p: float
    top_k: int
    min_p: float
    repeat_penalty: float
    presence_penalty: float
    frequency_penalty: float
    logit_bias: Mapping[str, float]
    seed: int
    stop: str | Sequence[str]
    logprobs: bool
    top_logprobs: int
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high"]
    draft_model: str
    ttl_s: int
    cache_prompt: bool
    priority: Priority
    idle_only: bool
    resume: bool | int
    limit_s: float | None
    extra: Mapping[str, Any] | None


class ChatOptions(AskOptions, total=False):
    """All options of one request.

    tools: functions in OpenAI form, which the model may ask to call
    tool_choice: whether it must call one; `required` is known to llama.cpp's engine only
    """

    tools: Sequence[Mapping[str, Any]]
    tool_choice: Literal["none", "auto", "required"] | Mapping[str, Any]


# In the order in which they are sent: equal requests are equal bytes.
_SENT_AS_THEY_ARE = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "seed",
    "stop",
    "logprobs",
    "top_logprobs",
    "reasoning_effort",
    "draft_model",
    "tool_choice",
)


def chat_body(messages: str | Sequence[Message], options: ChatOptions, *, stream: bool) -> bytes:
    """The request as JSON, its fields always in the same order. messages: a text is one message by the user."""
    unknown = options.keys() - ChatOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"no such option: {', '.join(sorted(unknown))}; what the server alone knows goes into `extra`")
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages),
        "max_tokens": options.get("max_tokens", MAX_TOKENS),
        "stream": stream,
    }
    if model := options.get("model"):
        body["model"] = model
    if stream:
        body["stream_options"] = {"include_usage": True}
    for name in _SENT_AS_THEY_ARE:
        if (value := options.get(name)) is not None:
            body[name] = value
    if (schema := options.get("json_schema")) is not None:
        # never `json_object`: LM Studio answers 400 to it; nor `$schema`, with which some versions hold to nothing
        meant = {name: value for name, value in schema.items() if name != "$schema"}
        held = {"name": options.get("schema_name", "answer"), "strict": True, "schema": meant}
        body["response_format"] = {"type": "json_schema", "json_schema": held}
    if tools := options.get("tools"):
        body["tools"] = list(tools)
    if (ttl_s := options.get("ttl_s")) is not None:
        body["ttl"] = ttl_s
    if not options.get("cache_prompt", True):
        body["cache_prompt"] = False
    if extra := options.get("extra"):
        body.update(extra)
    return msgspec.json.encode(body)


class CanChat(Protocol):
    """Whatever answers as a client does: a client, or several of them behind one door."""

    async def chat(self, messages: str | Sequence[Message], **options: Unpack[ChatOptions]) -> ChatResult:
        """The answer in one piece."""
        ...
