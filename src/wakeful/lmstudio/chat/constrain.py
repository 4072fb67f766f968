"""How a model that thinks is held to a JSON schema without losing its thoughts or its answer.

With some models and servers the schema reaches into the thinking: the JSON stands in `reasoning_content` and the
content is empty, or the model does not think at all (lmstudio-bug-tracker 1684, 1773). Which it is shows in one try.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack

import msgspec

from wakeful.lmstudio.chat.events import ChatResult, Message, Usage
from wakeful.lmstudio.chat.messages import Chat
from wakeful.lmstudio.chat.request import AskOptions, CanChat
from wakeful.lmstudio.errors import EmptyAnswer

Manner = Literal["plain", "thinks", "suppressed"]
"""What a schema does to a model: it has no thoughts to lose; it thinks and then keeps to the schema; its thinking
is suppressed or held to the schema itself."""

_PROBE = [{"role": "user", "content": "Which number comes after 6? Think about it for a moment, then answer."}]
_PROBE_SCHEMA = {
    "type": "object",
    "properties": {"number": {"type": "integer"}},
    "required": ["number"],
    "additionalProperties": False,
}
_PROBE_TOKENS = 512

_THEN = "Now give your answer once more, as nothing but JSON that fits the schema."


class Manners:
    """What is known of the models of a server; the keys are models' ids. `known` may be kept for the next run.

    Forget an entry when the model or the server's version has changed.
    """

    def __init__(self, known: Mapping[str, Manner] | None = None) -> None:
        self.known: dict[str, Manner] = dict(known or {})
        self._asking: dict[str, asyncio.Lock] = {}

    async def of(self, client: CanChat, model: str) -> Manner:
        """How this model behaves: from memory, or by two short requests."""
        async with self._asking.setdefault(model, asyncio.Lock()):  # not each of several that ask at once
            found = self.known.get(model)
            if found is None:
                found = self.known[model] = await _probe(client, model)
            return found


async def think_then_constrain(
    client: CanChat,
    messages: str | Sequence[Message],
    schema: Mapping[str, Any],
    *,
    manners: Manners,
    **options: Unpack[AskOptions],
) -> ChatResult:
    """An answer that keeps to the schema, with the model's thinking in `reasoning`, in as few calls as it takes.

    Where a schema would suppress the thinking, the model first answers freely; a second, short call on the prefix
    that is cached by then gives the JSON. `usage` and times are those of both together.
    manners: what is known of the server's models so far, and is added to
    Raises what the client raises.
    """
    free: AskOptions = {**options}
    free.pop("json_schema", None)
    held: AskOptions = {**free, "json_schema": schema}
    if await manners.of(client, options.get("model", "")) != "suppressed":
        return await client.chat(messages, **held)
    chat = Chat(messages)
    try:
        thought = await client.chat(chat, **free)
        reasoning, said = thought.reasoning, thought.text
    except EmptyAnswer as error:  # it thought until its tokens ran out: what it has thought will have to do
        thought, reasoning, said = ChatResult("", reasoning=error.reasoning), error.reasoning, error.reasoning
    held["reasoning_effort"] = "none"
    answer = await client.chat([*chat.assistant(said), {"role": "user", "content": _THEN}], **held)
    return msgspec.structs.replace(
        answer,
        reasoning=reasoning or said,
        usage=_sum(thought.usage, answer.usage),
        duration_s=thought.duration_s + answer.duration_s,
        first_token_s=thought.first_token_s,
    )


async def _probe(client: CanChat, model: str) -> Manner:
    asked: AskOptions = {"model": model, "max_tokens": _PROBE_TOKENS, "temperature": 0.0}
    try:
        free = await client.chat(_PROBE, **asked)
        thinks = bool(free.reasoning)
    except EmptyAnswer as error:
        thinks = bool(error.reasoning)
    if not thinks:
        return "plain"
    asked["json_schema"] = _PROBE_SCHEMA
    try:
        held = await client.chat(_PROBE, **asked)
    except EmptyAnswer as error:
        # thoughts that are none of the schema's, and no tokens left after them
        return "suppressed" if not error.reasoning or error.reasoning.lstrip().startswith("{") else "thinks"
    # JSON that stood in the reasoning was moved to the text: nothing of a thought is left then
    return "thinks" if held.reasoning else "suppressed"


def _sum(one: Usage, other: Usage) -> Usage:
    def both(name: str) -> int | None:
        counts = [count for usage in (one, other) if (count := getattr(usage, name)) is not None]
        return sum(counts) if counts else None

    return Usage(*(both(name) for name in Usage.__struct_fields__))
