"""What `/v1/responses` gives back: the response and the items of its output."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from wakeful.engine.openai.answer import Said
from wakeful.engine.openai.responses_input import ResponsesRequest
from wakeful.engine.runner.pieces import Done, Stats, TokenChoice

Status = Literal["in_progress", "completed", "incomplete", "failed"]


def item_id(prefix: str) -> str:
    """An id such as `msg_…`."""
    return f"{prefix}_{secrets.token_hex(24)}"


def message_item(name: str, text: str | None, logprobs: Sequence[Any] = (), *, status: Status) -> dict[str, Any]:
    """A part of the answer itself. text: None for one that has just begun."""
    content = [] if text is None else [text_part(text, logprobs)]
    return {"id": name, "type": "message", "role": "assistant", "status": status, "content": content}


def reasoning_item(name: str, text: str | None, *, status: Status) -> dict[str, Any]:
    """What the model thought."""
    content = [] if text is None else [{"type": "reasoning_text", "text": text}]
    return {"id": name, "type": "reasoning", "summary": [], "content": content, "status": status}


def call_item(name: str, call_id: str, function: str, arguments: str, *, status: Status) -> dict[str, Any]:
    """A function that the caller is asked to call."""
    return {
        "id": name,
        "type": "function_call",
        "call_id": call_id,
        "name": function,
        "arguments": arguments,
        "status": status,
    }


def text_part(text: str, logprobs: Sequence[Any] = ()) -> dict[str, Any]:
    """A text of the answer."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": list(logprobs)}


def logprobs_of(choices: Sequence[TokenChoice]) -> list[dict[str, Any]]:
    """How likely each token was, in OpenAI's form."""
    return [_choice(each) | {"top_logprobs": [_choice(other) for other in each.others]} for each in choices]


def output_of(said: Said) -> list[dict[str, Any]]:
    """The items of an answer that was not streamed."""
    status = status_of(said.done)
    items: list[dict[str, Any]] = []
    if said.reasoning:
        items.append(reasoning_item(item_id("rs"), said.reasoning, status="completed"))
    if said.text or not (said.calls or said.reasoning):
        items.append(message_item(item_id("msg"), said.text, logprobs_of(said.choices), status="completed"))
    items += [call_item(item_id("fc"), each.id, each.name, each.arguments, status="completed") for each in said.calls]
    items[-1]["status"] = status
    return items


def status_of(done: Done) -> Status:
    """Whether the answer is whole."""
    cut = done.stop_reason in ("maxPredictedTokensReached", "contextLengthReached")
    return "incomplete" if cut else "completed"


class Shape:
    """The response to one request, as it stands at any moment. now_s: gives the time since the epoch"""

    def __init__(self, asked: ResponsesRequest, response_id: str, model: str, now_s: Callable[[], float]) -> None:
        reasoning = asked.reasoning
        told_format = asked.text.format if asked.text else None
        self._now_s = now_s
        self._fields: Mapping[str, Any] = {
            "id": response_id,
            "object": "response",
            "created_at": int(now_s()),
            "model": model,
            "previous_response_id": asked.previous_response_id,
            "instructions": asked.instructions,
            "tools": asked.tools or [],
            "tool_choice": asked.tool_choice or "auto",
            "truncation": asked.truncation or "disabled",
            "parallel_tool_calls": asked.parallel_tool_calls is not False,
            "text": {"format": told_format or {"type": "text"}},
            "temperature": asked.temperature,
            "top_p": asked.top_p,
            "presence_penalty": asked.presence_penalty,
            "frequency_penalty": asked.frequency_penalty,
            "top_logprobs": asked.top_logprobs or 0,
            "reasoning": {
                "effort": reasoning.effort if reasoning else None,
                "summary": reasoning.summary if reasoning else None,
            },
            "max_output_tokens": asked.max_output_tokens,
            "max_tool_calls": asked.max_tool_calls,
            "store": asked.store is not False,
            "background": False,
            "service_tier": "default",
            "metadata": asked.metadata or {},
            "safety_identifier": asked.safety_identifier,
            "prompt_cache_key": asked.prompt_cache_key,
        }

    def begun(self) -> dict[str, Any]:
        """Before anything is said."""
        return self._at("in_progress", [], None)

    def ended(self, output: Sequence[Any], done: Done) -> dict[str, Any]:
        """The whole of it."""
        status = status_of(done)
        told = self._at(status, output, _usage(done.stats))
        if status == "incomplete":
            told["incomplete_details"] = {"reason": "max_output_tokens"}
        else:
            told["completed_at"] = int(self._now_s())
        return told

    def failed(self, output: Sequence[Any], code: str, message: str) -> dict[str, Any]:
        """After something went wrong."""
        return self._at("failed", output, None) | {"error": {"code": code, "message": message}}

    def _at(self, status: Status, output: Sequence[Any], usage: Mapping[str, Any] | None) -> dict[str, Any]:
        return {
            **self._fields,
            "status": status,
            "completed_at": None,
            "incomplete_details": None,
            "error": None,
            "output": output,
            "usage": usage,
        }


def _usage(stats: Stats) -> dict[str, Any]:
    return {
        "input_tokens": stats.prompt_tokens,
        "output_tokens": stats.completion_tokens,
        "total_tokens": stats.prompt_tokens + stats.completion_tokens,
        "input_tokens_details": {"cached_tokens": stats.cached_tokens},
        "output_tokens_details": {"reasoning_tokens": stats.reasoning_tokens},
    }


def _choice(choice: TokenChoice) -> dict[str, Any]:
    return {"token": choice.text, "logprob": choice.logprob, "bytes": list(choice.text.encode("utf-8", "replace"))}
