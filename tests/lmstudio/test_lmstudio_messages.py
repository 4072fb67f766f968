"""How a conversation is built up."""

import base64
from pathlib import Path
from typing import Any

import pytest
from raw_server import serving
from scripted import answering, asked, said

from wakeful.lmstudio import AsyncLMStudioClient, Chat, ChatResult, ToolCall
from wakeful.lmstudio.chat.messages import MAX_IMAGE_BYTES, image_part

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


def test_from_a_text_from_a_history_and_built_up() -> None:
    assert list(Chat("hello")) == [{"role": "user", "content": "hello"}]
    built = Chat(system="be brief").user("hello").assistant("hi").tool("id0", "42").function("now", "noon")
    assert [message["role"] for message in built] == ["system", "user", "assistant", "tool", "function"]
    assert Chat(built) == built
    assert Chat(list(built)) == built
    assert list(built[1:3]) == [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]


def test_a_copy_goes_its_own_way() -> None:
    chat = Chat("hello", system="be brief")
    other = chat.copy().user("more")
    assert (len(chat), len(other)) == (2, 3)
    history: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
    kept = Chat(history)
    history[0]["content"].append({"type": "text", "text": "more"})
    assert len(kept[0]["content"]) == 1


def test_an_answer_with_calls_is_added_with_them() -> None:
    broken = ToolCall("b", "look", '{"x', "The arguments are no JSON.")
    answer = ChatResult("", reasoning="hm", tool_calls=(ToolCall("a", "look", '{"x": 1}'), broken))
    [message] = Chat().assistant(answer)
    assert "hm" not in str(message)
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == ['{"x": 1}', "{}"]


@pytest.mark.parametrize(
    "history",
    [
        [{"role": "wizard", "content": "hello"}],
        [{"content": "hello"}],
        [{"role": "user"}],
        [{"role": "user", "content": 7}],
        [{"role": "user", "content": [7]}],
        [{"role": "user", "content": [{"text": "no type"}]}],
        ["hello"],
    ],
)
def test_what_is_no_message_is_refused(history: list[Any]) -> None:
    with pytest.raises(ValueError, match="message"):
        Chat(history)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "png"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"GIF89a", "gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
        (b"BM\0\0", "bmp"),
    ],
)
def test_an_image_is_known_by_its_first_bytes(data: bytes, kind: str) -> None:
    assert image_part(data)["image_url"]["url"] == f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def test_images_of_files_and_addresses(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    parts = [image_part(each)["image_url"]["url"] for each in (tmp_path / "a.png", str(tmp_path / "a.png"), PNG)]
    assert len(set(parts)) == 1
    assert image_part("https://example.org/a.png")["image_url"]["url"] == "https://example.org/a.png"
    assert image_part(parts[0])["image_url"]["url"] == parts[0]


def test_images_that_can_not_be_sent(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has to be PNG"):
        image_part(b"<svg/>")
    with pytest.raises(ValueError, match="data:image"):
        image_part("data:text/plain;base64,AAAA")
    with pytest.raises(FileNotFoundError):
        image_part(tmp_path / "none.png")
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(MAX_IMAGE_BYTES + 1)
    with pytest.raises(ValueError, match=r"huge\.png is larger"):
        image_part(tmp_path / "huge.png")
    with pytest.raises(ValueError, match="larger than"):
        image_part(PNG + bytes(MAX_IMAGE_BYTES))


async def test_a_chat_and_a_text_go_to_the_server_as_messages() -> None:
    async with serving(answering(said("hi"))) as server, AsyncLMStudioClient(server.url) as client:
        chat = Chat(system="be brief").user("look", images=[PNG])
        chat.assistant(await client.chat(chat))
        await client.chat("hello")
        await client.stream("hello").collect()
    first, second, third = (asked(exchange)["messages"] for exchange in server.requests)
    assert [part["type"] for part in first[1]["content"]] == ["text", "image_url"]
    assert second == third == [{"role": "user", "content": "hello"}]
    assert chat[-1] == {"role": "assistant", "content": "hi"}
