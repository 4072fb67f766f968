"""`openai` on our transport: its answers, its errors, our connections."""

import json
import sys
from contextlib import nullcontext

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from raw_server import DONE, GOOD_WHOLE, Behaviour, Exchange, delta, good, serving

from wakeful.lmstudio import NO_RETRY, AsyncLMStudioClient, MissingExtra, RetryConfig, Timeouts
from wakeful.lmstudio.interop.openai import openai_client
from wakeful.lmstudio.interop.openai_transport import only_comments

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "x"}]


async def test_whole_and_streamed_answers_over_one_connection_with_our_token() -> None:
    async with serving(good) as server, AsyncLMStudioClient(server.url, api_token="sk-x") as client:
        async with openai_client(client) as theirs:
            whole = await theirs.chat.completions.create(model="m", messages=MESSAGES)
            stream = await theirs.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
        assert (await client.chat("still open")).text == whole.choices[0].message.content == text == "Grüße, Welt"
    assert server.connections == 1
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer sk-x"}
    assert not any(name.startswith("x-stainless") for name in server.requests[0].headers)


def answering(status: int, message: str) -> Behaviour:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.answer(status, {"error": {"message": message}}, Retry_After="7")

    return behaviour


@pytest.mark.parametrize(
    ("status", "message", "raised", "code"),
    [
        (401, "no", openai.AuthenticationError, "invalid_api_key"),
        (404, "model_not_found", openai.NotFoundError, "model_not_found"),
        (429, "slow down", openai.RateLimitError, "rate_limit_exceeded"),
        (400, "context size has been exceeded", openai.BadRequestError, "context_length_exceeded"),
        (400, "The model has crashed", openai.InternalServerError, "model_not_ready"),
        (422, "temperature?", openai.UnprocessableEntityError, "invalid_request_error"),
        (500, "oh", openai.InternalServerError, "bad_answer"),
        (200, "Unexpected endpoint", openai.NotFoundError, "route_missing"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_refusals_are_openai_s_own(
    status: int, message: str, raised: type[openai.APIStatusError], code: str, stream: bool
) -> None:
    async with serving(answering(status, message)) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
        with pytest.raises(raised) as caught:
            await openai_client(client).chat.completions.create(model="m", messages=MESSAGES, stream=stream)
    assert caught.value.code == code
    assert len(server.requests) == 1
    if status == 429:
        assert caught.value.response.headers["Retry-After"] == "7.0"


async def test_our_retries_and_only_ours() -> None:
    async def second_time(exchange: Exchange) -> None:
        if exchange.number == 1:
            await exchange.answer(503, {"error": "loading"})
        else:
            await exchange.answer(200, GOOD_WHOLE)

    config = RetryConfig(max_retries=2, backoff_factor=0.001)
    async with serving(second_time) as server, AsyncLMStudioClient(server.url, retry=config) as client:
        await openai_client(client).chat.completions.create(model="m", messages=MESSAGES)
    assert len(server.requests) == 2


async def test_nobody_there(free_port: int) -> None:
    async with AsyncLMStudioClient(f"http://127.0.0.1:{free_port}", retry=NO_RETRY) as client:
        with pytest.raises(openai.APIConnectionError):
            await openai_client(client).models.list()


async def test_time_outs_before_and_in_the_answer() -> None:
    async def silent(exchange: Exchange) -> None:
        if exchange.number > 1:
            await exchange.head()
            await exchange.chunk(delta("a"))
            for _ in range(20):
                await exchange.chunk(b": ping\n\n")
        await exchange.gone()

    limits = Timeouts(first_token_s=0.2, between_tokens_s=0.2)
    async with serving(silent) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY, timeouts=limits) as client:
        theirs = openai_client(client)
        with pytest.raises(openai.APITimeoutError):
            await theirs.chat.completions.create(model="m", messages=MESSAGES, timeout=0.05)
        stream = await theirs.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        with pytest.raises(openai.APITimeoutError):
            async for _ in stream:
                pass
        await server.gone.wait()


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_a_stream_that_is_cut_off_does_not_end_quietly(how: str) -> None:
    async def cut(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(delta("half"))
        if how == "end":
            await exchange.end()
        else:
            exchange.reset()

    async with serving(cut) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
        stream = await openai_client(client).chat.completions.create(model="m", messages=MESSAGES, stream=True)
        with pytest.raises(openai.APIConnectionError):
            async for _ in stream:
                pass


@pytest.mark.parametrize("piece", [delta("half", error=None), delta("half", finish="")])
async def test_empty_fields_are_no_proper_end(piece: bytes) -> None:
    async def cut(exchange: Exchange) -> None:
        await exchange.head()
        for byte in piece:
            await exchange.chunk(bytes([byte]))
        await exchange.end()

    async with serving(cut) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
        stream = await openai_client(client).chat.completions.create(model="m", messages=MESSAGES, stream=True)
        with pytest.raises(openai.APIConnectionError):
            async for _ in stream:
                pass


@pytest.mark.parametrize("proper_end", [False, True])
async def test_responses_end_at_their_last_event_and_not_at_the_first_one_s_empty_error(proper_end: bool) -> None:
    about = {"id": "r", "object": "response", "created_at": 1, "error": None, "model": "m", "output": []}

    async def respond(exchange: Exchange) -> None:
        await exchange.head()
        for kind in ("response.created", "response.completed") if proper_end else ("response.created",):
            event = {"type": kind, "sequence_number": 0, "response": about}
            await exchange.chunk(f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode())
        await exchange.end()

    async with serving(respond) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
        stream = await openai_client(client).responses.create(model="m", input="x", stream=True)
        with nullcontext() if proper_end else pytest.raises(openai.APIConnectionError):
            async for _ in stream:
                pass


@pytest.mark.parametrize("url", ["http://localhost:80", "https://localhost:443", "http://localhost/a b"])
async def test_addresses_that_httpx2_writes_otherwise(url: str) -> None:
    """Nobody is asked: a path beside the server's is refused, and ours goes on to the transport."""
    async with AsyncLMStudioClient(url) as client:
        await client.close()
        with pytest.raises(openai.APIConnectionError) as caught:
            await openai_client(client).models.list()
    assert isinstance(caught.value.__cause__, httpx2.ConnectError)


async def test_a_stream_is_over_at_its_done_wherever_it_is_split() -> None:
    async def held_open(exchange: Exchange) -> None:
        await exchange.head()
        for byte in delta("a") + DONE:
            await exchange.chunk(bytes([byte]))
        await exchange.gone()

    async with serving(held_open) as server, AsyncLMStudioClient(server.url) as client:
        stream = await openai_client(client).chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert [chunk.choices[0].delta.content async for chunk in stream] == ["a"]


def test_pings_are_no_progress() -> None:
    assert only_comments(b": ping\r\n\r\n")
    assert not only_comments(b": ping\n\ndata: {}\n\n")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtra, match=r"wakeful\[openai\]"):
        openai_client(AsyncLMStudioClient())
