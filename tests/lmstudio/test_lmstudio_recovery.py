"""What becomes of chats that failed."""

from typing import Any

import pytest
from raw_server import Exchange, good, serving

from wakeful.lmstudio import (
    NO_RETRY,
    AsyncLMStudioClient,
    ContextOverflow,
    EmptyAnswer,
    LMStudioError,
    ModelCrashed,
    NoModelLoaded,
    Recovery,
    ServerTooSlow,
    ServerUnreachable,
    Strategy,
    Timeouts,
)

NOTHING_LOADED = {"error": {"message": "No models loaded. Please load a model in the developer page."}}
CRASHED = {"error": "The model has crashed without additional information. (Exit code: 6)"}
OVERFLOW = {
    "error": {"message": "the request exceeds the available context size (4096)", "type": "exceed_context_size_error"}
}


def failing(times: int, failure: Any):
    chats = 0

    async def behaviour(exchange: Exchange) -> None:
        nonlocal chats
        if exchange.path != "/v1/chat/completions":
            loaded = [{"id": "m", "config": {"context_length": 4096}}]
            models = [{"type": "llm", "key": "m", "loaded_instances": loaded}]
            await exchange.answer(200, {"models": models, "lmstudio": True})
            return
        chats += 1
        if chats > times:
            await good(exchange)
        elif failure == "reset":
            exchange.reset()
        elif failure == "stall":
            await exchange.gone()
        else:
            await exchange.answer(400, failure)

    return behaviour


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        ("reset", ServerUnreachable),
        (NOTHING_LOADED, NoModelLoaded),
        (CRASHED, ModelCrashed),
    ],
)
async def test_what_can_be_remedied_is_and_is_counted(failure: Any, kind: type) -> None:
    async with serving(failing(1, failure)) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
        recovery = Recovery(client)
        assert (await recovery.chat("x")).text == "Grüße, Welt"
        assert recovery.recovered == {kind.__name__: 1}
    async with serving(failing(9, failure)) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
        recovery = Recovery(client)
        with pytest.raises(kind):
            await recovery.chat("x")
        assert recovery.failed == {kind.__name__: 1}


async def test_what_would_not_help_is_not_tried() -> None:
    quick = Timeouts(whole_s=0.1)
    for failure, kind in (("stall", ServerTooSlow), (OVERFLOW, ContextOverflow)):
        async with serving(failing(1, failure)) as server:
            async with AsyncLMStudioClient(server.url, retry=NO_RETRY, timeouts=quick) as client:
                with pytest.raises(kind):
                    await Recovery(client).chat("x")
        assert len(server.requests) == 1


async def test_a_fallback_comes_only_where_it_was_asked_for() -> None:
    async with serving(failing(9, OVERFLOW)) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
        recovery = Recovery(client)
        result = await recovery.chat("x", fallback="[degraded]")
        assert (result.text, result.finish_reason) == ("[degraded]", "fallback")
        with pytest.raises(ContextOverflow):
            await recovery.chat("x")
        assert recovery.failed == {"ContextOverflow": 2}


async def test_strategies_are_the_callers() -> None:
    async with serving(failing(2, OVERFLOW)) as server, AsyncLMStudioClient(server.url, retry=NO_RETRY) as client:
        strategies: dict[type[LMStudioError], Strategy] = {
            ContextOverflow: Strategy("retry", 2),
            EmptyAnswer: Strategy("fail"),
        }
        assert (await Recovery(client, strategies).chat("x")).text == "Grüße, Welt"
