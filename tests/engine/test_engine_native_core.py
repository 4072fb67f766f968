"""LM Studio's WebSocket protocol without a socket: frames in, actions out; settings, history, uploads, answers."""

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.engine.native import frames
from wakeful.engine.native.admission import Admission
from wakeful.engine.native.config import Config, Field, Layer, Stack, load_config
from wakeful.engine.native.conversation import WARNINGS, Answer, Conversation, Leave, Open, Pass, Say
from wakeful.engine.native.failures import Failed
from wakeful.engine.native.history import History, messages
from wakeful.engine.native.namespaces import namespaces
from wakeful.engine.native.prediction_config import chat, raw
from wakeful.engine.native.spoken import Spoken
from wakeful.engine.native.uploads import Uploads, file_type
from wakeful.engine.runner.pieces import (
    CallArguments,
    CallStart,
    Done,
    Piece,
    PromptProgress,
    Stats,
    Text,
    TokenChoice,
)
from wakeful.engine.server.guard import SOCKET_PATHS

GUEST = json.dumps({"authVersion": 1, "clientIdentifier": "guest:1", "clientPasskey": "p"})
ONE_TOOL = {"type": "function", "function": {"name": "f"}}
TOKEN = "sk-lm-abcDEF78:abcDEF7890abcDEF7890"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


def talking(**options: Any) -> Conversation:
    conversation = Conversation(namespaces()["llm"], lambda _: "", **options)
    assert conversation.receive(GUEST) == [Say(frames.ADMITTED)]
    return conversation


def told(action: Any) -> dict[str, Any]:
    assert isinstance(action, Say)
    return json.loads(action.frame)


def test_every_namespace_has_a_socket_that_the_guard_knows() -> None:
    assert {f"/{name}" for name in namespaces()} == set(SOCKET_PATHS)


@pytest.mark.parametrize(
    "first",
    [
        "",
        "{}",
        "[]",
        "\x00",
        b"\xff\xfe",
        '{"type":"rpcCall","endpoint":"listLoaded","callId":1}',
        json.dumps({"authVersion": 2, "clientIdentifier": "a", "clientPasskey": "b"}),
        json.dumps({"authVersion": 1, "clientIdentifier": "", "clientPasskey": "b"}),
        json.dumps({"authVersion": 1, "clientIdentifier": "a" * 257, "clientPasskey": "b"}),
    ],
)
def test_a_first_message_that_is_no_authentication_ends_the_socket(first: str | bytes) -> None:
    conversation = Conversation(namespaces()["llm"], Admission().admit)
    refused, leave = conversation.receive(first)
    assert told(refused)["success"] is False
    assert told(refused)["error"]
    assert isinstance(leave, Leave)
    assert conversation.receive(GUEST) == []


def test_tokens_are_cut_in_two_and_everybody_else_stays_outside() -> None:
    admission = Admission([TOKEN])
    assert admission.admit(frames.Authentication(1, "abcDEF78", "abcDEF7890abcDEF7890")) == ""
    assert "required" in admission.admit(frames.Authentication(1, "guest:1", "p"))
    assert "required" in admission.admit(frames.Authentication(1, "other", "p"))
    assert "Invalid" in admission.admit(frames.Authentication(1, "abcDEF78", "abcDEF7890abcDEF7891"))
    assert "Invalid" in admission.admit(frames.Authentication(1, "abcDEF78", ""))


def test_the_first_passkey_of_an_identifier_counts_for_as_long_as_it_has_a_socket() -> None:
    admission = Admission()
    first, other = frames.Authentication(1, "a", "one"), frames.Authentication(1, "a", "two")
    assert admission.admit(first) == admission.admit(first) == ""
    assert "Invalid client passkey" in admission.admit(other)
    admission.release("a")
    assert "Invalid client passkey" in admission.admit(other)
    admission.release("a")
    assert admission.admit(other) == ""


