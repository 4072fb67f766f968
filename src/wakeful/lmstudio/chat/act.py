"""The model calls tools until it has its answer, within bounds."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Unpack

import msgspec

from wakeful.lmstudio.chat.events import ChatResult, Message, ToolCall
from wakeful.lmstudio.chat.messages import Chat, answer_message
from wakeful.lmstudio.chat.request import AskOptions, CanChat, ChatOptions
from wakeful.lmstudio.chat.text_calls import calls_in_text, described
from wakeful.lmstudio.chat.tools import Tool, as_tools
from wakeful.lmstudio.errors import InvalidStructure

MAX_ROUNDS = 10
PARALLEL = 4

Amiss = Literal["tell", "raise"]


@dataclass(frozen=True, slots=True)
class ToolRun:
    """One call that was made. told: what the model got to read; error: what went wrong, if anything; in seconds."""

    call: ToolCall
    told: str
    error: Exception | None
    duration_s: float


@dataclass(frozen=True, slots=True)
class ActResult:
    """How it ended.

    result: the last answer
    messages: what was added to the conversation, the last answer included; each call in it has its answer, so that
        the conversation can go on from here, also where a bound ended it
    rounds: how often the model was asked
    runs: the calls that came to their end, in the order in which they were asked for
    stopped: which bound ended it, "" for none
    """

    result: ChatResult
    messages: list[Message]
    rounds: int
    runs: tuple[ToolRun, ...]
    stopped: Literal["", "rounds", "time"] = ""

    @property
    def text(self) -> str:
        """The last answer's text."""
        return self.result.text


@dataclass(slots=True)
class _Acting:
    """What an `act` under way has come to."""

    tools: dict[str, Tool]
    parallel: asyncio.Semaphore
    on_invalid: Amiss
    on_error: Amiss
    on_tool: Callable[[ToolRun], object] | None
    runs: list[ToolRun] = field(default_factory=list[ToolRun])


_NOT_RUN = "Error: the tool was not called, there are no more rounds."
_NOT_IN_TIME = "Error: the tool was not done before the time was up."


async def act(
    client: CanChat,
    messages: str | Sequence[Message],
    tools: Iterable[Tool | Callable[..., Any]],
    *,
    max_rounds: int = MAX_ROUNDS,
    parallel: int = PARALLEL,
    offer: Literal["server", "prompt"] = "server",
    on_invalid: Amiss = "tell",
    on_error: Amiss = "tell",
    on_round: Callable[[int], object] | None = None,
    on_message: Callable[[Message], object] | None = None,
    on_tool: Callable[[ToolRun], object] | None = None,
    **options: Unpack[AskOptions],
) -> ActResult:
    """Let the model call tools, give it what they return, and so on until it answers.

    max_rounds: how often the model is asked; in the last round it may call nothing
    parallel: how many calls of one round run at a time
    offer: how the model learns of the tools: by the server (LM Studio does that for any model), or by a text in
        front of the conversation, for servers that refuse `tools`
    on_invalid, on_error: whether a call that can't be made, or a tool that fails, is told to the model or raised
    on_round, on_message, on_tool: are called with the round's number (from 1), each message that is added, and
        each call that was made
    options: as for `chat`; `limit_s` holds for all of it, and then what there is comes back with `stopped`
    Raises what the client raises, InvalidStructure for an invalid call and the tool's own error where told to.
    """
    if max_rounds < 1 or parallel < 1:
        raise ValueError("max_rounds and parallel have to be at least 1")
    acting = _Acting(as_tools(tools), asyncio.Semaphore(parallel), on_invalid, on_error, on_tool)
    loop = asyncio.get_running_loop()
    limit_s = options.get("limit_s")
    give_up_s = None if limit_s is None else loop.time() + limit_s
    chat = Chat(messages)
    asked: ChatOptions = {**options}
    if offer == "prompt":
        chat = Chat([{"role": "system", "content": described(acting.tools.values())}, *chat])
    elif acting.tools:
        asked["tools"] = [tool.openai() for tool in acting.tools.values()]
    begun = len(chat)

    def add(message: Message) -> None:
        chat.extend([message])
        if on_message is not None:
            on_message(message)

    for number in range(1, max_rounds + 1):
        if on_round is not None:
            on_round(number)
        last = number == max_rounds
        if last and acting.tools and offer == "server":
            asked["tool_choice"] = "none"
        if give_up_s is not None:
            asked["limit_s"] = max(0.0, give_up_s - loop.time())
        result = await client.chat(chat, **asked)
        answered = result
        # an answer that is held to a schema is JSON anyway, and none of it a call
        if not result.tool_calls and asked.get("json_schema") is None:
            calls, rest = calls_in_text(result.text, acting.tools, prefix=f"text_{number}_")
            result = msgspec.structs.replace(result, tool_calls=tuple(calls))
            answered = msgspec.structs.replace(result, text=rest)  # or the template writes the calls twice
        add(answer_message(answered) if offer == "server" else {"role": "assistant", "content": result.text})
        ended = _ended(result, last=last)
        told = [_NOT_IN_TIME if ended == "time" else _NOT_RUN] * len(result.tool_calls)
        if ended is None:
            told, in_time = await _run_all(acting, result.tool_calls, give_up_s)
            ended = None if in_time else "time"
        if result.tool_calls:
            for message in _told(result.tool_calls, told, offer):
                add(message)
        if ended is not None:
            return ActResult(result, list(chat[begun:]), number, tuple(acting.runs), ended)
    raise AssertionError("unreachable")


