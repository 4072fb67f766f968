"""What a prediction is asked to be, from the settings that came with it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from wakeful.engine.native.config import Settings, Stack
from wakeful.engine.runner.request import Effort, Generation, Message, OverflowPolicy, Sampling

_BAN = -100.0
"""Nats that keep a token out for good, as in OpenAI's interface; the SDK writes "-inf"."""

_POLICIES: Mapping[str, OverflowPolicy] = {
    "stopAtLimit": "stopAtLimit",
    "truncateMiddle": "truncateMiddle",
    "rollingWindow": "rollingWindow",
}


def chat(messages: Sequence[Message], stack: Stack) -> Generation:
    """An answer to a conversation."""
    settings = _settings(stack)
    system = settings.text("systemPrompt")
    if system and not any(turn["role"] == "system" for turn in messages):
        messages = [{"role": "system", "content": system}, *messages]
    tools, must = _tools(settings)
    return _generation(settings, messages=tuple(messages), tools=tools, tool_choice="required" if must else "auto")


def raw(prompt: str, stack: Stack) -> Generation:
    """What follows on a text, with no template around it."""
    return _generation(_settings(stack), prompt=prompt)


def used(stack: Stack) -> dict[str, Any]:
    """The settings that a prediction went by, of those that were given."""
    return {key: value for key, value in stack.merged().items() if key.startswith("llm.prediction.")}


def _settings(stack: Stack) -> Settings:
    return Settings(stack.merged(), "llm.prediction.")


def _generation(settings: Settings, **what: Any) -> Generation:
    structured = settings.mapping("structured")
    kind = structured.get("type")
    grammar = structured.get("gbnfGrammar")
    most = settings.whole("maxPredictedTokens")
    logprobs = settings.whole("logProbs")
    return Generation(
        sampling=_sampling(settings),
        max_tokens=most if most is not None and most >= 1 else None,
        stop=settings.texts("stopStrings"),
        schema=(Settings(structured).mapping("jsonSchema") or {"type": "object"}) if kind == "json" else None,
        grammar=grammar if kind == "gbnf" and isinstance(grammar, str) else None,
        effort=_effort(settings),
        overflow=_POLICIES.get(settings.text("contextOverflowPolicy"), "truncateMiddle"),
        logprobs=logprobs if logprobs is not None and logprobs >= 0 else None,
        **what,
    )


def _sampling(settings: Settings) -> Sampling:
    extra = {
        "xtc_probability": settings.number("llama.xtcProbability"),
        "xtc_threshold": settings.number("llama.xtcThreshold"),
        "typical_p": settings.number("llama.locallyTypicalSampling"),
    }
    mirostat = Settings(settings.mapping("llama.mirostatSampling"))
    if version := mirostat.whole("version"):
        extra |= {"mirostat": version, "mirostat_eta": mirostat.number("learningRate")}
        extra["mirostat_tau"] = mirostat.number("targetEntropy")
    return Sampling(
        temperature=settings.number("temperature"),
        top_p=settings.number("topPSampling"),
        top_k=settings.whole("topKSampling"),
        min_p=settings.number("minPSampling"),
        repeat_penalty=settings.number("repeatPenalty"),
        presence_penalty=settings.number("llama.presencePenalty"),
        frequency_penalty=settings.number("llama.frequencyPenalty"),
        seed=settings.whole("seed"),
        logit_bias=_logit_bias(settings.get("llama.logitBias")),
        extra={name: value for name, value in extra.items() if value is not None},
    )


def _logit_bias(value: Any) -> Mapping[str, float] | None:
    """Pairs of token and bias, "-inf" for never."""
    if not isinstance(value, list):
        return None
    found: dict[str, float] = {}
    for pair in cast("list[Any]", value):
        match pair:
            case [int(token), int() | float() as bias] if math.isfinite(bias):
                found[str(token)] = float(bias)
            case [int(token), "-inf"]:
                found[str(token)] = _BAN
            case _:
                continue
    return found or None


def _effort(settings: Settings) -> Effort | None:
    thinks = settings.flag("reasoning.enableThinking")
    return None if thinks is None else ("on" if thinks else "off")


def _tools(settings: Settings) -> tuple[tuple[Mapping[str, Any], ...], bool]:
    """The tools, and whether one must be called. Where the choice is none, there are none."""
    given = settings.mapping("tools")
    mode = settings.mapping("toolChoice").get("mode")
    tools = given.get("tools") if given.get("type") == "toolArray" else None
    if not isinstance(tools, list) or mode == "none":
        return (), False
    named = tuple(cast("Mapping[str, Any]", each) for each in cast("list[Any]", tools) if _is_tool(each))
    return named, bool(named) and (mode == "required" or given.get("force") is True)


def _is_tool(value: Any) -> bool:
    match value:
        case {"type": "function", "function": {"name": str()}}:
            return True
        case _:
            return False
