"""Models that fail while they write."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from contextvars import ContextVar
from typing import Any

import msgspec

from wakeful.engine.errors import DoesNotFit, EngineError, GenerationFailed, ProcessDied, UnloadedMeanwhile
from wakeful.engine.faults.injector import MET, MODEL_KINDS, Injector
from wakeful.engine.faults.plan import (
    AnyFault,
    Crash,
    Duplicate,
    Endless,
    ErrorEvent,
    Overflow,
    Slow,
    Stall,
    Truncate,
    Unload,
    Wording,
)
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.models import Loader, Models, OnProgress
from wakeful.engine.life.settings import LoadConfig
from wakeful.engine.runner.pieces import CallStart, Done, Piece, PromptProgress, Stats, Text
from wakeful.engine.runner.request import Generation, Message
from wakeful.engine.runner.runner import Runner

ROUTE: ContextVar[str] = ContextVar("ROUTE", default="")
"""The path of the request in hand, where one connection carries many."""

Pieces = AsyncGenerator[Piece]

WORDINGS: Mapping[Wording, str] = {
    "lmstudio": "Trying to keep the first {prompt} tokens when context the overflows. However, the model is loaded "
    "with context length of only {context} tokens, which is not enough. Try to load the model with a larger context "
    "length, or provide a shorter input",
    "keep": "The number of tokens to keep from the initial prompt is greater than the context length. Try to load the "
    "model with a larger context length, or provide a shorter input",
    "fit": "The prompt of {prompt} tokens does not fit in context length {context}.",
    "exceeded": "Context size has been exceeded.",
    "llama.cpp": '{{"error":{{"code":400,"message":"request ({prompt} tokens) exceeds the available context size '
    '({context} tokens)","type":"exceed_context_size_error","n_prompt_tokens":{prompt},"n_ctx":{context}}}}}',
    "engine": "Engine protocol predict request returned 400: "
    '{{"error":{{"code":400,"message":"request ({prompt} tokens) exceeds the available context size ({context} '
    'tokens)","type":"exceed_context_size_error","n_prompt_tokens":{prompt},"n_ctx":{context}}}}}. Error Data: n/a, '
    "Additional Data: n/a",
    "silent": "",
}
"""How an overflow is told: LM Studio's older and newer engines, and llama.cpp within them."""


def faulty(load: Loader, injector: Injector, models: Callable[[], Models]) -> Loader:
    """A loader whose models fail as the plan says. models: those that it loads for, once there are any."""

    async def loaded(model: Descriptor, config: LoadConfig, on_progress: OnProgress) -> Runner:
        return FaultyRunner(await load(model, config, on_progress), model, injector, models)

    return loaded