def test_calls_and_channels_have_ids_of_their_own() -> None:
    conversation = talking()
    call = conversation.receive('{"type":"rpcCall","endpoint":"listLoaded","callId":1}')
    assert call == [Answer("listLoaded", 1, b"null")]
    opened = conversation.receive(
        '{"type":"channelCreate","endpoint":"predict","channelId":1,"creationParameter":{"a":1}}'
    )
    assert opened == [Open("predict", 1, b'{"a":1}')]
    sent = conversation.receive('{"type":"channelSend","channelId":1,"message":{"type":"cancel"}}')
    assert sent == [Pass(1, b'{"type":"cancel"}')]
    again = conversation.receive('{"type":"channelCreate","endpoint":"predict","channelId":1}')
    assert told(again[0])["kind"] == "channelAlreadyOpen"
    conversation.ended(1)
    stray = conversation.receive('{"type":"channelSend","channelId":1,"message":{"type":"cancel"}}')
    assert told(stray[0])["kind"] == "channelUnknown"


def test_keep_alive_is_answered_and_warnings_and_acknowledgements_are_not() -> None:
    conversation = talking()
    assert conversation.receive('{"type":"keepAlive"}') == [Say(frames.KEEP_ALIVE_ACK)]
    assert conversation.receive('{"type":"communicationWarning","warning":"w"}') == []
    assert conversation.receive('{"type":"signalUnsubscribe","subscribeId":1}') == []
    conversation.receive('{"type":"channelCreate","endpoint":"predict","channelId":4}')
    assert conversation.receive('{"type":"channelAck","channelId":4,"ackId":1}') == []


@pytest.mark.parametrize(
    ("frame", "kind", "answer"),
    [
        ('{"type":"rpcCall","endpoint":"no","callId":7}', "rpcEndpointUnknown", "rpcError"),
        ('{"type":"channelCreate","endpoint":"no","channelId":7}', "channelEndpointUnknown", "channelError"),
    ],
)
def test_unknown_endpoints_are_warned_of_as_lm_studio_does_and_refused_too(frame: str, kind: str, answer: str) -> None:
    warned, refused = talking().receive(frame)
    assert told(warned)["kind"] == kind
    assert told(refused)["type"] == answer
    assert told(refused)["error"]["title"]


@pytest.mark.parametrize(("kind", "answer"), [("signal", "signalError"), ("writableSignal", "writableSignalError")])
def test_signals_are_refused(kind: str, answer: str) -> None:
    (refused,) = talking().receive(json.dumps({"type": f"{kind}Subscribe", "endpoint": "x", "subscribeId": 3}))
    assert (told(refused)["type"], told(refused)["subscribeId"]) == (answer, 3)


def test_channels_are_bounded() -> None:
    conversation = talking(most_channels=2)
    frame = '{{"type":"channelCreate","endpoint":"predict","channelId":{}}}'
    assert [type(conversation.receive(frame.format(number))[0]) for number in range(3)] == [Open, Open, Say]
    conversation.ended(0)
    assert isinstance(conversation.receive(frame.format(3))[0], Open)


def test_warnings_are_bounded() -> None:
    conversation = talking()
    assert sum(len(conversation.receive("{")) for _ in range(100)) == WARNINGS


@given(st.lists(st.binary(max_size=60) | st.text(max_size=60) | JSON.map(json.dumps), max_size=8))
def test_no_bytes_at_all_upset_it(received: list[str | bytes]) -> None:
    fresh, admitted = Conversation(namespaces()["llm"], Admission().admit), talking()
    for data in received:
        for action in (*fresh.receive(data), *admitted.receive(data)):
            assert isinstance(action, Leave) or told(action)
    if fresh.client == "" and received:
        assert fresh.receive(GUEST) == []


