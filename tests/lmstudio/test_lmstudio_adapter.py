"""The adapter: answers, counts, and errors under stable codes."""

import json

import pytest
from raw_server import Exchange, delta, good, serving

from wakeful.lmstudio import NO_RETRY, AsyncLMStudioClient, LMStudioError, errors
from wakeful.lmstudio.interop.adapter import AdapterError, LMStudioAdapter, error_code

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


async def test_answers_and_tools() -> None:
    async with serving(good) as server, AsyncLMStudioClient(server.url) as client:
        adapter = LMStudioAdapter(client, "m", tools=[TOOL])
        whole = await adapter.generate_completion("Hallo")
        pieces = [piece async for piece in adapter.generate_completion_stream("Hallo", model="other")]
    assert (whole.text, pieces) == ("Grüße, Welt", ["Grüße, ", "Welt"])
    first, second = (json.loads(request.body) for request in server.requests)
    assert (first["tools"], first["model"], second["model"]) == ([TOOL], "m", "other")


@pytest.mark.parametrize(
    ("status", "message", "code", "retryable"),
    [
        (429, "slow down", "MODEL_RATE_LIMITED", True),
        (400, "context size has been exceeded", "MODEL_CONTEXT_LENGTH", False),
        (404, "model_not_found", "MODEL_NOT_FOUND", False),
        (401, "no", "MODEL_AUTHENTICATION", False),
        (400, "temperature?", "MODEL_INVALID_REQUEST", False),
        (400, "The model has crashed", "MODEL_UNAVAILABLE", True),
        (500, "oh", "MODEL_SERVER_ERROR", True),
    ],
)
async def test_errors_have_stable_codes(status: int, message: str, code: str, retryable: bool) -> None:
    async def failing(exchange: Exchange) -> None:
        await exchange.answer(status, {"error": {"message": message}})

    async with serving(failing) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
        adapter = LMStudioAdapter(client)
        with pytest.raises(AdapterError) as whole:
            await adapter.generate_completion("x")
        with pytest.raises(AdapterError) as streamed:
            async for _ in adapter.generate_completion_stream("x"):
                pass
    for caught in (whole.value, streamed.value):
        assert (caught.code, caught.retryable, caught.status_code) == (code, retryable, status)
        assert isinstance(caught.__cause__, LMStudioError)


async def test_a_broken_stream_keeps_what_came() -> None:
    async def broken(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(delta("half"))
        await exchange.end()

    async with serving(broken) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
        with pytest.raises(AdapterError) as caught:
            async for _ in LMStudioAdapter(client).generate_completion_stream("x"):
                pass
    assert (caught.value.code, caught.value.partial) == ("MODEL_INTERRUPTED", "half")


async def test_counting_falls_back_to_the_estimate() -> None:
    async def cannot_count(exchange: Exchange) -> None:
        await exchange.answer(404, {"error": "no"})

    async with serving(cannot_count) as server, AsyncLMStudioClient(server.url) as client:
        adapter = LMStudioAdapter(client, model="m")
        first = await adapter.count_tokens("Hallo Welt" * 50)
        assert first > 100
        client.experience.tokens.learn("Hallo Welt" * 50, 3 * first, "m")
        assert await adapter.count_tokens("Hallo Welt" * 50) > 3 * first


def test_every_error_has_a_code() -> None:
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, LMStudioError)]
    assert all(error_code(cls("x")).startswith("MODEL_") for cls in classes)
