"""Answers as servers send them: only the fields that we read, all with defaults, since many are left out."""

from typing import Any, cast

import msgspec


class WireDelta(msgspec.Struct, frozen=True):
    """A piece of an answer, or the whole of it. The reasoning has two names in the wild."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class WireChoice(msgspec.Struct, frozen=True):
    """The one alternative that we ask for: `delta` in streams, `message` in whole answers."""

    delta: WireDelta | None = None
    message: WireDelta | None = None
    finish_reason: str | None = None


class WirePromptDetails(msgspec.Struct, frozen=True):
    """How the prompt's tokens were come by."""

    cached_tokens: int | None = None


class WireCompletionDetails(msgspec.Struct, frozen=True):
    """What the answer's tokens went into."""

    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct, frozen=True):
    """Token counts of one request."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: WirePromptDetails | None = None
    completion_tokens_details: WireCompletionDetails | None = None


class WireTimings(msgspec.Struct, frozen=True):
    """llama.cpp's own counts: prompt tokens evaluated and taken from the cache."""

    prompt_n: int | None = None
    cache_n: int | None = None


class WireAnswer(msgspec.Struct, frozen=True):
    """A whole chat completion, or a chunk of a streamed one; `error` as raw JSON, b"" for none."""

    model: str | None = None
    choices: list[WireChoice] | None = None
    usage: WireUsage | None = None
    timings: WireTimings | None = None
    error: msgspec.Raw = msgspec.Raw(b"")

    @property
    def failed(self) -> bool:
        """Whether this is an error in the place of an answer; `"error": null` is none."""
        return bytes(self.error) not in (b"", b"null")


def as_object(value: Any) -> dict[str, Any]:
    """`value` if it is a JSON object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """`value` if it is a JSON array, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []
