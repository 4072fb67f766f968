"""Makes a conversation fit into the context of whatever runs the model, as LM Studio's three policies say."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from wakeful.engine.errors import DoesNotFit
from wakeful.engine.runner.request import Generation, Message
from wakeful.engine.runner.window import LEFT_OUT, images_in, is_cuttable, shortened, text_of, ways

_MARGIN_TOKENS = 8
"""For what a template adds when it is asked for an answer rather than rendered."""

_IMAGE_TOKENS = 1024
"""What an image is taken to cost: models differ, and only reading it would tell."""

_CHARACTERS_EXACT = 16
"""A message is cut to within so many characters of what would have fit."""


class Measure(Protocol):
    """What is needed of a runner to know how long a conversation is."""

    @property
    def context_tokens(self) -> int:
        """See `Runner`."""
        ...

    async def render(self, messages: Sequence[Message], tools: Sequence[Message] = ()) -> str:
        """See `Runner`."""
        ...

    async def tokenize(self, text: str) -> list[int]:
        """See `Runner`."""
        ...


def room_for_answer(generation: Generation, context_tokens: int) -> int:
    """Tokens of the context that are kept free of the prompt.

    What was asked for, at most half of the context; a quarter where nothing was said.
    """
    if generation.max_tokens is None:
        return max(1, context_tokens // 4)
    return max(1, min(generation.max_tokens, context_tokens // 2))


async def fitted(measure: Measure, generation: Generation, *, budget_tokens: int | None = None) -> Generation:
    """The same with as much of its messages, or of its prompt, as fits; itself where all of it does.

    budget_tokens: of the prompt; None for all but the answer's room. Raises DoesNotFit where even the shortest
    form is too long, and at once where the policy is to leave nothing out.
    """
    if generation.overflow == "stopAtLimit":
        return generation
    budget = budget_tokens
    if budget is None:
        budget = measure.context_tokens - room_for_answer(generation, measure.context_tokens) - _MARGIN_TOKENS
    if generation.prompt is not None:
        return msgspec.structs.replace(generation, prompt=await _fitted_prompt(measure, generation, budget))

    async def excess(messages: Sequence[Message]) -> int:
        prompt = await measure.render(messages, generation.tools)
        return await excess_tokens(measure, prompt, budget - _IMAGE_TOKENS * images_in(messages))

    messages = await _fitted_messages(generation, excess, measure.context_tokens)
    return generation if messages is generation.messages else msgspec.structs.replace(generation, messages=messages)


async def excess_tokens(measure: Measure, text: str, budget_tokens: int) -> int:
    """By how many tokens a text is longer than it may be; 0 or less where it fits. Cheap for short ones."""
    if len(text.encode()) <= budget_tokens:  # no token is shorter than a byte
        return 0
    return len(await measure.tokenize(text)) - budget_tokens


async def _fitted_messages(
    generation: Generation, excess: Callable[[Sequence[Message]], Awaitable[int]], context_tokens: int
) -> tuple[Message, ...]:
    if await excess(generation.messages) <= 0:
        return generation.messages
    forms = ways(generation.messages, generation.overflow)
    low, high = 1, len(forms)  # the first that fits, if any does; each is contained in the one before it
    while low < high:
        middle = (low + high) // 2
        if await excess(forms[middle]) <= 0:
            high = middle
        else:
            low = middle + 1
    if low < len(forms):
        return forms[low]
    return await _cut(list(forms[-1]), excess, context_tokens)


async def _cut(
    messages: list[Message], excess: Callable[[Sequence[Message]], Awaitable[int]], context_tokens: int
) -> tuple[Message, ...]:
    """Cut text out of the longest messages until they fit."""
    order = sorted((at for at, each in enumerate(messages) if is_cuttable(each)), key=lambda at: -_size(messages[at]))
    for at in order:
        whole = messages[at]
        messages[at] = shortened(whole, 0)
        if await excess(messages) > 0:
            continue
        low, high = 0, _size(whole)
        while high - low > _CHARACTERS_EXACT:
            keep = (low + high) // 2
            messages[at] = shortened(whole, keep)
            if await excess(messages) <= 0:
                low = keep
            else:
                high = keep
        messages[at] = shortened(whole, low)
        return tuple(messages)
    over = await excess(messages)
    raise DoesNotFit(
        f"Even without what may be left out, the conversation is {over} tokens too long for the context of "
        f"{context_tokens} tokens.",
        prompt_tokens=context_tokens + over,
        context_tokens=context_tokens,
    )


async def _fitted_prompt(measure: Measure, generation: Generation, budget: int) -> str:
    """A raw prompt loses its middle, or its beginning."""
    prompt = generation.prompt or ""
    rolling = generation.overflow == "rollingWindow"
    if await excess_tokens(measure, prompt, budget) <= 0:
        return prompt
    low, high = 0, len(prompt)
    while high - low > _CHARACTERS_EXACT:
        keep = (low + high) // 2
        if await excess_tokens(measure, kept(prompt, keep, rolling=rolling), budget) <= 0:
            low = keep
        else:
            high = keep
    return kept(prompt, low, rolling=rolling) if low else ""


def kept(text: str, keep: int, *, rolling: bool) -> str:
    """So many characters of a text: its end, or its beginning and its end with a note between them."""
    if rolling:
        return text[len(text) - keep :]
    head = (keep + 1) // 2
    return text[:head] + LEFT_OUT.format(len(text) - keep) + (text[head - keep :] if keep > head else "")


def _size(message: Message) -> int:
    return len(text_of(message))
