"""The names of the described client: requests, responses, and the two functions."""

import asyncio
import json

import pytest
from raw_server import Exchange, good, serving

import wakeful.lmstudio
from wakeful.lmstudio import (
    NO_RETRY,
    AsyncLMStudioClient,
    AuthError,
    BadRequest,
    ErrorType,
    LMStudioClient,
    LMStudioError,
    MalformedAnswer,
    NoModelLoaded,
    RetryConfig,
    ServerBusy,
    ServerError,
    ServerTooSlow,
    ServerUnreachable,
)
from wakeful.lmstudio.interop.described import (
    CompletionRequest,
    complete,
    create_completion,
    create_completion_simple,
    health_check,
    list_models,
    wait_for_connection,
)

TEXT = {
    "id": "c1",
    "created": 5,
    "model": "m",
    "choices": [{"index": 0, "text": " Welt", "finish_reason": "stop", "new": 1}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "new": 2},
    "stats": {"tokens_per_second": 9},
}


async def lmstudio(exchange: Exchange) -> None:
    if exchange.path == "/v1/completions":
        await exchange.answer(200, TEXT)
    elif exchange.path == "/lmstudio-greeting":
        await exchange.answer(200, {"lmstudio": True})
    elif exchange.path == "/api/v1/models":
        await exchange.answer(200, {"models": [{"key": "m", "type": "llm", "loaded_instances": []}]})
    else:
        await good(exchange)


async def test_a_prompt_is_completed_and_nothing_unknown_dropped() -> None:
    async with serving(lmstudio) as server, AsyncLMStudioClient(server.url) as client:
        answer = await create_completion(client, CompletionRequest(model="m", prompt="Hallo", extra={"min_p": 0.1}))
        text = await create_completion_simple(client, "m", "Hallo", temperature=0.0, min_p=0.2)
    assert (answer.text, text, answer.usage.total_tokens) == (" Welt", " Welt", 3)
    assert (answer.choices[0].extra, answer.usage.extra, answer.extra) == (
        {"new": 1},
        {"new": 2},
        {"stats": {"tokens_per_second": 9}},
    )
    assert [json.loads(request.body) for request in server.requests] == [
        {"model": "m", "prompt": "Hallo", "min_p": 0.1},
        {"model": "m", "prompt": "Hallo", "temperature": 0.0, "min_p": 0.2},
    ]


async def test_messages_go_to_the_chat_endpoint() -> None:
    async with serving(good) as server, AsyncLMStudioClient(server.url) as client:
        answer = await create_completion(client, CompletionRequest(messages=[{"role": "user", "content": "x"}]))
    assert (server.requests[0].path, answer.text) == ("/v1/chat/completions", "Grüße, Welt")
    assert answer.choices[0].message == {"role": "assistant", "content": "Grüße, Welt"}


@pytest.mark.parametrize(
    "request_",
    [CompletionRequest(), CompletionRequest(prompt="", messages=[]), CompletionRequest(prompt="", stream=True)],
)
async def test_what_can_not_be_asked_is_refused(request_: CompletionRequest) -> None:
    with pytest.raises(ValueError, match=r".+"):
        await create_completion(AsyncLMStudioClient(), request_)


async def test_an_answer_without_choices_is_an_error() -> None:
    async def empty(exchange: Exchange) -> None:
        await exchange.answer(200, {"choices": []})

    async with serving(empty) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
        with pytest.raises(MalformedAnswer):
            await create_completion(client, CompletionRequest(prompt=""))


async def test_health_and_waiting(free_port: int) -> None:
    async with serving(lmstudio) as server, AsyncLMStudioClient(server.url) as client:
        await wait_for_connection(client, 5)
        assert await health_check(client)
    async with AsyncLMStudioClient(f"http://127.0.0.1:{free_port}") as client:
        assert not await health_check(client)
        with pytest.raises(ServerUnreachable):
            await wait_for_connection(client, 0.1)


async def test_the_functions_for_programs_without_a_loop() -> None:
    async with serving(lmstudio) as server:
        models = await asyncio.to_thread(list_models, server.url)
        text = await asyncio.to_thread(complete, "Hallo", base_url=server.url, temperature=0.0)
    assert ([model.key for model in models], text) == (["m"], "Grüße, Welt")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ServerUnreachable, "NETWORK_ERROR"),
        (MalformedAnswer, "API_ERROR"),
        (NoModelLoaded, "API_ERROR"),
        (ServerTooSlow, "TIMEOUT_ERROR"),
        (AuthError, "AUTHENTICATION_ERROR"),
        (ServerBusy, "RATE_LIMIT_ERROR"),
        (ServerError, "SERVER_ERROR"),
        (BadRequest, "CLIENT_ERROR"),
        (LMStudioError, "UNKNOWN_ERROR"),
    ],
)
def test_errors_are_sorted_by_their_type(error: type[LMStudioError], kind: str) -> None:
    raised = error("it failed", status_code=418)
    assert raised.error_type is ErrorType[kind]
    assert (raised.message, raised.status_code) == ("it failed", 418)


def test_every_kind_of_error_is_there() -> None:
    assert len(ErrorType) == 8


def test_the_names_are_there() -> None:
    names = "LMStudioClient AsyncLMStudioClient RetryConfig Model CompletionRequest CompletionResponse CompletionChoice"
    names += " CompletionUsage LMStudioError ErrorType list_models complete LMStudioAdapter LMStudioProvider"
    assert set(names.split()) <= set(wakeful.lmstudio.__all__)
    methods = "list_models create_completion create_completion_simple health_check close"
    for client, ways in ((LMStudioClient, "__enter__ __exit__"), (AsyncLMStudioClient, "__aenter__ __aexit__")):
        assert all(callable(getattr(client, name)) for name in f"{methods} {ways}".split())
    assert RetryConfig(max_retries=1, backoff_factor=2.0, max_backoff=3.0, retry_on_status=frozenset({503}))


async def test_retries_end_at_the_total_deadline() -> None:
    async def busy(exchange: Exchange) -> None:
        await exchange.answer(503, {"error": "loading"}, Retry_After="0.05")

    retry = RetryConfig(max_retries=1000, backoff_factor=0, total_deadline=0.2)
    async with serving(busy) as server, AsyncLMStudioClient(server.url, retry=retry) as client:
        with pytest.raises(ServerError) as caught:
            await client.chat("x")
        with pytest.raises(ServerError):
            await client.create_completion_simple("m", "x")
    assert 1 <= caught.value.attempts <= 4
