"""How models are loaded, unloaded and downloaded, and what `ensure_loaded` will not do."""

import asyncio
from typing import Any

import pytest
from raw_server import Exchange, serving
from scripted import asked

from wakeful.lmstudio import (
    AsyncLMStudioClient,
    Download,
    LoadFailed,
    MalformedAnswer,
    Model,
    ModelNotFound,
    NoModelLoaded,
    RouteMissing,
    ServerTooSlow,
    best_that_fits,
)

GB = 10**9


class LMStudio:
    """As much of LM Studio's REST API v1 as these tests need. loaded: key to (instance id, context length)."""

    def __init__(self, sizes: dict[str, int], loaded: dict[str, int] | None = None) -> None:
        self.sizes = sizes
        self.loaded = dict(loaded or {})
        self.loads: list[dict[str, Any]] = []

    async def __call__(self, exchange: Exchange) -> None:
        match exchange.path:
            case "/api/v1/models":
                await exchange.answer(200, {"models": [self._model(key) for key in self.sizes]})
            case "/api/v1/models/load":
                body = asked(exchange)
                self.loads.append(body)
                if body["model"] not in self.sizes:
                    refusal = {"type": "model_not_found", "message": "no such model", "code": "model_not_found"}
                    await exchange.answer(404, {"error": refusal})
                    return
                self.loaded[body["model"]] = body.get("context_length", 4096)
                answer = {"type": "llm", "instance_id": body["model"], "load_time_seconds": 9.1, "status": "loaded"}
                await exchange.answer(200, {**answer, "load_config": {"context_length": 4096}, "device": "gpu"})
            case "/api/v1/models/unload":
                del self.loaded[asked(exchange)["instance_id"]]
                await exchange.answer(200, {"instance_id": asked(exchange)["instance_id"]})
            case _:
                await exchange.answer(200, {"lmstudio": True})

    def _model(self, key: str) -> dict[str, Any]:
        loaded = [{"id": key, "config": {"context_length": self.loaded[key]}}] if key in self.loaded else []
        return {"type": "llm", "key": key, "size_bytes": self.sizes[key], "loaded_instances": loaded}


async def test_load_sends_only_what_was_asked_and_keeps_what_it_does_not_know() -> None:
    async with serving(LMStudio({"m": GB})) as server, AsyncLMStudioClient(server.url) as client:
        loaded = await client.load_model("m", context_length=8192, flash_attention=True)
        assert (loaded.instance_id, loaded.load_time_seconds, loaded.extra) == ("m", 9.1, {"device": "gpu"})
        await client.unload_model("m")
    body = asked(server.requests[0])
    assert body == {"model": "m", "context_length": 8192, "flash_attention": True, "echo_load_config": True}


async def test_a_model_that_there_is_not_and_a_server_that_can_not_load() -> None:
    async def old(exchange: Exchange) -> None:
        await exchange.answer(200, {"error": f"Unexpected endpoint or method. (POST {exchange.path})"})

    async def vague(exchange: Exchange) -> None:
        await exchange.answer(200, {"status": "loaded"})

    async with serving(LMStudio({})) as server, AsyncLMStudioClient(server.url) as client:
        with pytest.raises(ModelNotFound):
            await client.load_model("m")
    async with serving(old) as server, AsyncLMStudioClient(server.url) as client:
        with pytest.raises(RouteMissing, match=r"0\.4"):
            await client.load_model("m")
    async with serving(vague) as server, AsyncLMStudioClient(server.url) as client:
        with pytest.raises(MalformedAnswer):
            await client.load_model("m")


async def test_what_is_loaded_will_do() -> None:
    studio = LMStudio({"a": GB, "b": GB}, {"b": 8192})
    async with serving(studio) as server, AsyncLMStudioClient(server.url) as client:
        assert (await client.ensure_loaded()).key == "b"
        assert (await client.ensure_loaded("b", context_length=8192)).key == "b"
        assert (await client.wait_for_model("b")).key == "b"
    assert studio.loads == []


