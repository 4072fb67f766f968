"""Which model thinks: LM Studio's when it answers, else the built-in engine's."""

import asyncio
import importlib.util
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wakeful.cli.runtime import Runtime
from wakeful.config import Settings
from wakeful.lmstudio import NO_RETRY, AsyncLMStudioClient, LMStudioError, Observer, Timeouts
from wakeful.mind import LM_STUDIO, ModelFacts, Thinker

OnNews = Callable[[str], None]
"""Is told, in words for a person, what is being waited for."""

BUILT_IN = "built-in engine"

PILOT_NOTE = (
    "This is the pilot model that ships with Wakeful: it is small and knows little. For a real one, start LM Studio, "
    "load a model, and start Wakeful again."
)

_PILOT_NAME = "pilot"
_ASSUMED_CONTEXT = 4096  # the smallest that LM Studio loads a model with by default
_ENGINE_CONTEXT = 8192
_MAX_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Connection:
    """A model that thinks, and how another process of this user reaches it (the token is the engine's own)."""

    thinker: Thinker
    url: str
    token: str = ""


@asynccontextmanager
async def connected(
    settings: Settings, on_news: OnNews, *, running: Runtime | None = None, observers: Sequence[Observer] = ()
) -> AsyncGenerator[Connection]:
    """The model that thinks, as soon as there is one; waits for it as long as it takes.

    running: a mind that runs already, whose built-in engine is used instead of a second one
    observers: are told of each answer of LM Studio
    Raises EngineError when the built-in engine is wanted and can't run.
    """
    url, use = settings.model.url, settings.model.use
    builtin = use == "builtin" or (use == "auto" and not await _answers(settings, url))
    if builtin and running is not None and running.model_token:
        async with _client(settings, running.model_url, running.model_token) as client:
            thinker = await _thinker(client, BUILT_IN, settings, on_news)
            yield Connection(thinker, running.model_url, running.model_token)
    elif builtin and (use == "builtin" or engine_installed()):
        async with _engine(settings, on_news) as (client, token):
            yield Connection(await _thinker(client, BUILT_IN, settings, on_news), client.base_url, token)
    else:
        if builtin:
            on_news(f"Nobody answers at {url}; the built-in engine is not installed (pip install 'wakeful[engine]').")
        async with _client(settings, url, observers=observers) as client:
            yield Connection(await _thinker(client, LM_STUDIO, settings, on_news), client.base_url)


@asynccontextmanager
async def _engine(settings: Settings, on_news: OnNews) -> AsyncGenerator[tuple[AsyncLMStudioClient, str]]:
    from wakeful.engine import Engine, EngineDied, EngineEvent, choose_model

    file = choose_model(_expanded(settings.model.gguf))
    clients: list[AsyncLMStudioClient] = []

    def told(event: EngineEvent) -> None:
        if isinstance(event, EngineDied):
            on_news(f"The built-in engine died ({event.reason}); it starts again in {event.restart_in_s:.0f} s.")
        for client in clients:
            client.base_url = engine.base_url  # the same, wherever a restarted engine could keep its port

    on_news(f"Starting the built-in engine with {file.name}.")
    engine = Engine(
        file,
        context_tokens=settings.model.context_tokens or _ENGINE_CONTEXT,
        threads=settings.model.threads or None,
        on_event=told,
    )
    async with engine, _client(settings, engine.base_url, engine.api_token) as client:
        clients.append(client)
        yield client, engine.api_token


async def _thinker(client: AsyncLMStudioClient, server: str, settings: Settings, on_news: OnNews) -> Thinker:
    """Waits until the server has a model to think with."""
    pause_s = 1.0
    told = ""
    while True:
        try:
            facts = await _facts(client, server, settings)
            break
        except LMStudioError as error:
            if str(error) != told:
                told = str(error)
                on_news(f"Waiting for a model: {told}")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _MAX_WAIT_S)
    answer_tokens = min(settings.thinking.max_answer_tokens, facts.context_tokens // 3)
    # The pilot copies; chance would only make it slip.
    temperature = 0.0 if facts.pilot else settings.thinking.temperature
    look = partial(_facts, client, server, settings)
    return Thinker(client, facts, answer_tokens=answer_tokens, temperature=temperature, look=look)


async def _facts(client: AsyncLMStudioClient, server: str, settings: Settings) -> ModelFacts:
    """Which model is there to think with. Raises LMStudioError where there is none."""
    model = await client.loaded_model(settings.model.name if server == LM_STUDIO else "")
    return ModelFacts(
        name=model.id,
        context_tokens=_smaller(settings.model.context_tokens, model.context_length or 0) or _ASSUMED_CONTEXT,
        server=server,
        base_url=client.base_url,
        pilot=server == BUILT_IN and _PILOT_NAME in model.id.casefold(),
    )


def _client(
    settings: Settings, url: str, token: str = "", *, observers: Sequence[Observer] = ()
) -> AsyncLMStudioClient:
    timeouts = Timeouts(first_token_s=settings.model.timeout_s)
    return AsyncLMStudioClient(
        url,
        api_token=token or settings.model.api_token,
        timeouts=timeouts,
        observers=observers,
        retry=NO_RETRY,  # the mind waits for its server by a rule of its own
    )


async def _answers(settings: Settings, url: str) -> bool:
    async with _client(settings, url) as client:
        return (await client.health()).ok


def _smaller(wanted: int, there: int) -> int:
    """What the user asks for, but never more than the loaded model holds; 0 where neither is known."""
    return min(wanted, there) if wanted and there else wanted or there


def _expanded(path: str) -> Path | None:
    return Path(path).expanduser() if path else None


def engine_installed() -> bool:
    """Whether the extra `engine` is there."""
    return importlib.util.find_spec("xllamacpp") is not None
