"""The engine that the model is measured through: llama.cpp's server, as Wakeful itself runs it."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xllamacpp


@contextmanager
def serving(model: Path, *, threads: int = 1, context: int = 2048, slots: int = 4) -> Iterator[str]:
    """Serves `model` on a loopback port and yields the base URL."""
    settings = xllamacpp.CommonParams()
    settings.model.path = str(model)
    settings.n_ctx = context * slots
    settings.n_parallel = slots
    settings.cpuparams.n_threads = threads
    settings.cpuparams_batch.n_threads = threads
    settings.port = 0
    server = xllamacpp.Server(settings)
    yield server.listening_address
    del server


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """The JSON that the server answers with."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())


def chat(base: str, messages: list[tuple[str, str]], schema: dict[str, Any]) -> str:
    """The model's answer to `messages`, held to `schema`, without any chance in it."""
    answer = post(
        base + "/v1/chat/completions",
        {
            "messages": [{"role": role, "content": text} for role, text in messages],
            "max_tokens": 700,
            "temperature": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": schema, "strict": True},
            },
        },
    )
    return answer["choices"][0]["message"]["content"]


def tokens(base: str, text: str) -> list[int]:
    """How llama.cpp cuts `text`."""
    return post(base + "/tokenize", {"content": text, "parse_special": True})["tokens"]
