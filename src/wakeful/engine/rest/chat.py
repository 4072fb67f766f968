"""`POST /api/v1/chat`: a conversation that the server remembers."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager, suppress

from aiohttp import web

from wakeful.engine.errors import EngineError, GenerationFailed, NoSuchModel
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.instance import Instance
from wakeful.engine.life.loads import OnProgress
from wakeful.engine.life.settings import LoadConfig
from wakeful.engine.rest import strict
from wakeful.engine.rest.chat_events import Growing, named
from wakeful.engine.rest.chat_request import ChatRequest
from wakeful.engine.runner.request import Generation, Message
from wakeful.engine.server import answers
from wakeful.engine.server.conversations import CONVERSATIONS, new_id
from wakeful.engine.server.keys import MODELS, SETTINGS
from wakeful.engine.server.sse import EventStream, ReaderGone

Tell = Callable[[bytes], None]


async def create(request: web.Request) -> web.StreamResponse:
    """POST /api/v1/chat"""
    asked = await strict.read(request, ChatRequest)
    asked.check()
    new = [*asked.system(), *asked.turns(request.app[SETTINGS].limits)]
    previous = asked.previous_response_id or ""
    before = await request.app[CONVERSATIONS].recall(previous) if previous else ()
    await _check_reasoning(request, asked)
    chat = _Chat(request, asked, asked.generation(before, new), new)
    return await (chat.streamed() if asked.stream else chat.whole())


async def _check_reasoning(request: web.Request, asked: ChatRequest) -> None:
    """Before a model is loaded in vain. Raises Refused."""
    models = request.app[MODELS]
    there = models.find(asked.model, "llm")
    with suppress(NoSuchModel):  # which is for whoever loads it to tell
        asked.check_reasoning(there.model if there is not None else await models.resolve(asked.model, "llm"))


class _Chat:
    """One request on its way to its answer."""

    def __init__(self, request: web.Request, asked: ChatRequest, generation: Generation, new: list[Message]) -> None:
        self._request = request
        self._asked = asked
        self._generation = generation
        self._new = new
        self._growing = Growing()
        self._response_id = new_id() if asked.store else ""

    async def whole(self) -> web.StreamResponse:
        """Answer in one piece."""
        async with self._model(_nobody) as instance:
            self._growing.started(instance.identifier)
            async with aclosing(instance.runner.generate(self._generation)) as pieces:
                async for piece in pieces:
                    self._growing.take(piece)
        if not self._growing.is_whole:
            raise GenerationFailed("The model stopped without an end.")
        await self._keep()
        return await answers.whole(self._request, self._growing.result(self._response_id))

    async def streamed(self) -> web.StreamResponse:
        """Answer as events. What goes wrong before the first of them is told by the status."""
        stream = EventStream(self._request)
        with suppress(ReaderGone):
            failure: EngineError | None = None
            try:
                await self._stream(stream)
            except EngineError as error:
                if not self._growing.instance_id:
                    raise
                failure, self._response_id = error, ""
            await stream.send(self._growing.ended(self._response_id, failure))
        return await stream.end()

    async def _stream(self, stream: EventStream) -> None:
        there = self._request.app[MODELS].find(self._asked.model, "llm")
        async with _Teller(stream) as teller:
            if there is not None:
                teller.tell(self._growing.started(there.identifier))
            async with self._model(teller.tell) as instance:
                teller.tell(self._growing.started(instance.identifier))
                await teller.flush()
                await self._speak(instance, stream)
        if not self._growing.is_whole:
            raise GenerationFailed("The model stopped without an end.")
        await self._keep()

    async def _speak(self, instance: Instance, stream: EventStream) -> None:
        async with aclosing(instance.runner.generate(self._generation)) as pieces:
            async for piece in pieces:
                if data := self._growing.take(piece):
                    await stream.send(data)

    @asynccontextmanager
    async def _model(self, tell: Tell) -> AsyncGenerator[Instance]:
        """The model, loaded with what is told of that."""
        growing, name = self._growing, ""

        def began(model: Descriptor) -> OnProgress:
            nonlocal name
            name = model.key
            tell(growing.started(name) + named("model_load.start", model_instance_id=name))
            return lambda share: tell(named("model_load.progress", model_instance_id=name, progress=share))

        config = LoadConfig(context_length=self._asked.context_length)
        async with self._request.app[MODELS].use(self._asked.model, config=config, on_load=began) as instance:
            self._asked.check_reasoning(instance.model)
            if name:
                growing.load_s = instance.load_s
                loaded = round(instance.load_s, 3)
                tell(named("model_load.end", model_instance_id=instance.identifier, load_time_seconds=loaded))
            yield instance

    async def _keep(self) -> None:
        if self._response_id:
            said: Message = {"role": "assistant", "content": self._growing.text()}
            await self._request.app[CONVERSATIONS].keep(
                [*self._new, said],
                response_id=self._response_id,
                previous=self._asked.previous_response_id or "",
            )


class _Teller:
    """Sends what it is told from within callbacks that can't wait, in that order."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self._waiting: list[bytes] = []
        self._more = asyncio.Event()
        self._one_by_one = asyncio.Lock()

    async def __aenter__(self) -> "_Teller":
        self._task = asyncio.create_task(self._send())
        return self

    async def __aexit__(self, *_: object) -> None:
        """All that it was told is sent, also before an error is."""
        self._task.cancel()
        # Where nobody reads any more, whoever writes next finds that out by himself.
        await asyncio.gather(self._task, return_exceptions=True)
        with suppress(ReaderGone):
            await self.flush()

    def tell(self, data: bytes) -> None:
        """An event, b"" for none."""
        if data:
            self._waiting.append(data)
            self._more.set()

    async def flush(self) -> None:
        """Send what waits. Raises ReaderGone."""
        async with self._one_by_one:
            while self._waiting:
                await self._stream.send(self._waiting.pop(0))

    async def _send(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            await self.flush()


def _nobody(_: bytes) -> None:
    return
