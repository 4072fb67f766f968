"""Tools from functions, and a model that calls them."""

import asyncio
import functools
import json
import threading
import time
from typing import Literal

import pytest
from raw_server import Exchange, serving
from scripted import answering, asked, said

from wakeful.lmstudio import AsyncLMStudioClient, InvalidStructure, Tool, ToolRun, act
from wakeful.lmstudio.chat.text_calls import calls_in_text


def add(a: int, b: int = 2, *, unit: Literal["kg", "m"] | None = None) -> str:
    """Add two numbers.

    Args:
        a: the first one
        b: the second one
    """
    return f"{a + b}{unit or ''}"


async def now() -> dict[str, int]:
    """The time."""
    return {"hour": 12}


def fails() -> str:
    raise OSError("no such disk")


def test_a_tool_is_described_by_its_function() -> None:
    function = Tool(add).openai()["function"]
    assert (function["name"], function["description"]) == ("add", "Add two numbers.")
    properties = function["parameters"]["properties"]
    assert properties["a"] == {"type": "integer", "description": "the first one"}
    assert properties["b"]["description"] == "the second one"
    assert function["parameters"]["required"] == ["a"]
    assert function["parameters"]["additionalProperties"] is False


async def test_arguments_become_the_types_of_the_function() -> None:
    tool = Tool(add)
    assert tool.read('{"a": "40"}') == {"a": 40}
    assert await tool.run(tool.read('{"a": 1, "unit": "kg"}')) == "3kg"
    assert await Tool(now).run({}) == '{"hour":12}'
    for wrong in ('{"b": 1}', '{"a": "x"}', '{"a": 1, "c": 2}', '{"a": 1, "unit": "s"}', "[1]", "[" * 100_000):
        with pytest.raises(ValueError):  # noqa: PT011  # what it says is msgspec's affair
            tool.read(wrong)


def test_functions_that_no_model_could_call() -> None:
    def untyped(a) -> None: ...  # type: ignore[no-untyped-def]  # pyright: ignore[reportMissingParameterType]
    def starred(*numbers: int) -> None: ...
    def strange(lock: threading.Event) -> None: ...

    for function in (untyped, starred, strange):
        with pytest.raises(TypeError, match=function.__name__):
            Tool(function)
    with pytest.raises(ValueError, match="name"):
        Tool(lambda: "")
    assert Tool(lambda: "", name="nothing").openai()["function"]["name"] == "nothing"


async def test_the_model_calls_and_then_answers() -> None:
    calls = said(calls=[("add", '{"a": 1}'), ("now", "{}")])
    runs: list[ToolRun] = []
    rounds: list[int] = []
    async with serving(answering(calls, said("It is 3."))) as server, AsyncLMStudioClient(server.url) as client:
        result = await act(client, "how much?", [add, now], on_tool=runs.append, on_round=rounds.append)
    assert (result.text, result.rounds, result.stopped, rounds) == ("It is 3.", 2, "", [1, 2])
    assert [message["role"] for message in result.messages] == ["assistant", "tool", "tool", "assistant"]
    assert [run.told for run in result.runs] == ["3", '{"hour":12}']
    assert sorted(run.call.name for run in runs) == ["add", "now"]
    first, second = (asked(exchange) for exchange in server.requests)
    assert [tool["function"]["name"] for tool in first["tools"]] == ["add", "now"]
    assert [message.get("tool_call_id") for message in second["messages"]] == [None, None, "id0", "id1"]


async def test_calls_of_one_round_run_side_by_side_and_within_their_bound() -> None:
    running = most = 0
    both = asyncio.Event()

    async def meet() -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 2:
            both.set()
        await both.wait()
        running -= 1
        return "met"

    calls = said(calls=[("meet", "{}")] * 5)
    async with serving(answering(calls, said("done"))) as server, AsyncLMStudioClient(server.url) as client:
        result = await act(client, "go", [meet], parallel=2)
    assert (most, len(result.runs)) == (2, 5)


