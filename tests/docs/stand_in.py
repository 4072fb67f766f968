"""A server in LM Studio's place for docs and examples: all its routes, and an answer for each of their questions."""

import array
import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from tests.lmstudio.raw_server import DONE, Exchange

CHAT, EMBEDDING, LARGE = "qwen2.5-7b-instruct", "nomic-embed-text-v1.5", "qwen2.5-32b-instruct"

SAID = {
    "Say hello in one word.": "Hello!",
    "Count to three.": "One, two, three.",
    "Is the disk full?": "Nearly: it holds 812 of 900 GB.",
    "And in nine days?": "Then it will be full.",
    "Which number comes after 6? Think about it for a moment, then answer.": "7",
    "Remember the number 7.": "I will.",
    "Which number was it?": "It was 7.",
    "The disk of the server": " is nearly full.",
    "What is in this picture?": "A red square.",
}
OTHERWISE = "The disk of the small server in the corner is nearly full, and nobody has noticed it yet."

SLOW = "Tell me a long story."
"""What is answered with a first word, and nothing after it."""

HELD = {
    "Invoice": {"number": "2026-117", "total": 129.5, "lines": [{"what": "disk", "price": 129.5}]},
    "Ticket": {"title": "Disk nearly full", "severity": "warning"},
    "answer": {"river": "Rhône"},
}
"""What an answer is that is held to a schema of this name."""

CALLED: dict[str, dict[str, Any]] = {
    "weather": {"city": "Lyon"},
    "read_file": {"name": "app.log"},
    "list_files": {},
}
"""The arguments with which a tool is called."""


async def lm_studio(exchange: Exchange) -> None:
    """Answer as LM Studio would, with a model that knows what the docs ask."""
    routes = {
        "/lmstudio-greeting": _greeting,
        "/api/v1/models": _models,
        "/api/v1/models/load": _load,
        "/api/v1/models/unload": _unload,
        "/api/v1/models/download": _download,
        "/api/v1/models/download/status/job-1": _downloaded,
        "/api/v1/chat": _native_chat,
        "/api/v0/models": _old_models,
        "/api/v0/chat/completions": _old_chat,
        "/v1/chat/completions": _chat,
        "/v1/completions": _completion,
        "/v1/embeddings": _embeddings,
        "/v1/responses": _response,
        "/v1/messages": _message,
    }
    route = routes.get(exchange.path, _nothing_there)
    await route(exchange, json.loads(exchange.body or b"{}"))


def words_of(text: str) -> list[str]:
    return re.findall(r"\s*\S+", text)


async def _nothing_there(exchange: Exchange, asked: dict[str, Any]) -> None:
    what = f"Unexpected endpoint or method. ({exchange.method} {exchange.path})"
    await exchange.answer(200, {"error": what})


async def _greeting(exchange: Exchange, asked: dict[str, Any]) -> None:
    await exchange.answer(200, {"lmstudio": True})


async def _models(exchange: Exchange, asked: dict[str, Any]) -> None:
    def model(key: str, kind: str, gigabytes: float, *instances: str) -> dict[str, Any]:
        return {
            "key": key,
            "type": kind,
            "format": "gguf",
            "size_bytes": int(gigabytes * 1e9),
            "quantization": {"name": "Q4_K_M", "bits_per_weight": 4},
            "max_context_length": 32768,
            "loaded_instances": [{"id": each, "config": {"context_length": 8192}} for each in instances],
            "capabilities": {"vision": False, "trained_for_tool_use": True},
        }

    models = [model(CHAT, "llm", 4.7, CHAT), model(LARGE, "llm", 19.9), model(EMBEDDING, "embedding", 0.1, EMBEDDING)]
    await exchange.answer(200, {"models": models})


async def _old_models(exchange: Exchange, asked: dict[str, Any]) -> None:
    model = {"id": CHAT, "type": "llm", "arch": "qwen2", "quantization": "Q4_K_M", "state": "loaded"}
    await exchange.answer(200, {"object": "list", "data": [{**model, "loaded_context_length": 8192}]})


