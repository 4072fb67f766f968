"""A chat request's body, and how the pieces of its answer become one result. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from wakeful.lmstudio.errors import EmptyAnswer, LMStudioError, MalformedAnswer
from wakeful.lmstudio.http.classify import classify, error_from
from wakeful.lmstudio.http.sse import ServerSentEvent
from wakeful.lmstudio.http.wire import WireAnswer, WireTimings, WireUsage

Message = Mapping[str, Any]
"""One message as the OpenAI API has it: {"role": …, "content": …}."""

_decoder = msgspec.json.Decoder(WireAnswer)


@dataclass(frozen=True, slots=True)
class ContentDelta:
    """The next piece of the answer itself."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of what the model thinks before it answers."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request; None where the server does not say.

    cached_tokens: prompt tokens that did not have to be read again
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ChatResult:
    """A complete answer.

    finish_reason: `stop`, `tool_calls`, or `length`: cut off by `max_tokens` or the context, JSON in it too
    evaluated_tokens: prompt tokens that the engine really read, cached ones left out; None where not said
    model: the one that answered, which need not be the one that was asked
    duration_s, first_token_s: seconds from sending the request; of a whole answer both are the same
    """

    text: str
    reasoning: str
    finish_reason: str
    usage: Usage
    evaluated_tokens: int | None
    model: str
    duration_s: float
    first_token_s: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The stream came to its proper end."""

    result: ChatResult


ChatEvent = ContentDelta | ReasoningDelta | Finished


def chat_body(
    messages: Sequence[Message],
    *,
    model: str,
    stream: bool,
    json_schema: Mapping[str, Any] | None,
    schema_name: str,
    max_tokens: int,
    temperature: float | None,
    cache_prompt: bool,
    extra: Mapping[str, Any] | None,
) -> bytes:
    """The request as JSON, always in the same order of fields, so that equal requests are equal bytes."""
    body: dict[str, Any] = {"messages": list(messages), "max_tokens": max_tokens, "stream": stream}
    if model:
        body["model"] = model
    if stream:
        body["stream_options"] = {"include_usage": True}
    if temperature is not None:
        body["temperature"] = temperature
    if json_schema is not None:
        # never `json_object`: LM Studio answers 400 to it
        held = {"name": schema_name, "strict": True, "schema": json_schema}
        body["response_format"] = {"type": "json_schema", "json_schema": held}
    if not cache_prompt:
        body["cache_prompt"] = False
    if extra:
        body.update(extra)
    return msgspec.json.encode(body)


class Assembly:
    """Gathers the pieces of one answer. wants_json: whether the answer is held to a JSON schema."""

    def __init__(self, *, wants_json: bool) -> None:
        self._wants_json = wants_json
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._model = ""
        self._usage: WireUsage | None = None
        self._timings: WireTimings | None = None
        self.finish_reason = ""
        self.done = False

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """The reasoning so far."""
        return "".join(self._reasoning)

    @property
    def began(self) -> bool:
        """Whether anything of the answer has come."""
        return bool(self._text or self._reasoning or self.finish_reason)

    def feed(self, event: ServerSentEvent) -> list[ContentDelta | ReasoningDelta]:
        """What an event of the stream adds.

        Raises the error that the event tells of, and MalformedAnswer when it can't be read; both with the
        text so far.
        """
        data = event.data.strip()
        if not data:
            return []
        if data == b"[DONE]":
            self.done = True
            return []
        answer = self._decode(data)
        if event.name == "error" and not answer.failed:
            raise self._failure(data)
        return self.add(answer)

    def feed_whole(self, data: bytes) -> None:
        """A whole answer. Raises as `feed` does."""
        self.add(self._decode(data))
        self.done = True

    def add(self, answer: WireAnswer) -> list[ContentDelta | ReasoningDelta]:
        """What a decoded answer, or piece of one, adds. Raises the error that it tells of."""
        if answer.failed:
            raise self._failure(bytes(answer.error))
        self._model = answer.model or self._model
        self._usage = answer.usage or self._usage
        self._timings = answer.timings or self._timings
        if not answer.choices:
            return []
        choice = answer.choices[0]
        self.finish_reason = choice.finish_reason or self.finish_reason
        piece = choice.delta or choice.message
        if piece is None:
            return []
        deltas: list[ContentDelta | ReasoningDelta] = []
        if reasoning := piece.reasoning_content or piece.reasoning:
            self._reasoning.append(reasoning)
            deltas.append(ReasoningDelta(reasoning))
        if piece.content:
            self._text.append(piece.content)
            deltas.append(ContentDelta(piece.content))
        return deltas

    def result(self, *, duration_s: float, first_token_s: float) -> ChatResult:
        """The complete answer. Raises EmptyAnswer when there is nothing in it."""
        text, reasoning = self.text, self.reasoning
        if not text.strip() and self._wants_json and _is_object(reasoning):
            text, reasoning = (
                reasoning,
                "",
            )  # some reasoning models put the JSON there and leave the content empty
        if not text.strip():
            raise self._empty(reasoning, duration_s)
        usage = _usage(self._usage, self._timings)
        return ChatResult(
            text=text,
            reasoning=reasoning,
            finish_reason=self.finish_reason,
            usage=usage,
            evaluated_tokens=_evaluated(usage, self._timings),
            model=self._model,
            duration_s=duration_s,
            first_token_s=first_token_s,
        )

    def _decode(self, data: bytes) -> WireAnswer:
        try:
            return _decoder.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            shown = data[:120].decode("utf-8", "replace")
            raise MalformedAnswer(
                f"The server sent a piece of an answer that can't be read: {error}.",
                partial=self.text,
                detail=shown,
            ) from error

    def _failure(self, raw: bytes) -> LMStudioError:
        try:
            said: Any = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            said = raw.decode("utf-8", "replace")
        return classify(200, error_from(said, "", raw.decode("utf-8", "replace")), partial=self.text)

    def _empty(self, reasoning: str, waited_s: float) -> EmptyAnswer:
        if reasoning:
            return EmptyAnswer(
                "The model reasoned and then gave no answer.",
                reasoning=reasoning,
                waited_s=waited_s,
                hint="Raise `max_tokens`, or switch reasoning off.",
            )
        return EmptyAnswer("The server reported success but sent no text at all.", waited_s=waited_s)


def _usage(usage: WireUsage | None, timings: WireTimings | None) -> Usage:
    cached = timings.cache_n if timings is not None else None
    if usage is None:
        return Usage(cached_tokens=cached)
    if cached is None and usage.prompt_tokens_details is not None:
        cached = usage.prompt_tokens_details.cached_tokens
    details = usage.completion_tokens_details
    return Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cached_tokens=cached,
        reasoning_tokens=details.reasoning_tokens if details is not None else None,
    )


def _evaluated(usage: Usage, timings: WireTimings | None) -> int | None:
    if timings is not None and timings.prompt_n is not None:
        return timings.prompt_n
    if usage.prompt_tokens is None or usage.cached_tokens is None:
        return None
    return max(0, usage.prompt_tokens - usage.cached_tokens)


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, RecursionError):
        return False