async def test_a_plain_function_does_not_block_the_event_loop() -> None:
    loop, freed = asyncio.get_running_loop(), threading.Event()

    def waits() -> str:
        loop.call_soon_threadsafe(freed.set)  # runs only if the loop does
        assert freed.wait(5)
        return "free"

    async with serving(answering(said(calls=[("waits", "{}")]), said("done"))) as server:
        async with AsyncLMStudioClient(server.url) as client:
            assert (await act(client, "go", [waits])).runs[0].told == "free"


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("add", '{"a": ', "Error: The arguments are no JSON"),
        ("add", '{"a": "x"}', "Error: The arguments do not fit add"),
        ("subtract", "{}", "Error: There is no tool 'subtract'; there are: add, fails."),
        ("fails", "{}", "Error: OSError: no such disk"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model_or_raised(name: str, arguments: str, told: str) -> None:
    behaviour = answering(said(calls=[(name, arguments)]), said("I see."))
    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        result = await act(client, "go", [add, fails])
        assert result.text == "I see."
        assert asked(server.requests[1])["messages"][2]["content"].startswith(told)
        assert result.runs[0].error is not None
    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        with pytest.raises((InvalidStructure, OSError)):
            await act(client, "go", [add, fails], on_invalid="raise", on_error="raise")


async def test_rounds_are_bounded_and_the_last_may_call_nothing() -> None:
    async with serving(answering(said(calls=[("add", '{"a": 1}')]))) as server:
        async with AsyncLMStudioClient(server.url) as client:
            result = await act(client, "go", [add], max_rounds=3)
    assert (result.stopped, result.rounds, len(result.runs)) == ("rounds", 3, 2)
    assert [asked(exchange).get("tool_choice") for exchange in server.requests] == [None, None, "none"]


async def test_time_is_bounded_while_a_tool_runs_and_while_the_model_writes() -> None:
    async def sleeps() -> str:
        await asyncio.Event().wait()
        return ""

    async def silent(exchange: Exchange) -> None:
        await exchange.gone()

    async with serving(answering(said(calls=[("sleeps", "{}")]))) as server:
        async with AsyncLMStudioClient(server.url) as client:
            assert (await act(client, "go", [sleeps], limit_s=0.2)).stopped == "time"
    async with serving(silent) as server, AsyncLMStudioClient(server.url) as client:
        assert (await act(client, "go", [sleeps], limit_s=0.2)).stopped == "time"


async def test_a_model_without_training_in_tools() -> None:
    call = said('<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>')
    async with serving(answering(call, said("3"))) as server, AsyncLMStudioClient(server.url) as client:
        assert (await act(client, "go", [add])).text == "3"
    async with serving(answering(call, said("3"))) as server, AsyncLMStudioClient(server.url) as client:
        result = await act(client, "go", [add], offer="prompt")
    assert result.text == "3"
    first, second = (asked(exchange) for exchange in server.requests)
    assert "tools" not in first
    assert "the first one" in first["messages"][0]["content"]
    assert second["messages"][-1] == {"role": "user", "content": "Result of add: 3"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"name": "add", "parameters": {"a": 1}}', ["add"]),
        ('```json\n{"name": "add", "arguments": {}}\n```', ["add"]),
        ('[TOOL_REQUEST]{"name": "add", "arguments": {}}[END_TOOL_REQUEST]', ["add"]),
        ('I look. <tool_call>{"name": "add"}</tool_call><tool_call>{"name": "now"}</tool_call>', ["add", "now"]),
        ('{"name": "other", "arguments": {}}', []),
        ('{"name": "add", "arguments": [1]}', []),
        ('{"name": ["add"]}', []),
        ('{"name": "add", "level": 3}', []),
        ('{"name": "add", "arguments": {}, "level": 3}', []),
        ('It would be\n```json\n{"name": "add"}\n```', []),
        ('The call would be {"name": "add"}.', []),
        ("<tool_call>{broken</tool_call>", []),
        ("", []),
    ],
)
def test_calls_in_text(text: str, names: list[str]) -> None:
    calls, rest = calls_in_text(text, {"add", "now"})
    assert [call.name for call in calls] == names
    assert all(isinstance(json.loads(call.arguments), dict) for call in calls)
    assert rest == (text if not names else "I look." if text.startswith("I look.") else "")


async def test_two_tools_of_one_name() -> None:
    async with AsyncLMStudioClient("http://127.0.0.1:9") as client:
        with pytest.raises(ValueError, match="two tools"):
            await act(client, "go", [add, add])


def test_line_breaks_without_end_take_no_time() -> None:
    started_s = time.process_time()
    assert calls_in_text("```" + "\n" * 200_000, {"add"})[0] == []
    assert time.process_time() - started_s < 1