async def _load(exchange: Exchange, asked: dict[str, Any]) -> None:
    config = {"context_length": asked.get("context_length", 4096)}
    answer = {"type": "llm", "instance_id": asked["model"], "load_time_seconds": 9.1, "status": "loaded"}
    await exchange.answer(200, {**answer, "load_config": config})


async def _unload(exchange: Exchange, asked: dict[str, Any]) -> None:
    await exchange.answer(200, {"instance_id": asked["instance_id"]})


async def _download(exchange: Exchange, asked: dict[str, Any]) -> None:
    await exchange.answer(200, {"job_id": "job-1", "status": "downloading", "total_size_bytes": 4_700_000_000})


async def _downloaded(exchange: Exchange, asked: dict[str, Any]) -> None:
    sizes = {"total_size_bytes": 4_700_000_000, "downloaded_bytes": 4_700_000_000}
    await exchange.answer(200, {"job_id": "job-1", "status": "completed", **sizes})


def spoken(asked: dict[str, Any]) -> dict[str, Any]:
    """The message that answers a chat."""
    last = asked["messages"][-1]
    held = asked.get("response_format", {}).get("json_schema")
    if held is not None:
        return {"content": json.dumps(HELD[held["name"]])}
    if last["role"] == "tool":
        return {"content": f"It says: {last['content']}"}
    if last["role"] == "assistant":  # to go on from there
        begun = last["content"]
        return {"content": OTHERWISE.removeprefix(begun)}
    for tool in asked.get("tools", []):
        name = tool["function"]["name"]
        if name in CALLED and asked.get("tool_choice") != "none":
            function = {"name": name, "arguments": json.dumps(CALLED[name])}
            return {"content": "", "tool_calls": [{"id": "365174485", "type": "function", "function": function}]}
    return {"content": SAID.get(_text(last["content"]), OTHERWISE)}


def _text(content: Any) -> str:
    return content if isinstance(content, str) else content[0]["text"]


def _counts(asked: dict[str, Any], text: str) -> dict[str, int]:
    read, written = len(json.dumps(asked.get("messages", ""))) // 4, max(1, len(words_of(text)))
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


