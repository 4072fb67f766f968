"""What the answers so far have taught about a server's models: how long they take, what their tokens are worth."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

import msgspec

from wakeful.lmstudio.chat.events import ChatResult, Message
from wakeful.lmstudio.chat.ghosts import Ghosts
from wakeful.lmstudio.chat.request import ChatOptions
from wakeful.lmstudio.errors import LMStudioError
from wakeful.lmstudio.hosts.neighbour import Neighbour, Priority
from wakeful.lmstudio.http.deadlines import Deadlines, LearnedDeadlines
from wakeful.lmstudio.settings import Timeouts
from wakeful.lmstudio.statistics import CallRecord, Observer, Statistics
from wakeful.lmstudio.tokens.estimate import TokenEstimator
from wakeful.lmstudio.tokens.reading import shortfall

_TELLING_TOKENS = 64
"""Prompts below this say little about tokens or speed, and there are many of them."""

_LOADED_S = 60.0
"""So long after an answer a model is taken to be still in memory; later another may have taken its place."""


_TOLD = ("max_tokens", "temperature", "top_p", "top_k", "seed", "stop", "presence_penalty", "frequency_penalty")
"""Options that a record may name: numbers, and nothing of the content."""

_log = logging.getLogger(__name__)


class _Asked(msgspec.Struct):
    messages: list[Message] = []
    tools: msgspec.Raw = msgspec.Raw(b"")


class Experience:
    """Learns from each answer, and tells whoever wants to know; no I/O.

    timeouts: what holds as long as little is known; where `fixed`, learned deadlines never exceed them
    observers: are told of each call that has ended
    neighbour: says when requests may go; None: always
    """

    def __init__(
        self,
        timeouts: Timeouts,
        *,
        fixed: bool = False,
        observers: Sequence[Observer] = (),
        neighbour: Neighbour | None = None,
    ) -> None:
        self.neighbour = neighbour
        self.statistics = Statistics()
        self.observers = (self.statistics.observe, *observers)
        self.tokens = TokenEstimator()
        self.deadlines = LearnedDeadlines(timeouts)
        self.ghosts = Ghosts()
        self.limits: dict[str, int] = {}
        """Tokens of a prompt above which a model's server was seen to cut it without a word."""
        self._timeouts = timeouts
        self._fixed = fixed
        self._bodies: dict[str, bytes] = {}
        self._answered_s: dict[str, float] = {}
        self._expected: dict[tuple[str, int, bool], Deadlines] = {}

    def expect(self, model: str, body: bytes) -> Deadlines:
        """How long the waits of a request may last."""
        size = max(8, _likely_tokens(body).bit_length())  # the next power of two: nearly the same prompts share it
        loaded = self._is_loaded(model)
        found = self._expected.get((model, size, loaded))
        if found is None:
            found = self.deadlines.for_request(model, 2**size, loaded=loaded)
            if self._fixed:
                found = Deadlines(
                    min(found.first_token_s, self._timeouts.first_token_s),
                    min(found.between_tokens_s, self._timeouts.between_tokens_s),
                    min(found.whole_s, self._timeouts.whole_s),
                )
            self._expected[model, size, loaded] = found
        ghost_s = self.ghosts.may_take_s(model, asyncio.get_running_loop().time())
        if ghost_s:  # it may have to wait for its turn; to give up and ask again would only make it longer
            return Deadlines(found.first_token_s + ghost_s, found.between_tokens_s, found.whole_s + ghost_s)
        return found

    def turn(self, options: ChatOptions, body: bytes) -> AbstractAsyncContextManager[Callable[[float], None]]:
        """Wait for the request's turn. Gives a function to call with the seconds that its first token took.

        Raises ServerBusy if it was to go only while the server is idle.
        """
        return nullcontext(_ignored) if self.neighbour is None else self._turn(self.neighbour, options, body)

    @asynccontextmanager
    async def _turn(
        self, neighbour: Neighbour, options: ChatOptions, body: bytes
    ) -> AsyncGenerator[Callable[[float], None], None]:
        usual_s = self.deadlines.expected_first_token_s(options.get("model", ""), _likely_tokens(body))
        priority, idle_only = options.get("priority", Priority.NORMAL), options.get("idle_only", False)
        async with neighbour.turn(priority, idle_only=idle_only) as told:
            yield lambda first_token_s: told(first_token_s, usual_s)

    def left(self, model: str, tokens: int) -> None:
        """Take in that an answer was left before its end, which may be so many tokens away."""
        per_token_s = self.deadlines.expected_decode_s(model, 1)
        self.ghosts.left(model, tokens, now_s=asyncio.get_running_loop().time(), per_token_s=per_token_s)

    def learn(self, model: str, body: bytes, result: ChatResult, *, longest_gap_s: float | None) -> ChatResult:
        """Take in an answer. Gives it back, marked if the server has not read the whole prompt.

        longest_gap_s: between two pieces of it; None if it came in one
        """
        self.ghosts.answered(model)
        prompt_tokens = result.usage.prompt_tokens or 0
        if longest_gap_s is not None:
            self._learn_time(model, body, result, longest_gap_s)
        if prompt_tokens < _TELLING_TOKENS and len(body) < 8 * _TELLING_TOKENS:
            return result
        return self._learn_tokens(model, body, result, prompt_tokens) if prompt_tokens else result

    def learn_cut(self, model: str, body: bytes, waited_s: float, *, began: bool) -> None:
        """Take in that a deadline ran out after so long: the next ones will be longer, in case that was wrong."""
        self.deadlines.cut(model, uncached_tokens=_likely_tokens(body), waited_s=waited_s, began=began)
        self._expected.clear()

    def tell(
        self,
        result: ChatResult,
        *,
        model: str,
        base_url: str,
        retries: int,
        streamed: bool,
        options: Mapping[str, Any],
        error: LMStudioError | None = None,
    ) -> None:
        """Tell the observers of a chat that has ended. result: what there is of the answer; options: as asked."""
        record = CallRecord(
            "chat",
            model,
            time.time() - result.duration_s,
            result.duration_s,
            first_token_s=result.first_token_s if streamed and result.chunks else None,
            usage=result.usage,
            finish_reason=result.finish_reason,
            error=error,
            retries=retries,
            response_model=result.model,
            base_url=base_url,
            parameters={name: options[name] for name in _TOLD if name in options},
        )
        for observer in self.observers:
            try:
                observer(record)
            except Exception:  # a fault of theirs must not cost the answer
                _log.exception("an observer of calls failed")

    def _learn_time(self, model: str, body: bytes, result: ChatResult, longest_gap_s: float) -> None:
        read = result.evaluated_tokens
        if read is None:  # what it has read before need not be read again, though it may have to be
            known = _common(body, self._bodies.get(model, b""))
            read = _likely_tokens(body[known:])
            if result.usage.prompt_tokens is not None:
                read = min(read, result.usage.prompt_tokens)  # images are long in bytes only
        self._bodies[model] = body
        self.deadlines.learn(
            model,
            uncached_tokens=read,
            first_token_s=result.first_token_s,
            output_tokens=max(0, (result.usage.completion_tokens or result.chunks) - 1),
            decode_s=result.duration_s - result.first_token_s,
            longest_gap_s=longest_gap_s,
            loaded=self._is_loaded(model),
        )
        self._answered_s[model] = asyncio.get_running_loop().time()
        self._expected.clear()

    def _learn_tokens(self, model: str, body: bytes, result: ChatResult, prompt_tokens: int) -> ChatResult:
        try:
            asked = msgspec.json.decode(body, type=_Asked)
        except msgspec.ValidationError:
            return result  # `extra` put something else there: nothing to be learnt from it
        messages = asked.messages
        if bytes(asked.tools):
            messages = [*messages, {"content": bytes(asked.tools).decode()}]
        missing = shortfall(self.tokens.estimate(messages, model), prompt_tokens)
        if not missing:
            self.tokens.learn(messages, prompt_tokens, model)
            return result
        self.limits[model] = min(prompt_tokens, self.limits.get(model, prompt_tokens))
        return msgspec.structs.replace(result, prompt_shortfall=missing)

    def _is_loaded(self, model: str) -> bool:
        answered_s = self._answered_s.get(model, -math.inf)
        return asyncio.get_running_loop().time() - answered_s < _LOADED_S


def _ignored(first_token_s: float) -> None:
    pass


def _likely_tokens(body: bytes) -> int:
    return len(body) // 3


def _common(one: bytes, other: bytes) -> int:
    """Bytes that both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
