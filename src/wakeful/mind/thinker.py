"""One answer from the model: sent, streamed, checked, repaired once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from wakeful.context import Role
from wakeful.events import WakefulError
from wakeful.lmstudio import (
    AsyncLMStudioClient,
    ChatResult,
    ContentDelta,
    ContextOverflow,
    Finished,
    LMStudioError,
    Priority,
)

T = TypeVar("T")
Messages = Sequence[tuple[Role, str]]
OnText = Callable[[str], None]
"""Is called with the whole text so far, each time that some more of it has come."""

LM_STUDIO = "LM Studio"
"""`ModelFacts.server` where LM Studio itself serves the model."""

_NO_HURRY_S = 600.0

MAX_RAW_CHARS = 2000
"""How much of an unusable answer is kept for a person to look at."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Which model thinks, and what is known about it.

    name: as the server calls it; context_tokens: what the loaded instance really has
    server: `LM Studio`, `built-in engine`, for people; pilot: whether it is Wakeful's own small stand-in
    """

    name: str
    context_tokens: int
    server: str
    base_url: str
    pilot: bool = False


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """A valid answer.

    text: exactly what the model wrote, so that it can stand in the next prompt byte for byte
    results: every request that it took, the last one being the answer's own
    repaired: whether the first answer was unusable
    """

    value: T
    text: str
    results: tuple[ChatResult, ...]
    repaired: bool = False


class UnusableAnswer(WakefulError):
    """The model answered, and again after being told what was wrong, but not with what was asked for.

    raw: the last answer, cut to a bounded length
    """

    def __init__(self, message: str, *, raw: str) -> None:
        super().__init__(message)
        self.raw = raw[:MAX_RAW_CHARS]


class Thinker:
    """Asks one model for answers of a given shape.

    look: finds which model is there now, for when the one that thought is gone; without it, it waits for that one
    """

    def __init__(
        self,
        client: AsyncLMStudioClient,
        facts: ModelFacts,
        *,
        answer_tokens: int,
        temperature: float = 0.2,
        look: Callable[[], Awaitable[ModelFacts]] | None = None,
    ) -> None:
        self.client = client
        self.facts = facts
        self.answer_tokens = answer_tokens
        self._temperature = temperature
        self._look = look
        self._counts_natively = facts.server == LM_STUDIO

    async def look_again(self) -> bool:
        """Goes on with the model that is there now, where it is another one; whether it is.

        Raises every LMStudioError of the client, NoModelLoaded among them.
        """
        facts = await self._look() if self._look is not None else self.facts
        if facts == self.facts:
            return False
        self.facts = facts
        self.answer_tokens = min(self.answer_tokens, facts.context_tokens // 3)
        return True

    async def count(self, messages: Messages) -> int | None:
        """Tokens of a prompt by the model's own tokenizer and template; None where the server can't be asked.

        llama.cpp counts over HTTP, LM Studio only through its own SDK (`wakeful[native]`).
        """
        sent = _sent(messages)
        try:
            tokens = await self.client.count_tokens(sent)
        except LMStudioError:
            return None  # whatever is wrong with the server, the request itself will tell
        if tokens is not None or not self._counts_natively:
            return tokens
        try:
            async with self.client.native() as native:
                return await native.count_tokens(sent, self.facts.name)
        except LMStudioError:  # also when the package is not installed
            self._counts_natively = False
            return None

    async def ask(
        self,
        messages: Messages,
        shape: type[T],
        schema: dict[str, Any],
        *,
        check: Callable[[T], str] | None = None,
        on_text: OnText | None = None,
    ) -> Answered[T]:
        """An answer of the shape, after at most one repair.

        check: gives what is wrong with a parsed answer, "" for nothing
        Raises UnusableAnswer when the repaired answer is no better, and every LMStudioError of the client.
        """
        first = await self._stream(messages, schema, on_text)
        value, wrong = _parse(first.text, shape, check)
        if value is not None:
            return Answered(value=value, text=first.text, results=(first,))
        again: Messages = [
            *messages,
            ("assistant", first.text[:MAX_RAW_CHARS]),
            ("user", f"That answer can't be used: {wrong}. Answer again with one whole JSON object."),
        ]
        second = await self._stream(again, schema, on_text)
        value, wrong = _parse(second.text, shape, check)
        if value is None:
            raise UnusableAnswer(f"The model's answer can't be used: {wrong}.", raw=second.text)
        return Answered(value=value, text=second.text, results=(first, second), repaired=True)

    async def tell(self, messages: Messages, *, room_tokens: int) -> ChatResult:
        """What the model says in plain words, in no hurry: it steps back for whoever else uses the server.

        room_tokens: what the prompt may have; raises ContextOverflow where it has more, by the best count there is,
        and every LMStudioError of the client.
        """
        tokens = await self.count(messages)
        if tokens is not None and tokens > room_tokens:
            raise ContextOverflow(f"The prompt has {tokens:,} tokens, and {room_tokens:,} are free.")
        return await self.client.chat(
            _sent(messages),
            model=self.facts.name,
            max_tokens=self.answer_tokens,
            temperature=self._temperature,
            limit_s=_NO_HURRY_S,
            priority=Priority.BACKGROUND,
        )

    async def _stream(self, messages: Messages, schema: dict[str, Any], on_text: OnText | None) -> ChatResult:
        text = ""
        async with self.client.stream(
            _sent(messages),
            model=self.facts.name,
            json_schema=schema,
            max_tokens=self.answer_tokens,
            temperature=self._temperature,
        ) as stream:
            async for event in stream:
                match event:
                    case ContentDelta():
                        text += event.text
                        if on_text is not None:
                            on_text(text)
                    case Finished():
                        return event.result
                    case _:
                        pass  # reasoning is not shown: it is no part of the answer
        raise AssertionError("a stream ends with Finished or an error: please report this")


def _sent(messages: Messages) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in messages]


def _parse(text: str, shape: type[T], check: Callable[[T], str] | None) -> tuple[T | None, str]:
    """The value, or what is wrong with the text. Anything around the outermost braces is passed over."""
    begin, end = text.find("{"), text.rfind("}")
    if begin < 0 or end < begin:
        return None, "it holds no whole JSON object"
    try:
        value = msgspec.json.decode(text[begin : end + 1], type=shape)
    except msgspec.DecodeError as error:  # covers ValidationError
        return None, str(error)
    wrong = check(value) if check else ""
    return (None, wrong) if wrong else (value, "")
