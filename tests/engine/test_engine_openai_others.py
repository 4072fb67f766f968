"""`/v1/models`, `/v1/completions` and `/v1/embeddings`."""

import base64
import struct
from typing import Any

import pytest
from served import PieceRunner, done, say, served, text

from wakeful.engine.errors import UnloadedMeanwhile
from wakeful.engine.life.settings import LifeSettings
from wakeful.engine.runner.scripted import ScriptedRunner
from wakeful.engine.server.settings import Limits, ServerSettings

COMPLETIONS = "/v1/completions"
EMBEDDINGS = "/v1/embeddings"


def model(name: str) -> dict[str, str]:
    return {"id": name, "object": "model", "owned_by": "organization_owner"}


async def test_with_jit_the_list_has_all_models_and_what_is_loaded_under_other_names() -> None:
    async with served() as server:
        await server.models.load("m")
        await server.models.load("m")
        answer = await server.get("/v1/models")
    assert answer.json == {"data": [model("m"), model("other"), model("e"), model("m:2")], "object": "list"}


async def test_without_jit_the_list_has_what_is_loaded() -> None:
    async with served(life=LifeSettings(jit=False)) as server:
        empty = await server.get("/v1/models")
        await server.models.load("other", identifier="mine")
        loaded = await server.get("/v1/models")
    assert (empty.json["data"], loaded.json["data"]) == ([], [model("mine")])


async def test_without_jit_and_without_a_model_a_request_is_refused() -> None:
    async with served(life=LifeSettings(jit=False)) as server:
        answer = await server.chat()
    assert answer.status == 400
    assert answer.json["error"] == {
        "message": "No models loaded. Please load a model in the developer page or use the 'lms load' command.",
        "type": "invalid_request_error",
        "param": "model",
        "code": None,
    }


async def test_a_completion() -> None:
    async with served(say("there was", reasoning="")) as server:
        answer = await server.post(
            COMPLETIONS, {"model": "m", "prompt": "Once", "max_tokens": 9, "stop": "!", "seed": 3, "best_of": 2}
        )
        asked = server.last
    assert (asked.prompt, asked.messages, asked.max_tokens, asked.stop, asked.sampling.seed) == (
        "Once",
        (),
        9,
        ("!",),
        3,
    )
    body = answer.json
    assert body.pop("id").startswith("cmpl-")
    assert body.pop("created")
    assert body == {
        "object": "text_completion",
        "model": "m",
        "choices": [{"index": 0, "text": "there was", "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 2,
            "total_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        "stats": {},
        "system_fingerprint": "m",
    }


async def test_a_streamed_completion() -> None:
    async with served(say("there was")) as server:
        body = {"model": "m", "prompt": ["Once"], "stream": True, "stream_options": {"include_usage": True}}
        chunks = (await server.post(COMPLETIONS, body)).chunks
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    assert [chunk["choices"] for chunk in chunks] == [
        [{"index": 0, "text": "there", "logprobs": None, "finish_reason": None}],
        [{"index": 0, "text": " was", "logprobs": None, "finish_reason": None}],
        [{"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}],
        [],
    ]
    assert chunks[-1]["usage"]["completion_tokens"] == 2


async def test_a_completion_that_breaks_off() -> None:
    async with served(runner=PieceRunner([*text("a"), UnloadedMeanwhile("x")])) as server:
        whole = await server.post(COMPLETIONS, {"prompt": "x", "model": "m"})
        streamed = await server.post(COMPLETIONS, {"prompt": "x", "model": "m", "stream": True})
    assert (whole.status, whole.json) == (400, {"error": "Model unloaded."})
    assert streamed.events[-1] == ("error", {"error": {"message": "Model unloaded."}, "message": "Model unloaded."})


async def test_a_completion_cut_at_its_limit() -> None:
    async with served(runner=PieceRunner([*text("a"), done("maxPredictedTokensReached")])) as server:
        answer = await server.post(COMPLETIONS, {"prompt": "x", "model": "m"})
    assert answer.json["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        (None, "'prompt' field is required"),
        (["a", "b"], "'prompt' field must be a string"),
        ([1, 2], "'prompt' field must be a string"),
        (7, "'prompt' field must be a string"),
    ],
)
async def test_prompts_that_are_no_text(prompt: object, error: str) -> None:
    async with served() as server:
        answer = await server.post(COMPLETIONS, {"model": "m", "prompt": prompt})
    assert (answer.status, answer.json) == (400, {"error": error})


async def test_embeddings() -> None:
    async with served() as server:
        one = await server.post(EMBEDDINGS, {"model": "e", "input": "a red fox"})
        two = await server.post(EMBEDDINGS, {"model": "e", "input": ["a red fox", "x"], "encoding_format": "float"})
    [vector, other] = await ScriptedRunner(say()).embed(["a red fox", "x"])
    assert one.json == {
        "object": "list",
        "data": [{"object": "embedding", "embedding": vector, "index": 0}],
        "model": "e",
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
    }
    assert [each["embedding"] for each in two.json["data"]] == [vector, other]
    assert [each["index"] for each in two.json["data"]] == [0, 1]


async def test_embeddings_as_base64_hold_the_same_numbers() -> None:
    async with served() as server:
        packed = await server.post(EMBEDDINGS, {"model": "e", "input": "fox", "encoding_format": "base64"})
        plain = await server.post(EMBEDDINGS, {"model": "e", "input": "fox"})
    raw = base64.b64decode(packed.json["data"][0]["embedding"])
    assert list(struct.unpack(f"<{len(raw) // 4}f", raw)) == pytest.approx(plain.json["data"][0]["embedding"])


async def test_long_answers_are_not_indented() -> None:
    async with served() as server:
        short = await server.post(EMBEDDINGS, {"model": "e", "input": ["fox"] * 2})
        long = await server.post(EMBEDDINGS, {"model": "e", "input": ["fox"] * 500})
    assert short.text.startswith('{\n  "object"')
    assert long.text.startswith('{"object"')
    assert long.json["data"][499]["embedding"] == short.json["data"][1]["embedding"]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, "'input' field is required"),
        ({"input": []}, "'input' field must be a string or an array of strings"),
        ({"input": [1, 2]}, "'input' field must be a string or an array of strings"),
        ({"input": ["a", [1]]}, "'input' field must be a string or an array of strings"),
        ({"input": {}}, "'input' field must be a string or an array of strings"),
        ({"input": ["a", "b", "c"]}, "'input' has 3 entries; at most 2 are allowed."),
        ({"input": "a", "encoding_format": "int8"}, "'encoding_format' must be 'float' or 'base64'"),
    ],
)
async def test_embeddings_of_what_is_no_text(given: dict[str, Any], error: str) -> None:
    async with served(settings=ServerSettings(port=0, limits=Limits(batch=2))) as server:
        answer = await server.post(EMBEDDINGS, {"model": "e", **given})
    assert (answer.status, answer.json) == (400, {"error": error})


async def test_a_chat_model_gives_no_embeddings() -> None:
    async with served() as server:
        answer = await server.post(EMBEDDINGS, {"model": "m", "input": "x"})
    assert (answer.status, answer.json["error"]["code"]) == (400, "model_not_found")


async def test_ttl_counts_for_embedding_models_too() -> None:
    async with served() as server:
        await server.post(EMBEDDINGS, {"model": "e", "input": "x", "ttl": 12})
        assert [each.ttl_s for each in server.models.loaded("embedding")] == [12.0]
