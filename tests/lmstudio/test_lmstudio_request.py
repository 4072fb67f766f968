"""What a chat sends: every parameter of the documentation, under its name, and whatever else the caller knows."""

import json
from typing import Any

import pytest

from wakeful.lmstudio.chat.request import ChatOptions, chat_body

MESSAGES = [{"role": "user", "content": "hello"}]
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}


def body(*, stream: bool = False, **options: Any) -> dict[str, Any]:
    return json.loads(chat_body(MESSAGES, ChatOptions(**options), stream=stream))


@pytest.mark.parametrize(
    ("option", "value", "name"),
    [
        ("model", "m", "model"),
        ("max_tokens", 5, "max_tokens"),
        ("max_tokens", -1, "max_tokens"),
        ("temperature", 0.0, "temperature"),
        ("top_p", 0.9, "top_p"),
        ("top_k", 40, "top_k"),
        ("min_p", 0.05, "min_p"),
        ("repeat_penalty", 1.1, "repeat_penalty"),
        ("presence_penalty", 0.1, "presence_penalty"),
        ("frequency_penalty", 0.2, "frequency_penalty"),
        ("logit_bias", {"15": -100.0}, "logit_bias"),
        ("seed", 0, "seed"),
        ("stop", ["\n"], "stop"),
        ("logprobs", True, "logprobs"),
        ("top_logprobs", 3, "top_logprobs"),
        ("reasoning_effort", "none", "reasoning_effort"),
        ("draft_model", "small", "draft_model"),
        ("ttl_s", 300, "ttl"),
        ("tools", [{"type": "function", "function": {"name": "f"}}], "tools"),
        ("tool_choice", "required", "tool_choice"),
        ("cache_prompt", False, "cache_prompt"),
    ],
)
def test_every_parameter_reaches_the_server(option: str, value: Any, name: str) -> None:
    assert body(**{option: value})[name] == value


def test_what_is_not_said_is_left_to_the_server() -> None:
    assert body() == {"messages": MESSAGES, "max_tokens": 1024, "stream": False}
    assert body(temperature=None, json_schema=None, extra=None) == body()
    streamed = body(stream=True)
    assert (streamed["stream"], streamed["stream_options"]) == (True, {"include_usage": True})


def test_a_schema_is_sent_as_lm_studio_wants_it() -> None:
    sent = body(json_schema={"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMA}, schema_name="x")
    held = {"name": "x", "strict": True, "schema": SCHEMA}
    assert sent["response_format"] == {"type": "json_schema", "json_schema": held}


def test_what_we_do_not_know_yet_goes_along_and_wins() -> None:
    sent = body(temperature=1.0, extra={"preset": "mine", "temperature": 0.5})
    assert (sent["preset"], sent["temperature"]) == ("mine", 0.5)
    with pytest.raises(TypeError, match="`extra`"):
        body(preset="mine")


def test_equal_requests_are_equal_bytes() -> None:
    one = chat_body("x", ChatOptions(seed=1, temperature=0.0, model="m"), stream=False)
    assert one == chat_body("x", ChatOptions(model="m", temperature=0.0, seed=1), stream=False)
