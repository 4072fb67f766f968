"""What a model says, as the messages of a `predict` channel. Without I/O: pieces in, messages out."""

import time
from collections.abc import Callable
from typing import Any

import msgspec

from wakeful.engine.native import failures
from wakeful.engine.runner.pieces import (
    CallArguments,
    CallStart,
    Done,
    Piece,
    PromptProgress,
    StopReason,
    Text,
    TokenChoice,
)

_encode = msgspec.json.Encoder().encode
_BEFORE = b'{"type":"fragment","fragment":{"content":'
_SAID = b',"tokensCount":%d,"containsDrafted":false,"reasoningType":"none","isStructural":false'
_THOUGHT = b',"tokensCount":%d,"containsDrafted":false,"reasoningType":"reasoning","isStructural":false'
_TAG = (
    b'{"type":"fragment","fragment":{"content":%b,"tokensCount":0,"containsDrafted":false,'
    b'"reasoningType":"%b","isStructural":true}}'
)
_OPENING = _TAG % (b'"<think>"', b"reasoningStartTag")
_CLOSING = _TAG % (b'"</think>"', b"reasoningEndTag")
_ONE_SAID, _ONE_THOUGHT = _SAID % 1, _THOUGHT % 1
_AFTER = b"}}"


class Spoken:
    """Gathers an answer, and gives the messages that tell of it. done: its end, None while there is none."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.done: Done | None = None
        self._clock = clock
        self._started_s = clock()
        self._first_s: float | None = None
        self._progress: PromptProgress | None = None
        self._share = -1.0
        self._said: list[str] = []
        self._tokens = 0
        self._thinking = False
        self._call: CallStart | None = None
        self._arguments: list[str] = []

    def messages(self, piece: Piece) -> list[bytes]:
        """What to send on a piece."""
        match piece:
            case Text():
                return self._text(piece) if piece.text else []
            case PromptProgress():
                return self._read(piece)
            case CallStart():
                return self._call_start(piece)
            case CallArguments():
                self._began(piece.tokens)
                self._arguments.append(piece.text)
                return [_encode({"type": "toolCallGenerationArgumentFragmentGenerated", "content": piece.text})]
            case Done():
                self.done = piece
                return self.broken_off()

    def broken_off(self) -> list[bytes]:
        """What is still open when it ends. A call that the client broke off is not told: it is no call."""
        thinking, self._thinking = self._thinking, False
        ended = self._call_end() if self.done is not None else []
        return [_CLOSING, *ended] if thinking else ended

    def heartbeat(self) -> bytes | None:
        """How far the prompt is read, again; None once there is an answer."""
        return self._progress_message() if self._first_s is None else None

    def text(self) -> str:
        """All that was said so far."""
        return "".join(self._said)

    def stats(self) -> dict[str, Any]:
        """What it took, with LM Studio's names."""
        done = self.done
        if done is None:
            return self._stats("userStopped", self._progress.total if self._progress else 0, self._tokens)
        told = self._stats(done.stop_reason, done.stats.prompt_tokens, done.stats.completion_tokens)
        if done.stop_string:
            told["stopString"] = done.stop_string
        if done.stats.tokens_per_second:
            told["tokensPerSecond"] = done.stats.tokens_per_second
            told["timeToFirstTokenSec"] = done.stats.first_token_s
        return told

    def _stats(self, reason: StopReason, prompt: int, predicted: int) -> dict[str, Any]:
        now_s = self._clock()
        told: dict[str, Any] = {
            "stopReason": reason,
            "totalTimeSec": now_s - self._started_s,
            "promptTokensCount": prompt,
            "predictedTokensCount": predicted,
            "totalTokensCount": prompt + predicted,
        }
        if self._first_s is not None:
            told["timeToFirstTokenSec"] = self._first_s - self._started_s
            if predicted and now_s > self._first_s:
                told["tokensPerSecond"] = predicted / (now_s - self._first_s)
        return told

    def _began(self, tokens: int) -> None:
        self._tokens += tokens
        if self._first_s is None:
            self._first_s = self._clock()

    def _text(self, piece: Text) -> list[bytes]:
        self._began(piece.tokens)
        self._said.append(piece.text)
        if piece.reasoning:
            said = _ONE_THOUGHT if piece.tokens == 1 else _THOUGHT % piece.tokens
        else:
            said = _ONE_SAID if piece.tokens == 1 else _SAID % piece.tokens
        tokens = b',"tokens":' + _encode([_token(each) for each in piece.logprobs]) if piece.logprobs else b""
        message = b"".join((_BEFORE, _encode(piece.text), said, tokens, _AFTER))
        if piece.reasoning is self._thinking:
            return [message]
        self._thinking = piece.reasoning
        return [_OPENING if piece.reasoning else _CLOSING, message]

    def _read(self, piece: PromptProgress) -> list[bytes]:
        self._progress = piece
        share = piece.read / piece.total if piece.total else 1.0
        if share <= self._share:
            return []
        self._share = share
        return [self._progress_message()]

    def _progress_message(self) -> bytes:
        at = self._progress or PromptProgress(0, 0)
        details = {
            "cachedTokenCount": at.cached,
            "totalPromptTokenCount": at.total,
            "processedPromptTokenCount": at.read,
            "unprocessedPromptTokenCount": at.total - at.read,
        }
        share = min(max(self._share, 0.0), 1.0)
        return _encode({"type": "promptProcessingProgress", "progress": share, "details": details})

    def _call_start(self, piece: CallStart) -> list[bytes]:
        self._began(0)
        before = self._call_end()
        if self._thinking:
            before.insert(0, _CLOSING)
            self._thinking = False
        self._call, self._arguments = piece, []
        return [
            *before,
            _encode({"type": "toolCallGenerationStart", "toolCallId": piece.id}),
            _encode({"type": "toolCallGenerationNameReceived", "name": piece.name}),
        ]

    def _call_end(self) -> list[bytes]:
        call, self._call = self._call, None
        if call is None:
            return []
        raw = "".join(self._arguments)
        try:
            arguments = msgspec.json.decode(raw, type=dict[str, Any]) if raw.strip() else {}
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            told = failures.plain(f"The arguments of the call of {call.name!r} can't be read.", cause=str(error))
            return [_encode({"type": "toolCallGenerationFailed", "error": told, "rawContent": raw})]
        request = {"type": "function", "id": call.id, "name": call.name, "arguments": arguments}
        return [_encode({"type": "toolCallGenerationEnd", "toolCallRequest": request, "rawContent": raw})]


def _token(choice: TokenChoice) -> dict[str, Any]:
    token = {"text": choice.text, "id": choice.token, "logProb": choice.logprob}
    others = [{"text": each.text, "id": each.token, "logProb": each.logprob} for each in choice.others]
    return token | {"candidates": others} if others else token