def _ended(result: ChatResult, *, last: bool) -> Literal["", "rounds", "time"] | None:
    """How it has ended with this answer; None: it has not."""
    if result.interrupted:
        return "time"
    if not result.tool_calls:
        return ""
    return "rounds" if last else None


async def _run_all(acting: _Acting, calls: Sequence[ToolCall], give_up_s: float | None) -> tuple[list[str], bool]:
    """What the model is told of each call, and whether all of them were done in time."""
    runs: dict[int, ToolRun] = {}

    async def run(at: int, call: ToolCall) -> None:
        runs[at] = await _run(acting, call)

    limit = asyncio.timeout_at(give_up_s)
    try:
        async with limit, asyncio.TaskGroup() as group:
            for at, call in enumerate(calls):
                group.create_task(run(at, call))
    except TimeoutError:
        if not limit.expired():
            raise
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures  # callers expect the tool's own error
    acting.runs += [runs[at] for at in sorted(runs)]
    return [runs[at].told if at in runs else _NOT_IN_TIME for at in range(len(calls))], not limit.expired()


async def _run(acting: _Acting, call: ToolCall) -> ToolRun:
    loop = asyncio.get_running_loop()
    error: Exception | None = None
    async with acting.parallel:
        started_s = loop.time()
        try:
            tool, arguments = _read(acting.tools, call)
            told = await tool.run(arguments)
        except InvalidStructure as invalid:
            if acting.on_invalid == "raise":
                raise
            error, told = invalid, f"Error: {invalid.message}"
        except asyncio.CancelledError as cancelled:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # nobody stopped us: something that the tool waited for was cancelled, which is a failure of the tool
            failure = RuntimeError("what the tool waited for was cancelled")
            if acting.on_error == "raise":
                raise failure from cancelled
            error, told = failure, f"Error: {failure}"
        except Exception as failure:  # a tool may raise anything; the caller has said what becomes of it
            if acting.on_error == "raise":
                raise
            error, told = failure, f"Error: {type(failure).__name__}: {failure}"
        run = ToolRun(call, told, error, loop.time() - started_s)
    if acting.on_tool is not None:
        acting.on_tool(run)
    return run


def _read(tools: dict[str, Tool], call: ToolCall) -> tuple[Tool, dict[str, Any]]:
    tool = tools.get(call.name)
    if tool is None:
        known = ", ".join(sorted(tools)) or "none"
        raise InvalidStructure(f"There is no tool {call.name!r}; there are: {known}.", partial=call.arguments)
    if call.error:
        raise InvalidStructure(call.error, partial=call.arguments)
    try:
        return tool, tool.read(call.arguments)
    except ValueError as error:
        raise InvalidStructure(f"The arguments do not fit {call.name}: {error}", partial=call.arguments) from error


def _told(calls: Sequence[ToolCall], told: Sequence[str], offer: str) -> list[Message]:
    if offer == "server":
        return [
            {"role": "tool", "tool_call_id": call.id, "content": text} for call, text in zip(calls, told, strict=True)
        ]
    lines = [f"Result of {call.name}: {text}" for call, text in zip(calls, told, strict=True)]
    return [{"role": "user", "content": "\n".join(lines)}]
