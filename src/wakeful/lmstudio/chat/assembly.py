"""How the pieces of an answer become typed events and, in the end, one result. No I/O."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from wakeful.lmstudio.chat.events import (
    ChatEvent,
    ChatResult,
    ContentDelta,
    Interruption,
    PromptProgress,
    ReasoningDelta,
    ToolCall,
    ToolCallEvent,
    Usage,
    UsageEvent,
)
from wakeful.lmstudio.chat.resume import Joint
from wakeful.lmstudio.chat.thinking import ThinkSplitter, split_unopened
from wakeful.lmstudio.chat.tool_calls import ToolCallAssembler
from wakeful.lmstudio.chat.wire import KNOWN, WireAnswer, WireChoice, WireTimings, WireUsage
from wakeful.lmstudio.errors import EmptyAnswer, LMStudioError, MalformedAnswer
from wakeful.lmstudio.http.classify import classify, error_from
from wakeful.lmstudio.http.sse import ServerSentEvent
from wakeful.lmstudio.http.wire import as_object

_decoder = msgspec.json.Decoder(WireAnswer)


class Assembly:
    """Gathers the pieces of one answer.

    wants_json: whether the answer is held to a JSON schema
    before: its beginning, where it goes on after a cut
    """

    def __init__(self, *, wants_json: bool = False, before: "Assembly | None" = None) -> None:
        self._wants_json = wants_json
        self._text = [] if before is None else [before.text]
        self._reasoning = [] if before is None else [before.reasoning]
        self._thinking = ThinkSplitter() if before is None else Joint(before.text)
        self._resumed = 0 if before is None else before._resumed + 1
        self._calls = ToolCallAssembler()
        self._has_calls = False
        self._model = ""
        self._usage: WireUsage | None = None
        self._timings: WireTimings | None = None
        self._extra: dict[str, Any] = {}
        self.tool_calls: tuple[ToolCall, ...] = ()
        self.finish_reason = ""
        self.done = False
        self.failure: LMStudioError | None = None
        self.chunks = 0

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """The reasoning so far."""
        return "".join(self._reasoning)

    @property
    def can_resume(self) -> bool:
        """Whether the answer could go on from here: there is some of it, and nothing but text."""
        return bool(self._text) and self._thinking.decided and not self._has_calls and not self._wants_json

    @property
    def began(self) -> bool:
        """Whether anything of the answer has come."""
        return bool(self.chunks or self.finish_reason)

    def feed(self, events: Iterable[ServerSentEvent]) -> list[ChatEvent]:
        """What events of the stream add.

        The error that an event tells of, or MalformedAnswer for one that can't be read, is in `failure` then, with
        the text so far; what came before it is given all the same.
        """
        out: list[ChatEvent] = []
        try:
            self._take(events, out)
        except LMStudioError as error:
            self.failure = error
        return out

    def _take(self, events: Iterable[ServerSentEvent], out: list[ChatEvent]) -> None:
        for event in events:
            data = event.data
            if data[:1] != b"{":
                data = data.strip()
                if not data:
                    continue
                if data == b"[DONE]":
                    self.done = True
                    continue
            answer = self._decode(data)
            if event.name == "error" and not answer.failed:
                raise self._failure(data)
            self._add(answer, data, out)

    def feed_whole(self, data: bytes) -> list[ChatEvent]:
        """What a whole answer holds. Raises the error that it is, and MalformedAnswer when it can't be read."""
        out: list[ChatEvent] = []
        self._add(self._decode(data), data, out)
        self.done = True
        return out

    def _add(self, answer: WireAnswer, data: bytes, out: list[ChatEvent]) -> None:
        if answer.error and answer.failed:
            raise self._failure(bytes(answer.error))
        if answer.model:
            self._model = answer.model
        if answer.choices:
            self._choice(answer.choices[0], out)
        if answer.prompt_progress is not None:
            read = answer.prompt_progress
            out.append(PromptProgress(read.processed, read.total, read.cache))
        if answer.timings is not None:
            self._timings = answer.timings
        if answer.usage is not None:
            self._usage = answer.usage
            self._extra |= _unknown(data)
            out.append(UsageEvent(_usage(self._usage, self._timings)))

    def _choice(self, choice: WireChoice, out: list[ChatEvent]) -> None:
        piece = choice.delta or choice.message
        if piece is not None:
            if reasoning := piece.reasoning_content or piece.reasoning:
                self.chunks += 1
                self._reasoning.append(reasoning)
                out.append(ReasoningDelta(reasoning))
            if content := piece.content:
                self.chunks += 1
                if self._thinking.decided:
                    self._text.append(content)
                    out.append(ContentDelta(content))
                else:
                    self._keep(self._thinking.feed(content), out)
            if piece.tool_calls:
                self.chunks += 1
                self._has_calls = True
                out += self._calls.feed(piece.tool_calls)
        if choice.finish_reason:
            self._finish(choice.finish_reason, out)

    def _finish(self, reason: str, out: list[ChatEvent]) -> None:
        self.finish_reason = reason
        self._keep(self._thinking.close(), out)
        if self._has_calls and not self.tool_calls:
            self.tool_calls = tuple(self._calls.finish())
            out += [ToolCallEvent(call) for call in self.tool_calls]

    def _keep(self, deltas: Sequence[ContentDelta | ReasoningDelta], out: list[ChatEvent]) -> None:
        for delta in deltas:
            (self._text if isinstance(delta, ContentDelta) else self._reasoning).append(delta.text)
        out += deltas

    def result(self, *, duration_s: float, first_token_s: float) -> ChatResult:
        """The whole answer. Raises EmptyAnswer when there is nothing in it."""
        result = self.so_far(duration_s=duration_s, first_token_s=first_token_s)
        if not result.reasoning:
            thought, answer = split_unopened(result.text)
            if thought:
                result = msgspec.structs.replace(result, text=answer, reasoning=thought)
        if not result.text.strip() and self._wants_json and _is_object(result.reasoning):
            # some reasoning models put the JSON there and leave the content empty
            return msgspec.structs.replace(result, text=result.reasoning, reasoning="")
        if not result.text.strip() and not result.tool_calls:
            raise _empty(result.reasoning, duration_s)
        return result

    def so_far(self, *, duration_s: float, first_token_s: float, interrupted: Interruption = "") -> ChatResult:
        """The answer as far as it has come."""
        if interrupted:
            self._keep(self._thinking.close(), [])
        usage = _usage(self._usage, self._timings)
        return ChatResult(
            text=self.text,
            reasoning=self.reasoning,
            finish_reason=self.finish_reason,
            usage=usage,
            evaluated_tokens=_evaluated(usage, self._timings),
            model=self._model,
            duration_s=duration_s,
            first_token_s=first_token_s,
            tool_calls=self.tool_calls,
            chunks=self.chunks,
            interrupted=interrupted,
            resumed=self._resumed,
            extra=self._extra,
        )

    def _decode(self, data: bytes) -> WireAnswer:
        try:
            return _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
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


def _empty(reasoning: str, waited_s: float) -> EmptyAnswer:
    if reasoning:
        return EmptyAnswer(
            "The model reasoned and then gave no answer.",
            reasoning=reasoning,
            waited_s=waited_s,
            hint="Raise `max_tokens`, or switch reasoning off.",
        )
    return EmptyAnswer("The server reported success but sent no text at all.", waited_s=waited_s)


def _unknown(data: bytes) -> dict[str, Any]:
    """The fields that we do not know, such as LM Studio's `stats`; once an answer, so its cost does not matter."""
    try:
        fields = as_object(msgspec.json.decode(data))
    except (msgspec.DecodeError, RecursionError):
        return {}
    return {name: value for name, value in fields.items() if name not in KNOWN}


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
