"""Texts carried on: whole, and chunk by chunk."""

import asyncio
import json
from typing import Any

import pytest
from canned import AT_ONCE, TIMEOUTS, at_second_try, byte_by_byte, routed, says, streams
from raw_server import DONE, Behaviour, serving

from wakeful.lmstudio import (
    BadRequest,
    LMStudioError,
    MalformedAnswer,
    ModelCrashed,
    ServerTooSlow,
    StreamBroken,
    Timeouts,
    Usage,
    UsageEvent,
)
from wakeful.lmstudio.endpoints.completions import (
    ChoiceFinished,
    CompletionEvent,
    CompletionsEndpoint,
    CompletionStream,
    TextCompletion,
    TextDelta,
)
from wakeful.lmstudio.http.transport import Transport

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
STATS = {"tokens_per_second": 40.5, "time_to_first_token": 0.25, "generation_time": 1, "stop_reason": "eosFound"}
WHOLE: dict[str, Any] = {
    "id": "cmpl-1",
    "object": "text_completion",
    "model": "granite",
    "choices": [{"index": 0, "text": "Grüße, Welt", "logprobs": None, "finish_reason": "stop", "new": 1}],
    "usage": USAGE,
    "stats": STATS,
}


def chunk(text: str = "", *, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    choice = {"index": index, "text": text, "logprobs": None, "finish_reason": finish}
    body = {"id": "cmpl-1", "object": "text_completion", "model": "granite", "choices": [choice], **more}
    return b"data: %s\n\n" % json.dumps(body).encode()


HALF = chunk("Grüße, ") + chunk("Welt")
GOOD = HALF + chunk(finish="stop", stats=STATS) + b'data: {"choices": [], "usage": %s}\n\n' % json.dumps(USAGE).encode()


async def streamed(behaviour: Behaviour, **options: Any) -> tuple[list[CompletionEvent], CompletionStream]:
    async with routed(behaviour, **options) as route, CompletionsEndpoint(route.transport).stream("Grü") as stream:
        return [event async for event in stream], stream


async def fails(behaviour: Behaviour, **options: Any) -> LMStudioError:
    with pytest.raises(LMStudioError) as caught:
        await streamed(behaviour, **options)
    return caught.value


def assert_whole(result: TextCompletion | None) -> None:
    assert result is not None
    assert (result.id, result.model, result.text, result.finish_reason) == ("cmpl-1", "granite", "Grüße, Welt", "stop")
    assert (result.usage.prompt_tokens, result.usage.completion_tokens, result.usage.total_tokens) == (5, 2, 7)
    assert (result.stats.tokens_per_second, result.stats.time_to_first_token_s) == (40.5, 0.25)
    assert (result.stats.generation_time_s, result.stats.stop_reason) == (1, "eosFound")
    assert result.extra == {"object": "text_completion"}


async def test_whole_with_every_option() -> None:
    async with routed(says(200, WHOLE)) as route:
        endpoint = CompletionsEndpoint(route.transport)
        result = await endpoint.create(
            "Grü",
            model="granite",
            max_tokens=9,
            temperature=0,
            top_p=0.5,
            top_k=4,
            min_p=0.1,
            repeat_penalty=1.1,
            presence_penalty=0.2,
            frequency_penalty=0.3,
            logit_bias={"5": -1},
            seed=7,
            stop=["\n"],
            ttl_s=60,
            extra={"echo": True, "seed": 8},
        )
        await endpoint.create("Grü", temperature=None)
    assert_whole(result)
    assert result.choices[0].extra == {"new": 1}
    assert route.asked == [
        {
            "model": "granite",
            "prompt": "Grü",
            "stream": False,
            "max_tokens": 9,
            "temperature": 0,
            "top_p": 0.5,
            "top_k": 4,
            "min_p": 0.1,
            "repeat_penalty": 1.1,
            "presence_penalty": 0.2,
            "frequency_penalty": 0.3,
            "logit_bias": {"5": -1},
            "seed": 8,
            "stop": ["\n"],
            "ttl": 60,
            "echo": True,
        },
        {"prompt": "Grü", "stream": False, "max_tokens": 1024},
    ]


@pytest.mark.parametrize("end", [DONE, b""])
async def test_streamed(end: bytes) -> None:
    events, stream = await streamed(streams(GOOD + end))
    assert events == [TextDelta("Grüße, "), TextDelta("Welt"), ChoiceFinished("stop"), UsageEvent(Usage(5, 2))]
    assert stream.text == "Grüße, Welt"
    assert_whole(stream.result)


async def test_cut_at_every_byte() -> None:
    assert (await streamed(byte_by_byte(GOOD + DONE)))[0] == (await streamed(streams(GOOD + DONE)))[0]


async def test_several_choices() -> None:
    both = chunk("a") + chunk("b", index=1) + chunk("c", finish="length", index=1)
    assert isinstance(await fails(streams(both)), StreamBroken)  # one of them has no end
    _, stream = await streamed(streams(both + chunk("d", finish="stop") + DONE))
    assert stream.result is not None
    assert [(each.text, each.finish_reason) for each in stream.result.choices] == [("ad", "stop"), ("bc", "length")]
    assert stream.text == "ad"


@pytest.mark.parametrize("then", ["end", "reset"])
@pytest.mark.parametrize("end", [b"", DONE])
async def test_a_stream_without_finish_reason_is_broken(then: str, end: bytes) -> None:
    failure = await fails(streams(HALF + end, then=then))
    assert isinstance(failure, StreamBroken)
    assert failure.partial == "Grüße, Welt"
    assert isinstance(await fails(streams(end or b": ping\n\n", then=then)), StreamBroken)


async def test_after_the_finish_reason_only_formalities_are_missing() -> None:
    for then in ("reset", "silence"):
        _, stream = await streamed(
            streams(GOOD, then=then), timeouts=Timeouts(first_token_s=5, between_tokens_s=0.1, whole_s=5)
        )
        assert_whole(stream.result)


async def test_silence_runs_out() -> None:
    failure = await fails(streams(HALF, then="silence"), timeouts=Timeouts(first_token_s=5, between_tokens_s=0.1))
    assert isinstance(failure, ServerTooSlow)
    assert (failure.stage, failure.partial) == ("between_tokens", "Grüße, Welt")


@pytest.mark.parametrize(
    "told",
    [
        b'event: error\ndata: {"error": {"message": "The model has crashed"}, "message": "x"}\n\n',
        b'data: {"error": "The model has crashed"}\n\n',
    ],
)
async def test_errors_told_in_the_stream(told: bytes) -> None:
    failure = await fails(streams(HALF + told + DONE))
    assert isinstance(failure, ModelCrashed)
    assert failure.partial == "Grüße, Welt"


async def test_a_server_that_does_not_stream() -> None:
    events, stream = await streamed(says(200, WHOLE))
    assert events == [TextDelta("Grüße, Welt"), ChoiceFinished("stop"), UsageEvent(Usage(5, 2))]
    assert_whole(stream.result)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": "'prompt' field is required"}, BadRequest),
        (200, {"choices": [{"text": "half", "finish_reason": None}]}, StreamBroken),
        (200, {"choices": []}, MalformedAnswer),
        (200, {"choices": 5}, MalformedAnswer),
        (200, b"5", MalformedAnswer),
        (200, b"{", MalformedAnswer),
    ],
)
async def test_errors(status: int, body: Any, error: type[LMStudioError]) -> None:
    assert isinstance(await fails(says(status, body)), error)
    async with routed(says(status, body)) as route:
        with pytest.raises(error):
            await CompletionsEndpoint(route.transport).create("x")


async def test_what_never_began_is_sent_again() -> None:
    _, stream = await streamed(at_second_try(streams(GOOD)), retry=AT_ONCE)
    assert_whole(stream.result)
    async with routed(at_second_try(says(200, WHOLE)), retry=AT_ONCE) as route:
        assert_whole(await CompletionsEndpoint(route.transport).create("x"))


async def test_leaving_early_stops_the_server() -> None:
    async with serving(streams(HALF, then="silence")) as server:
        transport = Transport(server.url, timeouts=TIMEOUTS)
        async with CompletionsEndpoint(transport).stream("Grü") as stream:
            assert await anext(stream) == TextDelta("Grüße, ")
        await asyncio.wait_for(server.gone.wait(), 5)
        await transport.close()


async def test_what_came_together_with_something_unreadable_is_given_before_it() -> None:
    pieces = b'data: {"choices":[{"index":0,"text":"one "}]}\n\ndata: {"choices": [}\n\n'
    async with routed(streams(pieces)) as route:
        stream = CompletionsEndpoint(route.transport).stream("x")
        assert await anext(stream) == TextDelta("one ", 0)
        with pytest.raises(MalformedAnswer) as caught:
            await anext(stream)
    assert caught.value.partial == "one "
