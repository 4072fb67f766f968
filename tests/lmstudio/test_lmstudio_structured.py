"""Answers as values of a type, and what becomes of those that do not fit."""

import dataclasses
import time
from typing import Annotated, Any

import msgspec
import pydantic
import pytest
from raw_server import serving
from scripted import answering, asked, said

from wakeful.lmstudio import AsyncLMStudioClient, InvalidStructure, Shape, structured


class Struct(msgspec.Struct):
    name: str
    level: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0


@dataclasses.dataclass
class Data:
    name: str
    level: int = 0


class Pydantic(pydantic.BaseModel):
    name: str
    level: int = pydantic.Field(0, ge=0, le=9)


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "level": {"type": "integer", "maximum": 9}},
    "required": ["name"],
}


@pytest.mark.parametrize("of", [Struct, Data, Pydantic, SCHEMA], ids=["struct", "dataclass", "pydantic", "schema"])
async def test_a_value_of_each_kind_of_shape(of: Any) -> None:
    async with serving(answering(said('{"name": "db", "level": 3}'))) as server:
        async with AsyncLMStudioClient(server.url) as client:
            got = await structured(client, "which?", of)
    value = got.value if isinstance(got.value, dict) else {"name": got.value.name, "level": got.value.level}
    assert (value, got.repaired, got.result.usage.prompt_tokens) == ({"name": "db", "level": 3}, False, 7)
    sent = asked(server.requests[0])["response_format"]["json_schema"]
    assert sent["name"] == ("answer" if of is SCHEMA else of.__name__)
    assert "level" in str(sent["schema"])


@pytest.mark.parametrize("of", [Struct, Pydantic, SCHEMA], ids=["struct", "pydantic", "schema"])
async def test_the_model_is_shown_what_is_wrong_and_asked_again(of: Any) -> None:
    bad, good = '{"name": "db", "level": 12}', '```json\n{"name": "db", "level": 3}\n```'
    async with serving(answering(said(bad), said(good))) as server:
        async with AsyncLMStudioClient(server.url) as client:
            got = await structured(client, "which?", of)
    assert got.repaired
    question, wrong, complaint = asked(server.requests[1])["messages"]
    assert (question["content"], wrong["content"], complaint["role"]) == ("which?", bad, "user")
    assert "level" in complaint["content"]
    assert "9" in complaint["content"]


@pytest.mark.parametrize("text", ["no JSON", '{"level": 1}', "[" * 100_000])
async def test_what_never_fits_is_an_error_with_the_text(text: str) -> None:
    async with serving(answering(said(text))) as server, AsyncLMStudioClient(server.url) as client:
        with pytest.raises(InvalidStructure) as caught:
            await structured(client, "which?", Struct)
        assert (caught.value.partial, caught.value.attempts, len(server.requests)) == (text, 2, 2)
        with pytest.raises(InvalidStructure):
            await structured(client, "which?", Struct, repairs=0)
        assert len(server.requests) == 3


async def test_json_that_was_cut_off_is_not_asked_for_again() -> None:
    async with serving(answering(said('{"name": "d', finish="length"))) as server:
        async with AsyncLMStudioClient(server.url) as client:
            with pytest.raises(InvalidStructure, match="max_tokens"):
                await structured(client, "which?", Struct)
    assert len(server.requests) == 1


async def test_lists_and_impossible_shapes() -> None:
    async with serving(answering(said("[1, 2]"))) as server, AsyncLMStudioClient(server.url) as client:
        assert (await structured(client, "which?", list[int])).value == [1, 2]
        with pytest.raises(TypeError, match="no JSON schema"):
            await structured(client, "which?", {"type": "nothing"})
        with pytest.raises(TypeError):
            await structured(client, "which?", AsyncLMStudioClient)
        with pytest.raises(TypeError, match="refers to"):
            await structured(client, "which?", {"$ref": "#/$defs/none"})
        with pytest.raises(ValueError, match="repairs"):
            await structured(client, "which?", Struct, repairs=-1)


@pytest.mark.parametrize("text", ["```json\n[1]\n```", " ```\n[1]```\n", "```json [1] ```", "[1]"])
def test_fences_are_taken_off(text: str) -> None:
    assert Shape(list[int]).read(text) == [1]


@pytest.mark.parametrize("text", ["```json" + "\n" * 200_000, "```json" + "\n" * 200_000 + "```", "``````", "```"])
def test_line_breaks_without_end_take_no_time(text: str) -> None:
    started_s = time.process_time()
    with pytest.raises(ValueError, match=r"JSON|truncated"):
        Shape(list[int]).read(text)
    assert time.process_time() - started_s < 1