@given(
    st.sampled_from(["rpcCall", "channelCreate", "channelSend", "channelAck", "signalSubscribe", "keepAlive", "x"]),
    st.sampled_from(["predict", "listLoaded", "getOrLoad", "x"]) | JSON,
    st.integers() | JSON,
    JSON,
)
def test_no_frame_upsets_it(kind: str, endpoint: Any, number: Any, body: Any) -> None:
    ids = {"callId": number, "channelId": number, "subscribeId": number, "ackId": number}
    bodies = {"parameter": body, "creationParameter": body, "message": body}
    frame = json.dumps({"type": kind, "endpoint": endpoint, **ids, **bodies})
    conversation = talking()
    for action in conversation.receive(frame) + conversation.receive(frame):
        match action:
            case Say():
                assert told(action)["type"]
            case Answer(_, _, parameter) | Open(_, _, parameter) | Pass(_, parameter):
                json.loads(parameter)
            case Leave():
                raise AssertionError


def stack(**values: Any) -> Stack:
    fields = tuple(Field(f"llm.prediction.{key.replace('__', '.')}", value) for key, value in values.items())
    return Stack((Layer("apiOverride", Config(fields)),))


def test_a_later_layer_goes_over_an_earlier_one_and_boxes_count_when_checked() -> None:
    layers = (
        Layer("instance", Config((Field("llm.prediction.temperature", 0.1), Field("llm.prediction.topKSampling", 5)))),
        Layer("apiOverride", Config((Field("llm.prediction.temperature", 0.9), Field("x.y", [1])))),
    )
    made = chat((), Stack(layers))
    assert (made.sampling.temperature, made.sampling.top_k) == (0.9, 5)
    boxes = stack(
        maxPredictedTokens={"checked": True, "value": 9},
        seed={"checked": False, "value": 4},
        topPSampling={"checked": True, "value": 0.5},
        llama__logitBias=[[5, 1.5], [6, "-inf"], ["x", 1], [7]],
        logProbs={"checked": True, "value": 3},
        reasoning__enableThinking=False,
        contextOverflowPolicy="rollingWindow",
    )
    made = raw("p", boxes)
    assert (made.prompt, made.max_tokens, made.sampling.seed, made.sampling.top_p) == ("p", 9, None, 0.5)
    assert made.sampling.logit_bias == {"5": 1.5, "6": -100.0}
    assert (made.logprobs, made.effort, made.overflow) == (3, "off", "rollingWindow")


def test_the_system_prompt_of_the_settings_stands_first_unless_there_is_one() -> None:
    turn = {"role": "user", "content": "Hi"}
    assert chat([turn], stack(systemPrompt="Be brief.")).messages[0] == {"role": "system", "content": "Be brief."}
    own = {"role": "system", "content": "Mine."}
    assert chat([own, turn], stack(systemPrompt="Be brief.")).messages == (own, turn)


@pytest.mark.parametrize(
    ("tools", "choice", "expected"),
    [
        ({"type": "none"}, None, (0, "auto")),
        ({"type": "toolArray", "tools": [ONE_TOOL, 3]}, None, (1, "auto")),
        ({"type": "toolArray", "tools": [ONE_TOOL], "force": True}, None, (1, "required")),
        ({"type": "toolArray", "tools": [ONE_TOOL]}, "required", (1, "required")),
        ({"type": "toolArray", "tools": [ONE_TOOL]}, "none", (0, "auto")),
        ({"type": "toolArray"}, "required", (0, "auto")),
    ],
)  # fmt: skip
def test_tools_and_their_choice(tools: Any, choice: str | None, expected: tuple[int, str]) -> None:
    made = chat((), stack(tools=tools, toolChoice={"type": "generic", "mode": choice} if choice else None))
    assert (len(made.tools), made.tool_choice) == expected


@given(st.dictionaries(st.sampled_from([
    "temperature", "maxPredictedTokens", "stopStrings", "structured", "tools", "toolChoice", "seed", "topKSampling",
    "logProbs", "llama.logitBias", "llama.mirostatSampling", "reasoning.enableThinking", "contextOverflowPolicy",
    "systemPrompt",
]), JSON | st.fixed_dictionaries({"checked": st.booleans(), "value": JSON})))  # fmt: skip
def test_settings_of_any_type_make_a_generation_that_can_be_sent(values: dict[str, Any]) -> None:
    made = chat([{"role": "user", "content": "Hi"}], stack(**values))
    decoded = msgspec.json.decode(msgspec.json.encode(made), type=type(made))
    assert decoded.sampling == made.sampling
    load = tuple(Field(f"llm.load.{key}", value) for key, value in values.items())
    msgspec.json.encode(load_config(Stack((Layer("apiOverride", Config(load)),)), "llm"))


