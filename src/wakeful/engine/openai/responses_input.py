"""Requests to `/v1/responses`, and what the model is asked by them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from wakeful.engine.openai.options import Whole, effort, schema_of, token_limit
from wakeful.engine.openai.responses_items import turns_of_items
from wakeful.engine.runner.request import Generation, Message, Sampling
from wakeful.engine.server.bodies import as_list, as_object, convert
from wakeful.engine.server.limits import check_count
from wakeful.engine.server.refusals import Refused
from wakeful.engine.server.settings import Limits

Choice = Literal["auto", "none", "required"]
LOGPROBS = "message.output_text.logprobs"


class _Reasoning(msgspec.Struct):
    effort: str | None = None
    summary: str | None = None


class _Text(msgspec.Struct):
    format: Any = None


class _Tool(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class ResponsesRequest(msgspec.Struct, kw_only=True):
    """What is read of a request; whatever else it holds is passed over."""

    model: str | None = None
    input: str | list[Any] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    reasoning: _Reasoning | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    max_output_tokens: Whole | None = None
    max_tool_calls: Whole | None = None
    text: _Text | None = None
    truncation: Literal["auto", "disabled"] | None = None
    include: list[str] | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    metadata: dict[str, Any] | None = None
    background: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None

    def turns(self, limits: Limits) -> tuple[Message, ...]:
        """What is new in this request. Raises Refused."""
        if self.input is None:
            raise Refused("'input' is required", code="missing_required_parameter", param="input")
        if isinstance(self.input, str):
            return ({"role": "user", "content": self.input},)
        return turns_of_items(self.input, limits)

    def generation(self, before: Sequence[Message], new: Sequence[Message], limits: Limits) -> Generation:
        """What the model is asked. before: what was said earlier. Raises Refused."""
        tools, choice = _tools(self.tools, self.tool_choice, limits)
        with_logprobs = LOGPROBS in (self.include or ())
        return Generation(
            messages=_with_instructions(self.instructions, [*before, *new]),
            sampling=Sampling(
                temperature=self.temperature,
                top_p=self.top_p,
                presence_penalty=self.presence_penalty,
                frequency_penalty=self.frequency_penalty,
            ),
            max_tokens=token_limit(self.max_output_tokens),
            tools=tools,
            tool_choice=choice,
            schema=_schema(self.text.format if self.text else None),
            effort=effort(self.reasoning.effort if self.reasoning else None, "reasoning.effort"),
            overflow="truncateMiddle" if self.truncation == "auto" else "stopAtLimit",
            logprobs=(self.top_logprobs or 0) if with_logprobs else None,
        )


def _with_instructions(instructions: str | None, turns: Sequence[Message]) -> tuple[Message, ...]:
    """Instructions count for this answer alone, and go before those that a conversation began with."""
    if instructions is None:
        return tuple(turns)
    rest = turns[1:] if turns and turns[0]["role"] == "system" else turns
    return ({"role": "system", "content": instructions}, *rest)


def _schema(wanted: Any) -> Mapping[str, Any] | None:
    """The form of chat completions has one level more."""
    given = as_object(wanted)
    if wanted is None or given.get("type") == "text":
        return None
    if given.get("type") != "json_schema":
        raise Refused("'text.format.type' must be 'json_schema' or 'text'", param="text.format.type")
    return schema_of({"type": "json_schema", "json_schema": {"schema": given.get("schema")}})


def _tools(given: Sequence[Any] | None, choice: Any, limits: Limits) -> tuple[tuple[Mapping[str, Any], ...], Choice]:
    """Tools in the form of chat completions. Those that are asked for by name are the only ones that are offered."""
    check_count("tools", given or (), limits.tools)
    tools = tuple(_tool(each, at) for at, each in enumerate(given or ()))
    if choice is None or choice in ("auto", "none", "required"):
        return tools, choice or "auto"
    wanted = as_object(choice)
    match wanted.get("type"):
        case "function":
            return _named(tools, [wanted.get("name")], "tool_choice.name"), "required"
        case "allowed_tools":
            names = [as_object(each).get("name") for each in as_list(wanted.get("tools"))]
            mode = "required" if wanted.get("mode") == "required" else "auto"
            return _named(tools, names, "tool_choice.tools"), mode
        case _:
            raise Refused("Invalid tool_choice", code="invalid_value", param="tool_choice")


def _named(tools: Sequence[Mapping[str, Any]], names: Sequence[Any], param: str) -> tuple[Mapping[str, Any], ...]:
    found = tuple(tool for tool in tools if tool["function"]["name"] in names)
    if not found:
        raise Refused(f"'{param}' names none of the tools", code="invalid_value", param=param)
    return found


def _tool(given: Any, at: int) -> Mapping[str, Any]:
    kind = as_object(given).get("type")
    if kind == "mcp":
        raise Refused(
            "Remote MCP servers are not allowed on this server", code="mcp_not_allowed", param=f"tools.{at}.type"
        )
    if kind != "function":
        raise Refused(
            "Invalid discriminator value. Expected 'function' | 'mcp'",
            code="invalid_union_discriminator",
            param=f"tools.{at}.type",
        )
    tool = convert(given, _Tool, f"tools.{at}")
    told: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        told["description"] = tool.description
    told["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": told}
