"""Requests in Anthropic's form, and what the model is asked by them.

Source: platform.claude.com/docs (messages); what LM Studio makes of `thinking` is not documented.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from wakeful.engine.openai.options import Whole, stop_strings
from wakeful.engine.openai.turns import Images, call
from wakeful.engine.runner.request import Effort, Generation, Message, Sampling
from wakeful.engine.server.bodies import as_list, convert
from wakeful.engine.server.limits import check_count
from wakeful.engine.server.refusals import Refused
from wakeful.engine.server.settings import Limits

Choice = Literal["auto", "none", "required"]


class _Source(msgspec.Struct):
    type: str
    media_type: str = ""
    data: str = ""


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    source: _Source | None = None
    id: str = ""
    name: str = ""
    input: dict[str, Any] = {}
    tool_use_id: str = ""
    content: Any = None


class _Turn(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[_Block]


class _Tool(msgspec.Struct):
    name: str
    input_schema: dict[str, Any] | None = None
    description: str | None = None
    type: str | None = None


class _ToolChoice(msgspec.Struct):
    type: str
    name: str = ""


class _Thinking(msgspec.Struct):
    type: str


class MessagesRequest(msgspec.Struct, kw_only=True):
    """What is read of a request; whatever else it holds is passed over."""

    model: str | None = None
    messages: Any = None
    max_tokens: Whole | None = None
    system: str | list[_Block] | None = None
    tools: list[Any] | None = None
    tool_choice: _ToolChoice | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Whole | None = None
    stop_sequences: list[str] | None = None
    thinking: _Thinking | None = None
    stream: bool | None = None
    ttl: Any = None

    def generation(self, limits: Limits) -> Generation:
        """What the model is asked. Raises Refused."""
        if self.max_tokens is not None and self.max_tokens < 1:
            raise Refused("max_tokens: must be at least 1", param="max_tokens")
        tools, choice = _tools(self.tools, self.tool_choice, limits)
        return Generation(
            messages=_turns(self, limits),
            sampling=Sampling(temperature=self.temperature, top_p=self.top_p, top_k=self.top_k),
            max_tokens=self.max_tokens,
            stop=stop_strings(self.stop_sequences, limits, "stop_sequences"),
            tools=tools,
            tool_choice=choice,
            effort=_effort(self.thinking),
        )


def _effort(thinking: _Thinking | None) -> Effort | None:
    """`enabled` and `adaptive` turn thinking on, `disabled` off; how many tokens it may take is passed over."""
    return None if thinking is None else "off" if thinking.type == "disabled" else "on"


def _tools(
    given: Sequence[Any] | None, choice: _ToolChoice | None, limits: Limits
) -> tuple[tuple[Mapping[str, Any], ...], Choice]:
    """Tools in OpenAI's form. One that is asked for by name is the only one that the model is offered."""
    check_count("tools", given or (), limits.tools)
    tools = [_tool(convert(each, _Tool, f"tools.{at}"), at) for at, each in enumerate(given or ())]
    match choice.type if choice else "auto":
        case "auto":
            return tuple(tools), "auto"
        case "any":
            return tuple(tools), "required"
        case "none":
            return tuple(tools), "none"
        case "tool":
            wanted = choice.name if choice else ""
            named = [each for each in tools if each["function"]["name"] == wanted]
            if not named:
                raise Refused(f"tool_choice: there is no tool '{wanted}'", param="tool_choice.name")
            return tuple(named), "required"
        case other:
            raise Refused(f"tool_choice.type: '{other}' is none of auto, any, tool, none", param="tool_choice.type")


def _tool(given: _Tool, at: int) -> Mapping[str, Any]:
    if given.type not in (None, "custom"):
        raise Refused(f"tools.{at}.type: tools of type '{given.type}' run on Anthropic's servers only")
    told: dict[str, Any] = {"name": given.name}
    if given.description is not None:
        told["description"] = given.description
    told["parameters"] = given.input_schema or {"type": "object", "properties": {}}
    return {"type": "function", "function": told}


def _turns(asked: MessagesRequest, limits: Limits) -> tuple[Message, ...]:
    given = as_list(asked.messages)
    if not given:
        raise Refused("messages: at least one message is required", param="messages")
    check_count("messages", given, limits.messages)
    images = Images(limits)
    turns: list[Message] = []
    if asked.system:
        turns.append({"role": "system", "content": _plain(asked.system, "system")})
    for at, each in enumerate(given):
        turns += _turn(convert(each, _Turn, f"messages.{at}"), images, f"messages.{at}")
    return tuple(turns)


def _turn(turn: _Turn, images: Images, at: str) -> list[Message]:
    if isinstance(turn.content, str):
        return [{"role": turn.role, "content": turn.content}]
    if turn.role == "system":
        return [{"role": "system", "content": _plain(turn.content, at)}]
    return _assistant(turn.content) if turn.role == "assistant" else _user(turn.content, images, at)


def _assistant(blocks: Sequence[_Block]) -> list[Message]:
    """Earlier thinking is left out: templates have it for the present turn only."""
    turn: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(block.text for block in blocks if block.type == "text"),
    }
    calls = [
        call(block.id, block.name, msgspec.json.encode(block.input).decode())
        for block in blocks
        if block.type == "tool_use"
    ]
    if calls:
        turn["tool_calls"] = calls
    return [turn]


def _user(blocks: Sequence[_Block], images: Images, at: str) -> list[Message]:
    """A user's turn holds the results of tools, which are turns of their own, and then what the user says."""
    turns: list[Message] = []
    parts: list[dict[str, Any]] = []
    for number, block in enumerate(blocks):
        where = f"{at}.content.{number}"
        if block.type == "tool_result":
            content, shown = _result(block.content, images, where)
            turns.append({"role": "tool", "tool_call_id": block.tool_use_id, "content": content})
            parts += shown
        else:
            parts.append(_part(block, images, where))
    if parts:
        plain = all(part["type"] == "text" for part in parts)
        content: Any = "\n\n".join(part["text"] for part in parts) if plain and len(parts) > 1 else parts
        turns.append({"role": "user", "content": parts[0]["text"] if plain and len(parts) == 1 else content})
    return turns or [{"role": "user", "content": ""}]


def _result(content: Any, images: Images, at: str) -> tuple[str, list[dict[str, Any]]]:
    """What a tool gave as text, and its images, which only a user's turn can show."""
    if content is None or isinstance(content, str):
        return content or "", []
    blocks = convert(content, list[_Block], f"{at}.content")
    parts = [_part(block, images, f"{at}.content.{number}") for number, block in enumerate(blocks)]
    text = "\n".join(part["text"] for part in parts if part["type"] == "text")
    return text, [part for part in parts if part["type"] != "text"]


def _part(block: _Block, images: Images, at: str) -> dict[str, Any]:
    if block.type == "text":
        return {"type": "text", "text": block.text}
    if block.type == "image" and block.source is not None:
        if block.source.type != "base64":
            raise Refused(f"{at}.source.type: only 'base64' is supported", param=f"{at}.source.type")
        return images.part(f"data:{block.source.media_type};base64,{block.source.data}", f"{at}.source")
    raise Refused(f"{at}.type: '{block.type}' is not supported here", param=f"{at}.type")


def _plain(content: str | Sequence[_Block], at: str) -> str:
    if isinstance(content, str):
        return content
    wrong = next((block.type for block in content if block.type != "text"), None)
    if wrong is not None:
        raise Refused(f"{at}: only blocks of type 'text' may be here, not '{wrong}'", param=at)
    return "\n\n".join(block.text for block in content)