def test_a_history_becomes_messages() -> None:
    history = msgspec.json.decode(
        json.dumps(
            {
                "messages": [
                    {"role": "system", "content": [{"type": "text", "text": "S"}]},
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "a"},
                            {"type": "file", "name": "n", "identifier": "f.png", "sizeBytes": 1, "fileType": "image"},
                            {"type": "file", "name": "n", "identifier": "t", "sizeBytes": 1, "fileType": "text/plain"},
                        ],
                    },
                    {
                        "role": "assistant",
                        "content": [
                            {"type": "text", "text": ""},
                            {
                                "type": "toolCallRequest",
                                "toolCallRequest": {"type": "function", "id": "1", "name": "f", "arguments": {"ä": 1}},
                            },
                        ],
                    },
                    {
                        "role": "tool",
                        "content": [
                            {"type": "toolCallResult", "content": "r1", "toolCallId": "1"},
                            {"type": "toolCallResult", "content": "r2"},
                        ],
                    },
                ]
            }
        ),
        type=History,
    )
    system, user, assistant, *results = messages(history, lambda name: f"data:{name}")
    assert system == {"role": "system", "content": "S"}
    assert user["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "data:f.png"}},
    ]
    assert assistant["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"ä": 1}'}
    assert results == [
        {"role": "tool", "content": "r1", "tool_call_id": "1"},
        {"role": "tool", "content": "r2"},
    ]
    assert history.text() == "Sa"


def upload(uploads: Uploads, name: str, raw_bytes: bytes) -> str:
    return uploads.add(name, base64.b64encode(raw_bytes).decode()).identifier


def test_uploads_are_kept_for_a_while_and_the_oldest_go_first() -> None:
    now = [0.0]
    uploads = Uploads(most=2, keep_s=10, clock=lambda: now[0])
    png = b"\x89PNG\r\n\x1a\n"
    first, second = upload(uploads, "a.png", png), upload(uploads, "a.png", png)
    assert first != second
    assert uploads.data_url(first).startswith("data:image/png;base64,")
    upload(uploads, "b.png", png)
    with pytest.raises(Failed, match="No file"):
        uploads.data_url(first)
    assert uploads.data_url(second)
    now[0] = 10.0
    with pytest.raises(Failed, match="No file"):
        uploads.data_url(second)


def test_uploads_are_bounded_and_have_to_be_base64() -> None:
    uploads = Uploads(file_bytes=100, most_bytes=150)
    with pytest.raises(Failed, match="100 bytes"):
        uploads.add("a", base64.b64encode(bytes(200)).decode())
    with pytest.raises(Failed, match="no base64"):
        uploads.add("a", "%%%")
    first = upload(uploads, "a.png", b"\xff\xd8\xff" + bytes(80))
    upload(uploads, "b.png", bytes(80))
    with pytest.raises(Failed, match="No file"):
        uploads.data_url(first)
    text = upload(uploads, "c.txt", b"text")
    with pytest.raises(Failed, match="no image"):
        uploads.data_url(text)


@pytest.mark.parametrize(
    ("name", "raw_bytes", "expected"),
    [
        ("x", b"GIF89a", "image"),
        ("x", b"RIFF0000WEBP", "image"),
        ("x.pdf", b"%PDF-1.7", "application/pdf"),
        ("x.docx", b"PK", "application/word"),
        ("x.txt", "Grüße".encode(), "text/plain"),
        ("x.py", b"pass", "text/other"),
        ("x.bin", b"\xff\x00", "unknown"),
    ],
)
def test_what_a_file_is(name: str, raw_bytes: bytes, expected: str) -> None:
    assert file_type(name, raw_bytes)[0] == expected


TEXTS = st.lists(st.builds(Text, st.text(max_size=5), st.integers(0, 3), st.booleans()), max_size=12)


@given(TEXTS)
def test_fragments_give_the_text_and_thoughts_stand_between_tags(pieces: list[Text]) -> None:
    spoken = Spoken()
    sent = [json.loads(message) for piece in pieces for message in spoken.messages(piece)]
    sent += [json.loads(message) for message in spoken.broken_off()]
    fragments = [each["fragment"] for each in sent]
    for fragment in fragments:
        assert fragment.keys() >= {"content", "tokensCount", "containsDrafted", "reasoningType", "isStructural"}
    for kind, reasoning in (("none", False), ("reasoning", True)):
        wanted = "".join(piece.text for piece in pieces if piece.reasoning is reasoning)
        assert "".join(each["content"] for each in fragments if each["reasoningType"] == kind) == wanted
    inside = False
    for fragment in fragments:
        kind = fragment["reasoningType"]
        assert (kind in ("reasoning", "reasoningEndTag")) is inside
        inside = kind in ("reasoningStartTag", "reasoning")
    assert not inside
    assert spoken.text() == "".join(piece.text for piece in pieces)


@given(st.lists(st.tuples(st.text(max_size=4), JSON.map(json.dumps) | st.text(max_size=6)), max_size=4), st.data())
def test_calls_come_out_whole_however_their_arguments_are_split(
    calls: list[tuple[str, str]], data: st.DataObject
) -> None:
    pieces: list[Piece] = []
    for index, (name, arguments) in enumerate(calls):
        cut = data.draw(st.integers(0, len(arguments)))
        pieces.append(CallStart(index, str(index), name))
        pieces += [CallArguments(index, arguments[:cut]), CallArguments(index, arguments[cut:])]
    spoken = Spoken()
    sent = [
        json.loads(message) for piece in [*pieces, Done("toolCalls", Stats())] for message in spoken.messages(piece)
    ]
    ends = [each for each in sent if each["type"] in ("toolCallGenerationEnd", "toolCallGenerationFailed")]
    assert len(ends) == len(calls)
    for end, (name, arguments) in zip(ends, calls, strict=True):
        assert end["rawContent"] == arguments
        if end["type"] == "toolCallGenerationEnd":
            assert end["toolCallRequest"]["name"] == name
            assert isinstance(end["toolCallRequest"]["arguments"], dict)


def test_progress_rises_and_statistics_are_told() -> None:
    now = [10.0]
    spoken = Spoken(lambda: now[0])
    assert spoken.heartbeat() is not None
    shares = [
        json.loads(message)["progress"]
        for piece in (PromptProgress(0, 10), PromptProgress(4, 10, 4), PromptProgress(4, 10, 4), PromptProgress(10, 10))
        for message in spoken.messages(piece)
    ]
    assert shares == [0.0, 0.4, 1.0]
    now[0] = 12.0
    token = TokenChoice("a", 1, -0.5, (TokenChoice("b", 2, -1.0),))
    (fragment,) = spoken.messages(Text("a", 2, logprobs=(token,)))
    assert json.loads(fragment)["fragment"]["tokens"] == [
        {"text": "a", "id": 1, "logProb": -0.5, "candidates": [{"text": "b", "id": 2, "logProb": -1.0}]}
    ]
    assert spoken.heartbeat() is None
    now[0] = 14.0
    broken = spoken.stats()
    assert broken == {
        "stopReason": "userStopped",
        "totalTimeSec": 4.0,
        "promptTokensCount": 10,
        "predictedTokensCount": 2,
        "totalTokensCount": 12,
        "timeToFirstTokenSec": 2.0,
        "tokensPerSecond": 1.0,
    }
    spoken.messages(Done("stopStringFound", Stats(prompt_tokens=10, completion_tokens=3), "END"))
    assert (spoken.stats()["stopReason"], spoken.stats()["stopString"]) == ("stopStringFound", "END")
