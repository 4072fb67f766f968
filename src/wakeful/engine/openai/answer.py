"""From a request to its answer, whatever its form: a model is taken, asked, listened to, and given back."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any, Protocol

import msgspec
from aiohttp import web

from wakeful.engine.errors import EngineError, GenerationFailed
from wakeful.engine.life.instance import Instance
from wakeful.engine.runner.pieces import CallArguments, CallStart, Done, Piece, PromptProgress, Stats, Text, TokenChoice
from wakeful.engine.runner.request import Generation
from wakeful.engine.server import answers
from wakeful.engine.server.keys import MODELS, SETTINGS
from wakeful.engine.server.sse import EventStream, ReaderGone

_COMFORT_S = 10.0
"""A comment now and then while a long prompt is read keeps proxies from hanging up. The original sends none."""


_log = logging.getLogger(__name__)

_NO_END = "The model stopped without an end."


class SaidCall(msgspec.Struct):
    """A tool call of an answer. arguments: JSON as the model wrote it."""

    id: str
    name: str
    arguments: str = ""


class Said:
    """All that a model has said so far."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._arguments: list[list[str]] = []
        self._calls: list[SaidCall] = []
        self.choices: list[TokenChoice] = []
        self.done = Done("failed", Stats())
        self.ended = False

    def add(self, piece: Piece) -> None:
        """Take in the next piece."""
        match piece:
            case Text():
                (self._thoughts if piece.reasoning else self._texts).append(piece.text)
                if not piece.reasoning:
                    self.choices += piece.logprobs
            case CallStart():
                self._calls.append(SaidCall(piece.id, piece.name))
                self._arguments.append([])
            case CallArguments():
                self._arguments[piece.index].append(piece.text)
            case Done():
                self.done = piece
                self.ended = True
            case PromptProgress():
                return

    @property
    def text(self) -> str:
        """The answer itself."""
        return "".join(self._texts)

    @property
    def reasoning(self) -> str:
        """What was thought before."""
        return "".join(self._thoughts)

    @property
    def calls(self) -> list[SaidCall]:
        """The tools that are to be called."""
        for called, pieces in zip(self._calls, self._arguments, strict=True):
            called.arguments = "".join(pieces)
        return self._calls


class Writer(Protocol):
    """Turns what a model says into the events of one interface."""

    def begin(self) -> bytes:
        """The events that come before all others, b"" for none."""
        ...

    def take(self, piece: Piece) -> bytes:
        """The events that it makes, b"" for none; the last ones come of `Done`."""
        ...

    def failed(self, error: EngineError) -> bytes:
        """The events that end a stream in which something went wrong."""
        ...


Keep = Callable[[Said], Awaitable[None]]
"""Told all that was said, before whoever asked hears of its end."""


async def whole(
    request: web.Request,
    name: str,
    generation: Generation,
    body: Callable[[Instance, Said], Any],
    *,
    ttl_s: float | None = None,
    keep: Keep | None = None,
) -> web.StreamResponse:
    """Answer in one piece. name: of the model; body: makes the answer of what was said. Raises EngineError."""
    said = Said()
    async with request.app[MODELS].use(name, ttl_s=ttl_s) as instance:
        async with aclosing(instance.runner.generate(generation)) as pieces:
            async for piece in pieces:
                said.add(piece)
    if not said.ended:
        raise GenerationFailed(_NO_END)
    if keep is not None:
        await keep(said)
    return await answers.whole(request, body(instance, said))


async def streamed(
    request: web.Request,
    name: str,
    generation: Generation,
    writer: Callable[[Instance], Writer],
    *,
    ttl_s: float | None = None,
    keep: Keep | None = None,
) -> web.StreamResponse:
    """Answer as a stream.

    What goes wrong before a model is at work is raised as EngineError, and told by the status; later it is an event.
    """
    async with request.app[MODELS].use(name, ttl_s=ttl_s) as instance:
        stream = EventStream(request)
        await stream.begin()
        writing = writer(instance)
        comfort = not request.app[SETTINGS].exact
        with suppress(ReaderGone):
            try:
                async with aclosing(instance.runner.generate(generation)) as pieces:
                    await _write(pieces if keep is None else _kept(pieces, keep), writing, stream, comfort=comfort)
            except EngineError as error:
                await stream.send(writing.failed(error))
            except ReaderGone:
                raise
            except Exception:
                _log.exception("%s %s failed; this is a bug, please report it", request.method, request.path)
                await stream.send(writing.failed(GenerationFailed("Internal error")))
    return await stream.end()


async def _write(pieces: AsyncIterator[Piece], writer: Writer, stream: EventStream, *, comfort: bool) -> None:
    if begun := writer.begin():
        await stream.send(begun)
    piece: Piece | None = None
    async for piece in pieces:
        if data := writer.take(piece):
            await stream.send(data)
        elif comfort:
            await stream.comfort(_COMFORT_S)
    if not isinstance(piece, Done):
        raise GenerationFailed(_NO_END)


async def _kept(pieces: AsyncIterator[Piece], keep: Keep) -> AsyncIterator[Piece]:
    said = Said()
    async for piece in pieces:
        said.add(piece)
        if isinstance(piece, Done):
            await keep(said)
        yield piece
