"""A server that gives the answers of a list, one for each request, whole or streamed as it was asked."""

import json
from typing import Any

from raw_server import DONE, Behaviour, Exchange


def said(
    text: str = "", *, calls: list[tuple[str, str]] | None = None, finish: str = "", **more: Any
) -> dict[str, Any]:
    """A whole answer. calls: (name, arguments as JSON text)."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": f"id{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for at, (name, arguments) in enumerate(calls)
        ]
    reason = finish or ("tool_calls" if calls else "stop")
    return {
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2},
        **more,
    }


def answering(*answers: dict[str, Any]) -> Behaviour:
    """Gives the answers in turn, the last one again and again."""

    async def behaviour(exchange: Exchange) -> None:
        answer = answers[min(exchange.number, len(answers)) - 1]
        if not exchange.streamed:
            await exchange.answer(200, answer)
            return
        [choice] = answer["choices"]
        delta = {**choice["message"]}
        for at, call in enumerate(delta.get("tool_calls", [])):
            call["index"] = at
        chunks = [
            {"model": "m", "choices": [{"index": 0, "delta": delta}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]},
            {"choices": [], "usage": answer["usage"]},
        ]
        await exchange.head()
        await exchange.chunk(b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks) + DONE)
        await exchange.end()

    return behaviour


def asked(exchange: Exchange) -> dict[str, Any]:
    return json.loads(exchange.body)
