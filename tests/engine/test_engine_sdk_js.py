"""LM Studio's own JavaScript SDK, from npm and unchanged, does the same."""

import asyncio
import base64
import json
import os
import shutil
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from scripted_house import House, open_house

from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import Call, Reply
from wakeful.engine.server.settings import ServerSettings

HERE = Path(__file__).parent / "js"
TOKEN = "sk-lm-abcDEF78:abcDEF7890abcDEF7890"
INSTALL_S = 100
CALL_S = 60


@pytest.fixture(scope="session")
def sdk() -> Path:
    """The folder in which the SDK is installed, the first time from npm."""
    if not shutil.which("npm"):
        pytest.skip("there is no npm on this machine")
    if not (HERE / "node_modules" / "@lmstudio" / "sdk").is_dir():
        install = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
        done = subprocess.run(install, cwd=HERE, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        if done.returncode:
            pytest.skip(f"npm can't be reached: {done.stderr[-300:]}")
    return HERE


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    async with open_house() as opened:
        yield opened


async def does(house: House, sdk: Path, what: str, token: str = "", complaint: str = "") -> Any:
    """What the script prints. complaint: what the SDK is to write to its log, "" for nothing."""
    url = house.url.replace("http:", "ws:")
    process = await asyncio.create_subprocess_exec(
        *("node", "calls.mjs", url, what),
        cwd=sdk,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"LM_API_TOKEN": token},
    )
    try:
        async with asyncio.timeout(CALL_S):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    assert complaint in errors.decode()
    assert bool(complaint) is bool(errors), errors.decode()
    return json.loads(out)


async def test_lists(house: House, sdk: Path) -> None:
    told = await does(house, sdk, "lists")
    assert told["downloaded"] == ["chatty", "eyes", "vectors"]
    assert told["llms"] == ["chatty", "eyes"]
    assert told["loaded"] == ["chatty"]
    assert told["version"]["version"].count(".") == 2


async def test_loads_with_everything_and_unloads(house: House, sdk: Path) -> None:
    told = await does(house, sdk, "loads")
    assert told["progress"][0] == 0
    assert told["progress"][-1] == 1
    assert told["progress"] == sorted(told["progress"])
    assert (told["identifier"], told["contextLength"], told["ttlMs"]) == ("mine", 2048, 60_000)
    assert told["config"]["contextLength"] == 2048
    assert told["config"]["flashAttention"] is True
    assert told["config"]["maxParallelPredictions"] == 2
    assert told["config"]["gpu"]["ratio"] == 0.5
    assert told["state"] == {"status": "idle", "queued": 0}
    assert "already exists" in told["duplicate"]
    assert told["after"] != "no error"
    assert told["left"] == 0
    assert house.loads[0].parallel == 2


async def test_a_load_is_cancelled(house: House, sdk: Path) -> None:
    house.load_s = 30
    told = await does(house, sdk, "cancelledLoad")
    assert told["error"] != "no error"
    assert told["loaded"] == 0


async def test_responds_with_every_callback(house: House, sdk: Path) -> None:
    house.script = lambda _: Reply(text="Hello, world!", reasoning="hm, well", token_s=0.001)
    told = await does(house, sdk, "responds")
    assert told["progress"][-1] == 1
    assert told["first"] == 1
    assert told["content"] == told["streamed"] == "<think>hm, well</think>Hello, world!"
    assert (told["reasoning"], told["answer"]) == ("hm, well", "Hello, world!")
    assert told["message"]
    assert told["model"] == "chatty"
    stats = told["stats"]
    assert stats["stopReason"] == "eosFound"
    assert stats["totalTokensCount"] == stats["promptTokensCount"] + stats["predictedTokensCount"]
    assert told["kinds"][0] == "reasoningStartTag"
    assert "reasoningEndTag" in told["kinds"]
    (asked,) = house.asked
    assert (asked.max_tokens, asked.stop, asked.overflow) == (50, ("END",), "rollingWindow")
    sampling = asked.sampling
    assert (sampling.temperature, sampling.top_k, sampling.min_p, sampling.repeat_penalty) == (0.3, 9, 0.1, 1.2)


async def test_completes_raw_text(house: House, sdk: Path) -> None:
    assert (await does(house, sdk, "completes"))["content"] == "Hello, world! How are you?"
    assert house.asked[0].prompt == "Once upon"


async def test_keeps_to_a_schema(house: House, sdk: Path) -> None:
    house.script = lambda _: '{"a": 42}'
    assert (await does(house, sdk, "structured"))["parsed"] == {"a": 42}
    assert house.asked[0].schema == {"type": "object", "properties": {"a": {"type": "integer"}}}


async def test_acts_with_tools(house: House, sdk: Path) -> None:
    def script(generation: Generation) -> Reply:
        if generation.messages[-1]["role"] == "tool":
            return Reply(text=f"It is {generation.messages[-1]['content']}.")
        return Reply(text="Let me see.", calls=(Call("add", {"a": 123, "b": 3210}),))

    house.script = script
    told = await does(house, sdk, "acts")
    assert told["names"] == ["add"]
    assert json.loads(told["pieces"]) == {"a": 123, "b": 3210}
    assert told["messages"] == ["assistant", "tool", "assistant"]
    assert (told["rounds"], told["count"], told["failures"]) == ([0, 1], 2, [])
    assert house.asked[1].messages[-1]["content"] == "3333"


async def test_a_call_that_is_no_json_is_told(house: House, sdk: Path) -> None:
    def script(generation: Generation) -> Reply:
        return Reply(text="Sorry.") if len(generation.messages) > 1 else Reply(calls=(Call("add", "{not json"),))

    house.script = script
    told = await does(house, sdk, "acts")
    assert len(told["failures"]) == 1


async def test_counts_lays_out_and_embeds(house: House, sdk: Path) -> None:
    told = await does(house, sdk, "counts")
    assert (len(told["tokens"]), told["count"], told["lists"], told["embeddingTokens"]) == (2, 2, 2, 2)
    assert told["template"] == "<|user|>Hi\n<|assistant|>"
    assert (told["length"], told["same"]) == (32, True)


async def test_cancels(house: House, sdk: Path) -> None:
    house.script = lambda _: Reply(text="word " * 500, token_s=0.01)
    told = await does(house, sdk, "cancels")
    assert told["reason"] == "userStopped"
    assert told["seen"] < 500


async def test_sees_images(house: House, sdk: Path) -> None:
    told = await does(house, sdk, "sees")
    assert told["content"] == "Hello, world! How are you?"
    assert "does not support images" in told["blind"]
    (image,) = [part for part in house.asked[0].messages[0]["content"] if part["type"] == "image_url"]
    assert base64.b64decode(image["image_url"]["url"].partition(",")[2]).startswith(b"\x89PNG")


async def test_what_is_not_there_is_told(house: House, sdk: Path) -> None:
    told = await does(house, sdk, "misses")
    assert all(text != "no error" for text in told.values())
    assert "none" in told["load"]


async def test_a_token_opens_a_server_that_asks_for_one(sdk: Path) -> None:
    async with open_house(settings=ServerSettings(port=0, tokens=(TOKEN,))) as house:
        assert (await does(house, sdk, "lists", TOKEN))["loaded"] == ["chatty"]
        wrong = "sk-lm-abcDEF78:abcDEF7890abcDEF7891"
        told = await does(house, sdk, "refused", wrong, "Invalid LM Studio API token")
        assert told["error"] != "no error"
