"""What comes back from a chat: the typed pieces of an answer, and the whole of it."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Message = Mapping[str, Any]
"""One message as the OpenAI API has it: {"role": …, "content": …}."""

Interruption = Literal["", "cancelled", "deadline"]


class ContentDelta(msgspec.Struct, frozen=True, gc=False):
    """The next piece of the answer itself."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """The next piece of what the model thinks before it answers."""

    text: str


class PromptProgress(msgspec.Struct, frozen=True, gc=False):
    """How much of the prompt the model has read: tokens so far, of all, and of these how many from the cache."""

    processed: int
    total: int
    cached: int = 0


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False):
    """The next piece of a tool call as it is written; id and name are "" in all pieces but the first.

    index: which of the answer's calls it belongs to
    arguments: the next characters of the call's JSON
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class ToolCall(msgspec.Struct, frozen=True):
    """One whole call that the model asks for.

    id: unique within the answer; our own where the server gave none
    arguments: JSON text, as the model wrote it
    error: why the call can't be made (arguments that are no JSON object), "" when it can
    """

    id: str
    name: str
    arguments: str
    error: str = ""

    def parsed(self) -> dict[str, Any]:
        """The arguments. Raises ValueError with `error` when they can't be used."""
        if self.error:
            raise ValueError(self.error)
        return msgspec.json.decode(self.arguments or "{}", type=dict[str, Any])


class ToolCallEvent(msgspec.Struct, frozen=True):
    """A tool call has come to its end."""

    call: ToolCall


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one request; None where the server does not say.

    cached_tokens: prompt tokens that did not have to be read again
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class UsageEvent(msgspec.Struct, frozen=True):
    """The server has said what the answer took."""

    usage: Usage


class ChatResult(msgspec.Struct, frozen=True):
    """A whole answer, or what there is of one that was stopped.

    finish_reason: `stop`, `tool_calls`, or `length`: cut off by `max_tokens` or the context, JSON in it too;
        "" when we stopped it ourselves
    evaluated_tokens: prompt tokens that the engine really read, cached ones left out; None where not said
    model: the one that answered, which need not be the one that was asked
    duration_s, first_token_s: seconds from sending the request; of an answer in one piece both are the same
    chunks: pieces that it came in
    interrupted: why it is not whole, "" when it is
    resumed: how often it was cut off and taken up again; `usage` is then that of the last part
    prompt_shortfall: tokens of the prompt that the server seems to have left out unsaid, 0 for none
    extra: fields of the answer that we do not know
    """

    text: str
    reasoning: str = ""
    finish_reason: str = ""
    usage: Usage = Usage()
    evaluated_tokens: int | None = None
    model: str = ""
    duration_s: float = 0.0
    first_token_s: float = 0.0
    tool_calls: tuple[ToolCall, ...] = ()
    chunks: int = 0
    interrupted: Interruption = ""
    prompt_shortfall: int = 0
    resumed: int = 0
    extra: dict[str, Any] = {}

    @property
    def tokens_per_s(self) -> float:
        """Tokens generated a second, after the first; 0.0 where it can't be told."""
        spent_s = self.duration_s - self.first_token_s
        tokens = self.usage.completion_tokens or self.chunks
        return (tokens - 1) / spent_s if tokens > 1 and spent_s > 0 else 0.0


class Finished(msgspec.Struct, frozen=True):
    """The answer has come to its end."""

    result: ChatResult


ChatEvent = ContentDelta | ReasoningDelta | PromptProgress | ToolCallDelta | ToolCallEvent | UsageEvent | Finished