async def _chat(exchange: Exchange, asked: dict[str, Any]) -> None:
    if asked.get("model") not in (None, CHAT, LARGE):
        refusal = {"message": f'Invalid model identifier "{asked["model"]}".', "code": "model_not_found"}
        await exchange.answer(400, {"error": refusal})
        return
    message = spoken(asked)
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    usage = _counts(asked, message["content"])
    common = {"id": "chatcmpl-1", "created": 1_790_000_000, "model": asked.get("model") or CHAT}
    if not asked.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
        await exchange.answer(200, {**common, "object": "chat.completion", "choices": [choice], "usage": usage})
        return
    pieces = [{"content": word} for word in words_of(message["content"])]
    pieces += [{"tool_calls": [{**call, "index": 0}]} for call in message.get("tool_calls", [])]
    choices: list[list[dict[str, Any]]] = [[{"index": 0, "delta": each, "finish_reason": None}] for each in pieces]
    choices.append([{"index": 0, "delta": {}, "finish_reason": finish}])
    await exchange.head()
    for each in choices:
        await _event(exchange, {**common, "object": "chat.completion.chunk", "choices": each})
        if asked["messages"][-1]["content"] == SLOW:
            await exchange.gone()
            return
    if asked.get("stream_options", {}).get("include_usage"):
        await _event(exchange, {**common, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    await exchange.chunk(DONE)
    await exchange.end()


async def _event(exchange: Exchange, data: dict[str, Any], *, named: bool = False) -> None:
    name = f"event: {data['type']}\n".encode() if named else b""
    await exchange.chunk(name + b"data: %s\n\n" % json.dumps(data).encode())


async def _old_chat(exchange: Exchange, asked: dict[str, Any]) -> None:
    choice = {"index": 0, "message": {"role": "assistant", **spoken(asked)}, "finish_reason": "stop"}
    stats = {"tokens_per_second": 51.4, "time_to_first_token": 0.11, "generation_time": 0.9, "stop_reason": "eosFound"}
    info = {"arch": "qwen2", "quant": "Q4_K_M", "format": "gguf", "context_length": 8192}
    await exchange.answer(200, {"model": CHAT, "choices": [choice], "stats": stats, "model_info": info})


async def _completion(exchange: Exchange, asked: dict[str, Any]) -> None:
    text = SAID.get(asked["prompt"], OTHERWISE)
    choice = {"index": 0, "text": text, "finish_reason": "stop"}
    await exchange.answer(200, {"model": CHAT, "choices": [choice], "usage": _counts(asked, text)})


async def _embeddings(exchange: Exchange, asked: dict[str, Any]) -> None:
    texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
    data = [
        {"object": "embedding", "index": at, "embedding": base64.b64encode(_vector(text).tobytes()).decode()}
        for at, text in enumerate(texts)
    ]
    await exchange.answer(200, {"data": data, "model": EMBEDDING, "usage": {"prompt_tokens": 0, "total_tokens": 0}})


def _vector(text: str, dims: int = 64) -> "array.array[float]":
    """Texts with the same words have much the same direction."""
    vector = array.array("f", [0.0] * dims)
    for word in re.findall(r"[a-z]{3,}", text.lower()):
        vector[hashlib.blake2b(word[:5].encode()).digest()[0] % dims] += 1.0
    length = sum(each * each for each in vector) ** 0.5 or 1.0
    return array.array("f", [each / length for each in vector])


async def _response(exchange: Exchange, asked: dict[str, Any]) -> None:
    text = SAID.get(asked["input"], OTHERWISE)
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    whole: dict[str, Any] = {"id": "resp_1", "object": "response", "status": "completed", "model": CHAT}
    if not asked.get("stream"):
        await exchange.answer(200, {**whole, "output": [message]})
        return
    await exchange.head()
    await _event(exchange, {"type": "response.created", "response": {**whole, "status": "in_progress"}}, named=True)
    for word in words_of(text):
        await _event(exchange, {"type": "response.output_text.delta", "delta": word}, named=True)
    await _event(exchange, {"type": "response.completed", "response": {**whole, "output": [message]}}, named=True)
    await exchange.end()


async def _message(exchange: Exchange, asked: dict[str, Any]) -> None:
    text = SAID.get(_text(asked["messages"][-1]["content"]), OTHERWISE)
    whole: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": CHAT}
    content = [{"type": "text", "text": text}]
    await exchange.answer(200, {**whole, "content": content, "stop_reason": "end_turn"})


async def _native_chat(exchange: Exchange, asked: dict[str, Any]) -> None:
    text = SAID.get(asked["input"], OTHERWISE)
    result = {
        "model_instance_id": CHAT,
        "output": [{"type": "message", "content": text}],
        "stats": {"input_tokens": 12, "total_output_tokens": 5, "tokens_per_second": 51.4},
        "response_id": "resp_2",
    }
    if not asked.get("stream"):
        await exchange.answer(200, result)
        return
    await exchange.head()
    for event in _native_events(text, result):
        await _event(exchange, event, named=True)
    await exchange.end()


def _native_events(text: str, result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "chat.start", "model_instance_id": CHAT}
    yield {"type": "prompt_processing.start"}
    for share in (0.5, 1.0):
        yield {"type": "prompt_processing.progress", "progress": share}
    yield {"type": "prompt_processing.end"}
    yield {"type": "message.start"}
    for word in words_of(text):
        yield {"type": "message.delta", "content": word}
    yield {"type": "message.end"}
    yield {"type": "chat.end", "result": result}
