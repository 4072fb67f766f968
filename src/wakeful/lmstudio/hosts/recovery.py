"""What becomes of a chat that failed: each kind of error has its remedy, tried so often and no more."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Unpack

from wakeful.lmstudio.chat.events import ChatResult, Message
from wakeful.lmstudio.chat.request import ChatOptions
from wakeful.lmstudio.errors import (
    EmptyAnswer,
    LMStudioError,
    ModelStateError,
    ServerTooSlow,
    ServerUnreachable,
    StreamBroken,
)
from wakeful.lmstudio.http.retry import never_begun

if TYPE_CHECKING:
    from wakeful.lmstudio.client import AsyncLMStudioClient

Remedy = Literal["retry", "wait_for_connection", "wait_for_model", "fail"]


@dataclass(frozen=True, slots=True)
class Strategy:
    """remedy: what is done before the question is asked again; times: how often in one chat."""

    remedy: Remedy
    times: int = 1


USUAL: Mapping[type[LMStudioError], Strategy] = {
    ServerUnreachable: Strategy("wait_for_connection", 3),
    ModelStateError: Strategy("wait_for_model"),
    StreamBroken: Strategy("retry"),
    EmptyAnswer: Strategy("retry"),
    ServerTooSlow: Strategy("fail"),  # the server may still be at it: asking again would only add to its work
}


class Recovery:
    """Chats that are asked again, as suits the error.

    strategies: per kind of error, the nearest class counts; kinds that are not named fail
    wait_s: how long the waiting remedies wait at most
    recovered, failed: how often it helped, and how often it did not, by kind of error
    """

    def __init__(
        self,
        client: "AsyncLMStudioClient",
        strategies: Mapping[type[LMStudioError], Strategy] = USUAL,
        *,
        wait_s: float = 300.0,
    ) -> None:
        self._client = client
        self._strategies = strategies
        self._wait_s = wait_s
        self.recovered: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    async def chat(
        self, messages: str | Sequence[Message], *, fallback: str | None = None, **options: Unpack[ChatOptions]
    ) -> ChatResult:
        """The answer, after as many attempts as the strategies allow.

        fallback: the text to answer with when nothing helps, such as "[degraded]"; the result is then marked with
            finish_reason `fallback`. None raises the error, as is right unless the caller has said otherwise
        Raises LMStudioError.
        """
        tried: Counter[str] = Counter()
        while True:
            try:
                result = await self._client.chat(messages, **options)
            except LMStudioError as error:
                try:
                    await self._remedy(error, tried, options.get("model", ""))
                except LMStudioError as last:
                    self.failed[type(error).__name__] += 1
                    if fallback is None and last is error:
                        raise
                    if fallback is None:
                        raise last from error
                    return ChatResult(fallback, finish_reason="fallback", model=options.get("model", ""))
            else:
                self.recovered.update(tried.keys())
                return result

    async def _remedy(self, error: LMStudioError, tried: Counter[str], model: str) -> None:
        """Do what may help. Raises `error` if nothing may, or what the remedy itself failed with."""
        strategy = next((self._strategies[kind] for kind in type(error).__mro__ if kind in self._strategies), None)
        name = type(error).__name__
        if strategy is None or strategy.remedy == "fail":
            raise error
        # what the server may be working on is asked once more at most, and not before it has had time to notice
        may_work = isinstance(error, ServerUnreachable | StreamBroken | ServerTooSlow) and not never_begun(error)
        if tried[name] >= (min(1, strategy.times) if may_work else strategy.times):
            raise error
        if may_work:
            await self._client.experience.ghosts.settle(self._client.transport, model)
        tried[name] += 1
        if strategy.remedy == "wait_for_connection":
            await self._client.wait_until_up(limit_s=self._wait_s)
        elif strategy.remedy == "wait_for_model":
            await self._client.wait_for_model(model, limit_s=self._wait_s)
