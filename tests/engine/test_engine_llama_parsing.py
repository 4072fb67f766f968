"""Tool calls, thinking and templates, through llama.cpp's own parsers, with models whose answers are known."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from chain_gguf import PLAIN, REFUSING, THINKING, write_chain_gguf
from hypothesis import given
from hypothesis import strategies as st
from running import HELLO, all_of, end_of, running, text_of

from wakeful.engine.errors import DoesNotFit, GenerationFailed, NotPossible
from wakeful.engine.llama.default_tools import CallReader, explained
from wakeful.engine.llama.hear import ChatHearing, PlainHearing
from wakeful.engine.llama.stops import StopScanner
from wakeful.engine.llama.wire import Fault, PoolExhausted, raised
from wakeful.engine.runner.pieces import CallArguments, CallStart, Done, Piece, Stats, Text
from wakeful.engine.runner.request import Generation

WEATHER = (
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "What the weather is like.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    },
)
CALL = ("<tool_call>\n", '{"name": "weather', '", "arguments": ', '{"city": ', '"Lyon"', "}}", "\n</tool_call>")


def thoughts(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, Text) and piece.reasoning)


def answer(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, Text) and not piece.reasoning)


async def test_a_tool_call_comes_in_pieces(tmp_path: Path) -> None:
    async with running(write_chain_gguf(tmp_path / "m.gguf", CALL)) as runner:
        for choice in ("auto", "required"):
            pieces = await all_of(runner.generate(Generation(messages=HELLO, tools=WEATHER, tool_choice=choice)))
            (start,) = [piece for piece in pieces if isinstance(piece, CallStart)]
            assert (start.index, start.name) == (0, "weather")
            assert start.id.isdigit()
            assert len(start.id) == 9
            arguments = [piece for piece in pieces if isinstance(piece, CallArguments)]
            assert json.loads("".join(piece.text for piece in arguments)) == {"city": "Lyon"}
            assert len(arguments) > 1
            assert end_of(pieces).stop_reason == "toolCalls"
            assert text_of(pieces) == ""


async def test_a_conversation_with_calls_and_results_is_understood(tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Lyon"}'}}
    turns = (
        *HELLO,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "rain"},
    )
    async with running(write_chain_gguf(tmp_path / "m.gguf", ["It", " rains"])) as runner:
        rendered = await runner.render(turns, WEATHER)
        pieces = await all_of(runner.generate(Generation(messages=turns, tools=WEATHER)))
    assert "Lyon" in rendered
    assert "<tool_response>\nrain" in rendered
    assert "<tools>" in rendered
    assert text_of(pieces) == "It rains"


async def test_a_model_that_knows_no_tools_is_told_of_them(tmp_path: Path) -> None:
    words = (
        "Let me see. [TOOL",
        "_REQUEST]",
        '{"name": "weather", ',
        '"arguments": {"city": "Rome"}}',
        "[END_TOOL_REQUEST]",
    )
    async with running(write_chain_gguf(tmp_path / "m.gguf", words, template=PLAIN)) as runner:
        prompt = await runner.render(HELLO, WEATHER)
        pieces = await all_of(runner.generate(Generation(messages=HELLO, tools=WEATHER)))
        unasked = await all_of(runner.generate(Generation(messages=HELLO, tools=WEATHER, tool_choice="none")))
    assert "weather" in prompt
    assert "[TOOL_REQUEST]" in prompt
    (start,) = [piece for piece in pieces if isinstance(piece, CallStart)]
    (arguments,) = [piece for piece in pieces if isinstance(piece, CallArguments)]
    assert (start.name, json.loads(arguments.text)) == ("weather", {"city": "Rome"})
    assert text_of(pieces) == "Let me see. "
    assert end_of(pieces).stop_reason == "toolCalls"
    assert text_of(unasked).endswith("[END_TOOL_REQUEST]")


async def test_a_model_that_knows_no_tools_can_be_made_to_call_one(tiny: Path) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"const": {"a": 1}}}}]
    async with running(tiny) as runner:
        pieces = await all_of(
            runner.generate(Generation(messages=HELLO, tools=tuple(tools), tool_choice="required", max_tokens=300))
        )
    assert [piece.name for piece in pieces if isinstance(piece, CallStart)] == ["f"]
    assert [json.loads(piece.text) for piece in pieces if isinstance(piece, CallArguments)] == [{"a": 1}]


CALLED = st.sampled_from(
    (
        '[TOOL_REQUEST]{"name": "weather", "arguments": {"city": "Lyon"}}[END_TOOL_REQUEST]',
        "[TOOL_REQUEST]no JSON[END_TOOL_REQUEST]",
        '[TOOL_REQUEST]{"name": "unknown"}[END_TOOL_REQUEST]',
        "[TOOL_REQUEST]cut off",
        "[TOOL",
        "just text ",
        "[END_TOOL_REQUEST]",
    )
)


@given(st.lists(CALLED, max_size=4), st.lists(st.integers(0, 200), max_size=8))
def test_calls_are_read_however_the_text_is_split(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    reader, whole = CallReader(WEATHER), CallReader(WEATHER)
    done = Done("eosFound", Stats())
    split = [each for start, end in pairwise(edges) for each in reader.take(Text(text[start:end]))] + reader.take(done)
    once = whole.take(Text(text)) + whole.take(done)
    assert text_of(split) == text_of(once)
    assert _arguments(split) == _arguments(once)
    assert end_of(split) == end_of(once)
    if "cut off" not in text and "[TOOL[" not in text:
        assert len(_arguments(once)) == sum("Lyon" in part for part in parts)
    assert sum(each.tokens for each in split if isinstance(each, Text | CallArguments)) <= len(edges) - 1


def _arguments(pieces: list[Piece]) -> list[str]:
    return [piece.text for piece in pieces if isinstance(piece, CallArguments)]


def test_calls_and_results_become_text() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Lyon"}'}}
    turns = [{"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "content": "rain"}]
    system, asked, result = explained(turns, WEATHER, must=True)
    assert "must call" in system["content"]
    assert asked["content"] == '[TOOL_REQUEST]{"name": "weather", "arguments": {"city": "Lyon"}}[END_TOOL_REQUEST]'
    assert result == {"role": "user", "content": "[TOOL_RESULT]rain[END_TOOL_RESULT]"}


async def test_thinking_is_told_from_the_answer(tmp_path: Path) -> None:
    words = ("<think>\n", "I should", " greet", "\n</think>\n\n", "Hello", " there")
    async with running(write_chain_gguf(tmp_path / "m.gguf", words, template=THINKING)) as runner:
        pieces = await all_of(runner.generate(Generation(messages=HELLO)))
        assert thoughts(pieces).strip() == "I should greet"
        assert answer(pieces).strip() == "Hello there"
        assert end_of(pieces).stats.reasoning_tokens == 3
        cut = await all_of(runner.generate(Generation(messages=HELLO, stop=("o the", "zzz"))))
        assert answer(cut).strip() == "Hell"
        assert (end_of(cut).stop_reason, end_of(cut).stop_string) == ("stopStringFound", "o the")
        short = await all_of(runner.generate(Generation(messages=HELLO, max_tokens=3)))
        assert end_of(short).stop_reason == "maxPredictedTokensReached"


async def test_thinking_can_be_left_out(tmp_path: Path) -> None:
    async with running(write_chain_gguf(tmp_path / "m.gguf", ["Hello"], template=THINKING)) as runner:
        asked = Generation(messages=HELLO, effort="off")
        assert "</think>" in await runner._render(asked)
        assert thoughts(await all_of(runner.generate(asked))) == ""


async def test_a_template_that_refuses_says_why(tmp_path: Path) -> None:
    turns = (*HELLO, {"role": "system", "content": "late"})
    async with running(write_chain_gguf(tmp_path / "m.gguf", ["Hello"], template=REFUSING)) as runner:
        for refused in (all_of(runner.generate(Generation(messages=turns))), runner.render(turns)):
            with pytest.raises(NotPossible, match="System message must be at the beginning"):
                await refused


async def test_an_image_for_a_model_that_sees_none(tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    asked = Generation(messages=({"role": "user", "content": [{"type": "text", "text": "what?"}, image]},))
    async with running(write_chain_gguf(tmp_path / "m.gguf", ["Hello"])) as runner:
        with pytest.raises(NotPossible, match="image"):
            await all_of(runner.generate(asked))


def chat_events(count: int) -> bytes:
    deltas = ['{"role":"assistant","content":null}', *(f'{{"content":"w{at} é"}}' for at in range(count))]
    body = b"".join(f'data: {{"choices":[{{"index":0,"delta":{delta}}}]}}\n\n'.encode() for delta in deltas)
    return body + b': ping\n\ndata: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def plain_events(count: int) -> bytes:
    body = b"".join(
        f'data: {{"content":"w{at} é","tokens_predicted":{at + 1},"stop":false}}\n\n'.encode() for at in range(count)
    )
    return body + f'data: {{"content":"","tokens_predicted":{count},"stop":true,"stop_type":"eos"}}\n\n'.encode()


@given(st.integers(0, 6), st.lists(st.integers(0, 700), max_size=8))
def test_however_a_stream_is_split_the_text_is_the_same(count: int, cuts: list[int]) -> None:
    for body, hearing in ((chat_events(count), ChatHearing(None, ())), (plain_events(count), PlainHearing(None))):
        edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
        pieces = [piece for start, end in pairwise(edges) for piece in hearing.feed(body[start:end])]
        assert text_of(pieces) == "".join(f"w{at} é" for at in range(count))
        assert hearing.done
        assert end_of(pieces).stop_reason == "eosFound"
        assert sum(piece.tokens for piece in pieces if isinstance(piece, Text)) == count


@given(st.lists(st.text("ab<>", max_size=5), max_size=8), st.lists(st.text("ab<>", min_size=1, max_size=4), max_size=3))
def test_a_stop_string_is_found_however_the_text_is_split(parts: list[str], stops: list[str]) -> None:
    scanner = StopScanner(stops)
    said = "".join(map(scanner.feed, parts)) + scanner.end()
    text = "".join(parts)
    whole = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    assert said == (text[: min(whole)[1]] if whole else text)
    assert (scanner.found != "") == bool(whole)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("too long", "exceed_context_size_error", 400, 9, 5), DoesNotFit),
        (Fault("Context size has been exceeded.", "server_error", 500), PoolExhausted),
        (Fault("x", "invalid_request_error", 400), NotPossible),
        (Fault("", "server_error", 500), GenerationFailed),
    ],
)
def test_errors(fault: Fault, kind: type[Exception]) -> None:
    assert type(raised(fault)) is kind
