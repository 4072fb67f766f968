"""However a model's words are cut into pieces, a stream says the same as a whole answer. No sockets."""

import json
from collections import defaultdict
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.instance import Instance
from wakeful.engine.life.settings import LoadConfig
from wakeful.engine.openai.answer import Said, Writer
from wakeful.engine.openai.chat import ChatWriter, completion
from wakeful.engine.openai.messages import MessageWriter, message
from wakeful.engine.openai.responses_input import ResponsesRequest
from wakeful.engine.openai.responses_output import Shape, output_of
from wakeful.engine.openai.responses_stream import ResponseWriter
from wakeful.engine.runner.pieces import CallArguments, CallStart, Done, Piece, PromptProgress, Stats, StopReason, Text
from wakeful.engine.runner.scripted import ScriptedRunner

INSTANCE = Instance(
    identifier="m", model=Descriptor(key="m"), config=LoadConfig(parallel=1), runner=ScriptedRunner(lambda _: "")
)
REASONS: list[StopReason] = ["eosFound", "toolCalls", "maxPredictedTokensReached", "stopStringFound"]
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


@st.composite
def generations(draw: st.DrawFn) -> list[Piece]:
    """Thinking, then text, then calls: the order in which models speak. Each in pieces of any size, or not at all."""
    pieces: list[Piece] = [PromptProgress(at, 5) for at in range(draw(st.integers(0, 3)))]
    pieces += [Text(word, 1, reasoning=True) for word in draw(st.lists(WORDS, max_size=4))]
    pieces += [Text(word) for word in draw(st.lists(WORDS, max_size=4))]
    for index in range(draw(st.integers(0, 3))):
        pieces.append(CallStart(index, str(index), draw(WORDS)))
        arguments = json.dumps(draw(st.dictionaries(WORDS, st.integers() | WORDS, max_size=2)))
        cuts = sorted(draw(st.sets(st.integers(1, len(arguments)), max_size=3)) | {0, len(arguments)})
        pieces += [CallArguments(index, arguments[a:b]) for a, b in pairwise(cuts)]
    reason = draw(st.sampled_from(REASONS))
    return [*pieces, Done(reason, Stats(prompt_tokens=5, cached_tokens=2, completion_tokens=7, reasoning_tokens=1))]


def said_of(pieces: list[Piece]) -> Said:
    said = Said()
    for piece in pieces:
        said.add(piece)
    return said


def events_of(writer: Writer, pieces: list[Piece]) -> list[Any]:
    raw = writer.begin() + b"".join(writer.take(piece) for piece in pieces)
    assert raw.endswith(b"\n\n")
    data = [block.split("data: ", 1)[1] for block in raw.decode().split("\n\n")[:-1]]
    return [json.loads(each) for each in data if each != "[DONE]"]


@given(pieces=generations())
def test_chat(pieces: list[Piece]) -> None:
    whole = completion(INSTANCE, said_of(pieces), 1.0)
    chunks = events_of(ChatWriter(INSTANCE, 1.0, with_usage=True), pieces)
    *said, last, used = chunks
    texts: dict[str, str] = defaultdict(str)
    calls: list[dict[str, Any]] = []
    for chunk in said:
        delta = chunk["choices"][0]["delta"]
        assert delta["role"] == "assistant"
        for name in ("content", "reasoning_content"):
            texts[name] += delta.get(name, "")
        for call in delta.get("tool_calls", []):
            if "id" in call:
                calls.append({"type": call["type"], "id": call["id"], "function": dict(call["function"])})
            else:
                calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
    [choice] = whole["choices"]
    assert texts["content"] == choice["message"]["content"]
    assert texts["reasoning_content"] == choice["message"].get("reasoning_content", "")
    assert calls == choice["message"]["tool_calls"]
    assert last["choices"][0]["finish_reason"] == choice["finish_reason"]
    assert used["usage"] == whole["usage"]


@given(pieces=generations())
def test_think_tags(pieces: list[Piece]) -> None:
    whole = completion(INSTANCE, said_of(pieces), 1.0, think_tags=True)
    chunks = events_of(ChatWriter(INSTANCE, 1.0, think_tags=True), pieces)
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text == whole["choices"][0]["message"]["content"]


@given(pieces=generations())
def test_messages(pieces: list[Piece]) -> None:
    whole = message(INSTANCE, said_of(pieces))
    events = events_of(MessageWriter(INSTANCE), pieces)
    blocks: list[dict[str, Any]] = []
    open_at: int | None = None
    written: dict[int, str] = defaultdict(str)
    for event in events:
        match event["type"]:
            case "content_block_start":
                assert (open_at, event["index"]) == (None, len(blocks))
                open_at = event["index"]
                blocks.append(event["content_block"])
            case "content_block_delta":
                assert open_at is not None
                assert event["index"] == open_at
                delta = event["delta"]
                kind = delta["type"].removesuffix("_delta")
                if kind == "input_json":
                    written[open_at] += delta["partial_json"]
                else:
                    blocks[open_at][kind] += delta[kind]
            case "content_block_stop":
                assert event["index"] == open_at
                open_at = None
            case kind:
                assert kind in ("message_start", "message_delta", "message_stop")
    for at, text in written.items():
        blocks[at]["input"] = json.loads(text)
    assert blocks == whole["content"]
    [ended] = [event for event in events if event["type"] == "message_delta"]
    assert ended["delta"]["stop_reason"] == whole["stop_reason"]
    assert ended["usage"] == whole["usage"]


@given(pieces=generations())
def test_responses(pieces: list[Piece]) -> None:
    said = said_of(pieces)
    shape = Shape(ResponsesRequest(), "resp_x", "m", lambda: 1.0)
    whole = shape.ended(output_of(said), said.done)
    events = events_of(ResponseWriter(shape), pieces)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    final = events[-1]["response"]
    added = [event for event in events if event["type"] == "response.output_item.added"]
    ended = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["item"]["id"] for event in added] == [item["id"] for item in final["output"]]
    assert [event["item"] for event in ended] == final["output"]
    deltas: dict[str, str] = defaultdict(str)
    for event in events:
        if event["type"].endswith(".delta"):
            deltas[event["item_id"]] += event["delta"]
        elif event["type"].endswith((".text.done", "_text.done", "arguments.done")):
            assert deltas[event["item_id"]] == event.get("text", event.get("arguments"))
    for item in (*final["output"], *whole["output"]):
        del item["id"]
    assert final["output"] == whole["output"]
    assert (final["status"], final["usage"]) == (whole["status"], whole["usage"])