class FaultyRunner:
    """A model in memory that fails as the plan says, and is otherwise what it was."""

    def __init__(self, runner: Runner, model: Descriptor, injector: Injector, models: Callable[[], Models]) -> None:
        self._runner = runner
        self._model = model
        self._injector = injector
        self._models = models
        self._unloading: set[asyncio.Task[Any]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)

    @property
    def context_tokens(self) -> int:
        """See `Runner`."""
        return self._runner.context_tokens

    async def generate(self, generation: Generation) -> AsyncGenerator[Piece]:
        """See `Runner`."""
        pieces = self._runner.generate(generation)
        for fault in self._met():
            pieces = self._spoilt(pieces, fault)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def render(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        """See `Runner`."""
        return await self._runner.render(messages, tools)

    async def tokenize(self, text: str) -> list[int]:
        """See `Runner`."""
        return await self._runner.tokenize(text)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """See `Runner`. Whatever happens at a token happens before the first vector."""
        for fault in self._met():
            await self._act(fault)
        return await self._runner.embed(texts)

    async def close(self) -> None:
        """See `Runner`."""
        await self._runner.close()

    def _met(self) -> tuple[AnyFault, ...]:
        """What happens to this generation; silence before the first token keeps an HTTP answer back on its way."""
        met = MET.get()
        if met is None:
            return self._injector.meet(ROUTE.get(), self._model.key, MODEL_KINDS)
        return tuple(each for each in met if not (isinstance(each, Stall) and each.at_token == 0))

    def _spoilt(self, pieces: Pieces, fault: AnyFault) -> Pieces:
        match fault:
            case Slow():
                return _paced(pieces, fault.token_s)
            case Truncate():
                return _cut(pieces, fault)
            case Endless():
                return _again_and_again(pieces, fault.token_s)
            case Overflow(wording="silent"):
                return _cut(pieces, Truncate(0, "eosFound"))
            case Overflow() | Duplicate():
                return self._at(pieces, 0, fault)
            case Stall() | ErrorEvent() | Crash() | Unload():
                return self._at(pieces, fault.at_token, fault)
            case _:
                return pieces

    async def _at(self, pieces: Pieces, at_token: int, fault: AnyFault) -> Pieces:
        """Lets something happen once so many tokens have gone by, at the latest at the answer's end."""
        said = 0
        waiting = True
        async with aclosing(pieces):
            if at_token == 0:
                waiting = False
                await self._act(fault)
            async for piece in pieces:
                if waiting and not isinstance(piece, PromptProgress) and (said >= at_token or isinstance(piece, Done)):
                    waiting = False
                    await self._act(fault)
                    if isinstance(fault, Crash):
                        continue  # what it wrote before it was killed is lost; what comes next is the error
                yield piece
                said += _tokens(piece)
        if not waiting and isinstance(fault, Crash):
            raise ProcessDied("The model has crashed.")

    async def _act(self, fault: AnyFault) -> None:
        match fault:
            case Stall():
                with suppress(TimeoutError):
                    async with asyncio.timeout(fault.for_s):
                        await asyncio.Event().wait()
            case ErrorEvent():
                raise GenerationFailed(fault.message)
            case Crash():
                await self._crash(fault.exit_code)
            case Unload():
                await self._unload()
            case Duplicate():
                await self._models().load(self._model.key)
            case Overflow() if fault.wording != "silent":
                raise overflow(fault)
            case _:
                pass

    async def _crash(self, exit_code: int) -> None:
        pid = getattr(self._runner, "pid", None)
        if not isinstance(pid, int):
            raise ProcessDied("The model has crashed.", exit_code=exit_code)
        os.kill(pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)

    async def _unload(self) -> None:
        models = self._models()
        for instance in models.loaded():
            if instance.runner is self:
                # By somebody else: who unloads may wait for the answers under way, of which this is one.
                task = asyncio.create_task(models.unload(instance.identifier), name="unload on command")
                self._unloading.add(task)
                task.add_done_callback(self._unloading.discard)
        raise UnloadedMeanwhile("Model unloaded.")


def overflow(fault: Overflow) -> EngineError:
    """The error of a prompt that does not fit, in the words that the fault asks for."""
    text = WORDINGS[fault.wording].format(prompt=fault.prompt_tokens, context=fault.context_tokens)
    if fault.wording == "lmstudio":
        return DoesNotFit(text, prompt_tokens=fault.prompt_tokens, context_tokens=fault.context_tokens)
    return DoesNotFit(text)


async def _paced(pieces: Pieces, token_s: float) -> Pieces:
    async with aclosing(pieces):
        async for piece in pieces:
            if _tokens(piece):
                await asyncio.sleep(token_s)
            yield piece


async def _cut(pieces: Pieces, fault: Truncate) -> Pieces:
    said = prompt = 0
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, PromptProgress):
                prompt = piece.total
            elif said >= fault.at_token or isinstance(piece, Done):
                break
            yield piece
            said += _tokens(piece)
    yield Done(fault.stop_reason, Stats(prompt_tokens=prompt, completion_tokens=said))


async def _again_and_again(pieces: Pieces, token_s: float) -> Pieces:
    said: list[Text] = []
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, Done):
                break
            if isinstance(piece, Text):
                said.append(msgspec.structs.replace(piece, reasoning=False))
            yield piece
    while True:
        for piece in said or [Text(" again")]:
            await asyncio.sleep(token_s)
            yield piece


def _tokens(piece: Piece) -> int:
    return 0 if isinstance(piece, (PromptProgress, CallStart, Done)) else piece.tokens
