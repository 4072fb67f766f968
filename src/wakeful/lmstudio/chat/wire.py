"""Chat answers as servers send them: only what we read, all with defaults, since much is left out."""

from typing import Any

import msgspec


class WireFunction(msgspec.Struct, frozen=True, gc=False):
    """The function of a tool call, or the next piece of it; arguments are JSON text, of some servers an object."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class WireToolCall(msgspec.Struct, frozen=True, gc=False):
    """A tool call, or the next piece of one."""

    index: int | None = None
    id: str | None = None
    function: WireFunction | None = None


class WireDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of an answer, or the whole of it. The reasoning has two names in the wild."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[WireToolCall] | None = None


class WireChoice(msgspec.Struct, frozen=True, gc=False):
    """The one alternative that we ask for: `delta` in streams, `message` in whole answers."""

    delta: WireDelta | None = None
    message: WireDelta | None = None
    finish_reason: str | None = None


class WirePromptDetails(msgspec.Struct, frozen=True, gc=False):
    """How the prompt's tokens were come by."""

    cached_tokens: int | None = None


class WireCompletionDetails(msgspec.Struct, frozen=True, gc=False):
    """What the answer's tokens went into."""

    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct, frozen=True, gc=False):
    """Token counts of one request."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: WirePromptDetails | None = None
    completion_tokens_details: WireCompletionDetails | None = None


class WireTimings(msgspec.Struct, frozen=True, gc=False):
    """llama.cpp's own counts: prompt tokens evaluated and taken from the cache."""

    prompt_n: int | None = None
    cache_n: int | None = None


class WireProgress(msgspec.Struct, frozen=True, gc=False):
    """llama.cpp's report on how much of the prompt is read: all of it, from the cache, and so far, in tokens."""

    total: int = 0
    cache: int = 0
    processed: int = 0


class WireAnswer(msgspec.Struct, frozen=True, gc=False):
    """A whole chat completion, or a chunk of a streamed one; `error` as raw JSON, b"" for none."""

    choices: list[WireChoice] | None = None
    model: str | None = None
    usage: WireUsage | None = None
    timings: WireTimings | None = None
    prompt_progress: WireProgress | None = None
    error: msgspec.Raw = msgspec.Raw(b"")

    @property
    def failed(self) -> bool:
        """Whether this is an error in the place of an answer; `"error": null` is none."""
        return bytes(self.error) not in (b"", b"null")


KNOWN = frozenset(
    {"id", "object", "created", "choices", "usage", "model", "error", "prompt_progress", "system_fingerprint"}
)
"""Fields of an answer that are read, or say nothing; the others are kept as they are."""
