"""How a `Generation` is put to llama.cpp's own server: the bodies of its requests. No I/O."""

from typing import Any

from wakeful.engine.runner.request import Generation, Sampling

_SAMPLING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repeat_penalty": "repeat_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
    "logit_bias": "logit_bias",
}


def plain_body(generation: Generation, prompt: str | list[int]) -> dict[str, Any]:
    """For `/completion`, which knows of no conversation."""
    body = _common(generation)
    body["prompt"] = prompt
    if generation.max_tokens is not None:
        body["n_predict"] = generation.max_tokens
    if generation.stop:
        body["stop"] = generation.stop
    if generation.schema is not None:
        body["json_schema"] = generation.schema
    if generation.grammar is not None:
        body["grammar"] = generation.grammar
    if generation.logprobs is not None:
        body["n_probs"] = max(1, generation.logprobs)
    return body


def chat_body(generation: Generation, *, timed: bool) -> dict[str, Any]:
    """For `/v1/chat/completions`, which tells thinking and tool calls from text.

    timed: each event tells how many tokens there are so far, which makes it longer
    """
    body = _common(generation) | template_body(generation)
    if generation.max_tokens is not None:
        body["max_tokens"] = generation.max_tokens
    if generation.tools:
        body["tool_choice"] = generation.tool_choice
        body["parallel_tool_calls"] = True
    if generation.schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"schema": generation.schema}}
    if generation.grammar is not None:
        body["grammar"] = generation.grammar
    if generation.logprobs is not None:
        body["logprobs"] = True
        body["top_logprobs"] = generation.logprobs
    if timed:
        body["timings_per_token"] = True
    return body


def template_body(generation: Generation) -> dict[str, Any]:
    """What the template needs to know, for `/apply-template` too."""
    body: dict[str, Any] = {"messages": generation.messages}
    if generation.tools:
        body["tools"] = generation.tools
    if generation.effort is not None:
        thinks = generation.effort != "off"
        arguments: dict[str, Any] = {"enable_thinking": thinks}
        if generation.effort not in ("off", "on"):
            arguments["reasoning_effort"] = generation.effort
        body["chat_template_kwargs"] = arguments
    return body


def _common(generation: Generation) -> dict[str, Any]:
    body: dict[str, Any] = {"stream": True, "return_progress": True, "cache_prompt": True}
    body |= _sampling(generation.sampling)
    return body


def _sampling(sampling: Sampling) -> dict[str, Any]:
    given = {theirs: value for ours, theirs in _SAMPLING.items() if (value := getattr(sampling, ours)) is not None}
    return given | dict(sampling.extra)