async def test_an_answer_held_to_a_schema_is_no_call() -> None:
    answer = '{"name": "add", "parameters": {"a": 1}}'
    async with serving(answering(said(answer))) as server, AsyncLMStudioClient(server.url) as client:
        result = await act(client, "go", [add], json_schema={"type": "object"})
    assert (result.text, result.rounds, result.runs) == (answer, 1, ())


async def test_calls_from_text_stand_in_the_conversation_once_and_under_ids_of_their_own() -> None:
    call = said('First. <tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>')
    async with serving(answering(call, call, said("3"))) as server, AsyncLMStudioClient(server.url) as client:
        await act(client, "go", [add])
    _, one, told, other, _ = asked(server.requests[2])["messages"]
    assert (one["content"], one["tool_calls"][0]["id"]) == ("First.", told["tool_call_id"])
    assert other["tool_calls"][0]["id"] != told["tool_call_id"]


async def test_a_time_out_within_a_tool_is_the_tools_own_error() -> None:
    async def late() -> str:
        raise TimeoutError("the disk did not answer")

    async with serving(answering(said(calls=[("late", "{}")]))) as server:
        async with AsyncLMStudioClient(server.url) as client:
            with pytest.raises(TimeoutError, match="disk"):
                await act(client, "go", [late], on_error="raise")
            with pytest.raises(TimeoutError, match="disk"):
                await act(client, "go", [late], on_error="raise", limit_s=60.0)


async def test_when_the_time_is_up_what_was_done_is_kept_and_each_call_has_its_answer() -> None:
    async def sleeps() -> str:
        await asyncio.Event().wait()
        return ""

    behaviour = answering(said(calls=[("add", '{"a": 1}'), ("sleeps", "{}")]))
    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        result = await act(client, "go", [add, sleeps], limit_s=0.3)
    assert ([run.told for run in result.runs], result.stopped) == (["3"], "time")
    assert [message.get("tool_call_id") for message in result.messages] == [None, "id0", "id1"]
    assert "time was up" in result.messages[-1]["content"]


async def test_when_the_rounds_are_up_each_call_has_its_answer() -> None:
    async with serving(answering(said(calls=[("add", '{"a": 1}')]))) as server:
        async with AsyncLMStudioClient(server.url) as client:
            result = await act(client, "go", [add], max_rounds=1)
    assert [message["role"] for message in result.messages] == ["assistant", "tool"]
    assert (result.runs, result.stopped) == ((), "rounds")


async def test_errors_that_futures_do_not_take_are_a_tools_failure() -> None:
    def exhausted() -> str:
        raise StopIteration("nothing left")

    async def cut() -> str:
        raise asyncio.CancelledError

    behaviour = answering(said(calls=[("exhausted", "{}"), ("cut", "{}")]), said("I see."))
    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        result = await asyncio.wait_for(act(client, "go", [exhausted, cut]), 10)
        assert [type(run.error) for run in result.runs] == [RuntimeError, RuntimeError]
    async with serving(behaviour) as server, AsyncLMStudioClient(server.url) as client:
        with pytest.raises(RuntimeError):
            await act(client, "go", [exhausted, cut], on_error="raise")


async def test_cancelled_it_stops_its_tools() -> None:
    began, stopped = asyncio.Event(), asyncio.Event()

    async def sleeps() -> str:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return ""

    async with serving(answering(said(calls=[("sleeps", "{}")]))) as server:
        async with AsyncLMStudioClient(server.url) as client:
            task = asyncio.create_task(act(client, "go", [sleeps]))
            await asyncio.wait_for(began.wait(), 5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert stopped.is_set()


async def test_tools_from_other_things_than_functions() -> None:
    class Scale:
        def __call__(self, by: int) -> int:
            """Scale it."""
            return 2 * by

    assert Tool(Scale(), name="scale").openai()["function"]["description"] == "Scale it."
    assert await Tool(Scale(), name="scale").run({"by": 4}) == "8"
    three = Tool(functools.partial(add, b=3), name="three")
    assert await three.run(three.read('{"a": 1}')) == "4"
    assert three.parameters["properties"]["a"]["description"] == "the first one"


def test_types_that_can_not_be_told() -> None:
    def unknown(a: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable]

    for function in (unknown, max):
        with pytest.raises(TypeError, match=function.__name__):
            Tool(function)
    with pytest.raises(ValueError, match="ASCII"):
        Tool(add, name="größe")