async def test_nothing_in_use_is_pushed_out_unless_allowed() -> None:
    studio = LMStudio({"a": GB, "b": GB}, {"b": 4096})
    async with serving(studio) as server, AsyncLMStudioClient(server.url) as client:
        with pytest.raises(NoModelLoaded, match="may_evict"):
            await client.ensure_loaded("a")
        with pytest.raises(NoModelLoaded, match="may_evict"):
            await client.ensure_loaded("b", context_length=32768)
        assert studio.loads == []
        assert (await client.ensure_loaded("a", may_evict=True, context_length=9000)).context_length == 9000


async def test_with_nothing_loaded_the_best_that_fits_is_loaded_once() -> None:
    studio = LMStudio({"small": GB, "best": 5 * GB, "huge": 60 * GB})
    async with serving(studio) as server, AsyncLMStudioClient(server.url) as client:
        found = await asyncio.gather(*(client.ensure_loaded(memory_bytes=16 * GB) for _ in range(5)))
    assert {model.key for model in found} == {"best"}
    assert len(studio.loads) == 1


@pytest.mark.parametrize(("memory", "chosen"), [(16 * GB, "best"), (GB, "small"), (None, "small"), (200 * GB, "huge")])
def test_the_best_that_fits(memory: int | None, chosen: str) -> None:
    sizes = {"best": 5 * GB, "huge": 60 * GB, "small": GB}
    models = [Model(key, "llm", size_bytes=size) for key, size in sizes.items()]
    assert best_that_fits([*models, Model("e", "embedding", size_bytes=2 * GB)], memory).key == chosen
    with pytest.raises(NoModelLoaded):
        best_that_fits([], memory)


async def test_waiting_for_a_model_ends_when_it_is_there_or_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wakeful.lmstudio.models.ensure._FIRST_LOOK_S", 0.02)
    studio = LMStudio({"m": GB})
    async with serving(studio) as server, AsyncLMStudioClient(server.url) as client:
        with pytest.raises(NoModelLoaded):
            await client.wait_for_model("m", limit_s=0.05)
        with pytest.raises(ModelNotFound):
            await client.wait_for_model("other", limit_s=5)
        waiting = asyncio.create_task(client.wait_for_model("m", limit_s=5))
        await asyncio.sleep(0)
        studio.loaded["m"] = 4096
        assert (await waiting).context_length == 4096


def downloading(*states: dict[str, Any]):
    async def behaviour(exchange: Exchange) -> None:
        await exchange.answer(200, states[min(exchange.number, len(states)) - 1])

    return behaviour


async def test_a_download_tells_how_far_it_is() -> None:
    job = {"job_id": "j/1", "total_size_bytes": 100}
    states = [{**job, "status": "downloading", "downloaded_bytes": done, "node": 1} for done in (0, 40, 40)]
    seen: list[Download] = []
    async with serving(downloading(*states, {**job, "status": "completed"})) as server:
        async with AsyncLMStudioClient(server.url) as client:
            done = await client.download_model("m", quantization="Q4_K_M", on_progress=seen.append, poll_s=0.01)
    assert [round(each.share, 2) for each in seen] == [0, 0.4, 1]
    assert (done.status, seen[0].extra) == ("completed", {"node": 1})
    assert asked(server.requests[0]) == {"model": "m", "quantization": "Q4_K_M"}
    assert server.requests[1].path == "/api/v1/models/download/status/j%2F1"


async def test_downloads_that_were_not_needed_that_fail_and_that_take_too_long() -> None:
    async with serving(downloading({"status": "already_downloaded"})) as server:
        async with AsyncLMStudioClient(server.url) as client:
            assert (await client.download_model("m")).share == 1
    for states, error in (
        ([{"job_id": "j", "status": "downloading"}, {"job_id": "j", "status": "failed"}], LoadFailed),
        ([{"job_id": "j", "status": "downloading"}], ServerTooSlow),
        ([{"job_id": "j"}], MalformedAnswer),
        ([{"job_id": "j", "status": "downloading", "total_size_bytes": "much"}], MalformedAnswer),
    ):
        async with serving(downloading(*states)) as server, AsyncLMStudioClient(server.url) as client:
            with pytest.raises(error):
                await client.download_model("m", poll_s=0.01, limit_s=0.2)
