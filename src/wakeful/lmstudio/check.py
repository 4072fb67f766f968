"""What can this server and this model do? A set of small trials, each with what it means for its owner."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from wakeful.lmstudio.chat.act import act
from wakeful.lmstudio.chat.batch import batch
from wakeful.lmstudio.chat.events import ContentDelta, ReasoningDelta
from wakeful.lmstudio.chat.messages import Chat
from wakeful.lmstudio.chat.structured import structured
from wakeful.lmstudio.client import AsyncLMStudioClient
from wakeful.lmstudio.errors import EmptyAnswer, InvalidStructure, LMStudioError, ModelNotFound, RequestRefused

Status = Literal["ok", "warn", "fail", "skip"]

LITTLE_CONTEXT = 8192
"""Tokens below which a conversation with tools or a day's log lines soon has no room."""

_MAX_TOKENS = 512
_FEW_TOKENS = 160
"""Enough to count to 20, and not for ever on a machine that writes five tokens a second."""

_LIMIT_S = 300.0
_AT_ONCE = 4
_PARALLEL = 2.5
"""Four at once that take no more than so many times what one takes are written side by side."""

_TELLING_S = 0.1


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One trial.

    seen: what happened, in a few words
    advice: what its owner may do about it, "" where there is nothing to do
    duration_s: seconds
    """

    name: str
    status: Status
    seen: str
    advice: str = ""
    duration_s: float = 0.0


class _City(msgspec.Struct):
    name: str
    country: str
    rivers: list[str]


@dataclass(slots=True)
class _Trial:
    client: AsyncLMStudioClient
    model: str

    async def say(self, text: str) -> str:
        result = await self.client.chat(
            text, model=self.model, max_tokens=_MAX_TOKENS, temperature=0.0, limit_s=_LIMIT_S
        )
        return result.text


_Check = Callable[[_Trial], Awaitable[CheckResult]]


async def check_server(client: AsyncLMStudioClient, model: str = "") -> AsyncGenerator[CheckResult, None]:
    """Try the server, one thing after the other; each result comes as soon as it is there.

    model: the one to try; "" for whichever is loaded. Nothing is loaded that is not named
    What fails is a result and no error. Where the server or the model is not there, the rest is left out.
    """
    trial = _Trial(client, model)
    for name, check in _CHECKS:
        result = await _timed(name, check, trial)
        yield result
        if result.status == "fail" and name in ("connection", "model"):
            for left, _ in _CHECKS[[each for each, _ in _CHECKS].index(name) + 1 :]:
                yield CheckResult(left, "skip", f"needs {name}")
            return


async def _timed(name: str, check: _Check, trial: _Trial) -> CheckResult:
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    try:
        result = await check(trial)
    except EmptyAnswer as error:
        advice = "Give it more `max_tokens`, or switch its thinking off with reasoning_effort='none'."
        seen = "it thought until its tokens ran out, and gave no answer"
        result = (
            CheckResult(name, "warn", seen, advice)
            if error.reasoning
            else CheckResult(name, "fail", error.message, error.hint)
        )
    except LMStudioError as error:
        result = CheckResult(name, "fail", error.message, error.hint)
    spent_s = loop.time() - started_s
    return CheckResult(name, result.status, result.seen, result.advice, spent_s)


async def _connection(trial: _Trial) -> CheckResult:
    health = await trial.client.health()
    if health.error is not None:
        raise health.error
    kinds = {"lmstudio": "LM Studio", "llama.cpp": "llama.cpp", "other": "a server that is not LM Studio"}
    known = len(health.models)
    seen = f"{kinds.get(health.kind, 'a server')} at {health.base_url}, {known} model{'s' * (known != 1)}"
    return CheckResult("connection", "ok", f"{seen}, {health.latency_s * 1000:.0f} ms")


async def _model(trial: _Trial) -> CheckResult:
    found = await trial.client.loaded_model(trial.model, may_load=bool(trial.model))
    trial.model = found.id
    said = [part for part in (found.quantization, found.parameters, found.format) if part]
    if found.context_length:
        said.append(f"{found.context_length:,} tokens of context")
    seen = f"{found.id} ({', '.join(said)})" if said else found.id
    if found.context_length and found.context_length < LITTLE_CONTEXT:
        most = found.max_context_length or 0
        longest = f"; it can do {most:,}" if most > found.context_length else " if its kind can do that"
        return CheckResult("model", "warn", seen, f"Load it with a longer context{longest}.")
    return CheckResult("model", "ok", seen)


async def _simple(trial: _Trial) -> CheckResult:
    text = await trial.say("Answer with the single word: ready")
    good = "ready" in text.casefold()
    advice = "" if good else "It does not follow the simplest request: a larger or another model will serve better."
    return CheckResult("simple", "ok" if good else "warn", f"it said {_short(text)}", advice)


async def _streaming(trial: _Trial) -> CheckResult:
    pieces = 0
    async with trial.client.stream(
        "Count from 1 to 20.", model=trial.model, max_tokens=_FEW_TOKENS, temperature=0.0, limit_s=_LIMIT_S
    ) as stream:
        try:
            async for event in stream:
                pieces += isinstance(event, ContentDelta | ReasoningDelta)
        except EmptyAnswer as error:  # what it thought is streamed all the same
            if not error.reasoning:
                raise
        result = stream.so_far
    seen = f"{pieces} piece{'s' * (pieces != 1)}, the first after {result.first_token_s:.2f} s"
    if pieces > 1:
        seen += f", {result.tokens_per_s:,.0f} tokens a second"
    if pieces < 2:
        return CheckResult("streaming", "warn", seen, "The server sends the answer in one piece: nothing shows early.")
    if result.usage.prompt_tokens is None:
        return CheckResult("streaming", "warn", seen, "No token counts in the stream: budgets can only be estimated.")
    if result.prompt_shortfall:
        return CheckResult("streaming", "warn", seen, "The server did not read the whole prompt.")
    return CheckResult("streaming", "ok", seen)


async def _conversation(trial: _Trial) -> CheckResult:
    chat = Chat(system="You answer in one word.").user("The password is heron. Remember it.").assistant("Yes.")
    result = await trial.client.chat(
        chat.user("What is the password?"),
        model=trial.model,
        max_tokens=_MAX_TOKENS,
        temperature=0.0,
        limit_s=_LIMIT_S,
    )
    good = "heron" in result.text.casefold()
    advice = "" if good else "It loses what was said before; its chat template may be wrong."
    return CheckResult("conversation", "ok" if good else "warn", f"it said {_short(result.text)}", advice)


async def _structured(trial: _Trial) -> CheckResult:
    try:
        got = await structured(
            trial.client,
            "Describe the city of Lyon.",
            _City,
            repairs=0,
            model=trial.model,
            max_tokens=_MAX_TOKENS,
            temperature=0.0,
            limit_s=_LIMIT_S,
        )
    except InvalidStructure as error:
        advice = "Another model or runtime may do."
        if "cut off" in error.message:
            advice = "The model does not come to an end within the schema; a larger one may."
        return CheckResult("structured", "fail", f"no JSON of the schema: {_short(error.partial)}", advice)
    return CheckResult("structured", "ok", _short(json.dumps(msgspec.to_builtins(got.value), ensure_ascii=False)))


async def _tools(trial: _Trial) -> CheckResult:
    def multiply(a: int, b: int) -> int:
        """Multiply two numbers.

        Args:
            a: the first
            b: the second
        """
        return a * b

    result = await act(
        trial.client,
        "What is 7041 times 17? Use the tool.",
        [multiply],
        max_rounds=3,
        model=trial.model,
        max_tokens=_MAX_TOKENS,
        temperature=0.0,
        limit_s=_LIMIT_S,
    )
    called = [run for run in result.runs if run.told == str(7041 * 17)]
    if not called:
        seen = result.runs[0].told if result.runs else f"no call, it said {_short(result.text)}"
        return CheckResult("tools", "warn", seen, "Let it have no tools, or take a model that is trained to use them.")
    told = str(7041 * 17) in result.text.replace(",", "").replace(".", "").replace(" ", "")
    seen = f"called {called[0].call.name}({called[0].call.arguments}), {result.rounds} rounds"
    advice = "" if told else "It calls the tool, and then does not say what it gave."
    return CheckResult("tools", "ok" if told else "warn", seen, advice)


async def _errors(trial: _Trial) -> CheckResult:
    try:
        result = await trial.client.chat("hello", model="no-such-model-7041", max_tokens=1, limit_s=_LIMIT_S)
    except ModelNotFound as error:
        return CheckResult("errors", "ok", f"an unknown model is refused: {_short(error.detail or error.message)}")
    except RequestRefused as error:
        return CheckResult("errors", "ok", f"an unknown model is refused as {type(error).__name__}")
    seen = f"an unknown model is answered by {result.model or 'some model'}"
    return CheckResult("errors", "warn", seen, "A wrong model name goes unnoticed here: compare `ChatResult.model`.")


async def _thinking(trial: _Trial) -> CheckResult:
    match await trial.client.manners.of(trial.client, trial.model):
        case "plain":
            return CheckResult("thinking", "ok", "it does not think before it answers")
        case "thinks":
            return CheckResult("thinking", "ok", "it thinks before it answers, also when it is held to a schema")
        case "suppressed":
            advice = "Use `think_then_constrain` where the thoughts matter."
            return CheckResult("thinking", "warn", "it thinks, but a schema takes its thoughts away", advice)


async def _concurrency(trial: _Trial) -> CheckResult:
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    await trial.say("Answer with the single word: alone")
    alone_s = loop.time() - started_s
    started_s = loop.time()
    words = [f"Answer with the single word: word{number}" for number in range(_AT_ONCE)]
    answers = await batch(trial.say, words, concurrency=_AT_ONCE, errors="return")
    spent_s = loop.time() - started_s
    failed = [answer for answer in answers if isinstance(answer, LMStudioError)]
    if failed:
        seen = f"{len(failed)} of {_AT_ONCE} at once failed: {failed[0].message}"
        return CheckResult("concurrency", "fail", seen, "Send one request at a time: AsyncLMStudioClient(neighbour=…).")
    how = "side by side" if spent_s < _PARALLEL * alone_s else "one after the other"
    return CheckResult(
        "concurrency", "ok", f"{_AT_ONCE} at once in {spent_s:.1f} s, one alone in {alone_s:.1f} s: {how}"
    )


_CHECKS: tuple[tuple[str, _Check], ...] = (
    ("connection", _connection),
    ("model", _model),
    ("simple", _simple),
    ("streaming", _streaming),
    ("conversation", _conversation),
    ("structured", _structured),
    ("thinking", _thinking),
    ("tools", _tools),
    ("errors", _errors),
    ("concurrency", _concurrency),
)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= 60 else text[:57] + "…")
